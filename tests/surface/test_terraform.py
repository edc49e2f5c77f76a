"""All Terraform files: pins, what may not stand in them, and names that the charms have."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Iterator
from typing import Any

import modules
import pages
import pytest
from surface import Surface, charms

MODULES = tuple(modules.all_modules().values())

# Where a key of one of these maps is a name of the charm's.
_NAMES = {'config': lambda charm: charm.options, 'resources': lambda charm: charm.resources}


@pytest.mark.parametrize('path', modules.files(), ids=lambda path: str(path.relative_to(modules.TERRAFORM)))
def test_given_a_file_then_it_is_hcl_and_runs_nothing_on_the_machine_that_applies(path: pathlib.Path):
    text = path.read_text()

    assert modules.parse(text)
    assert re.findall(r'provisioner|local-exec|remote-exec|null_resource|data\s+"external"', text) == []


@pytest.mark.parametrize('module', MODULES, ids=lambda module: module.name)
def test_given_a_module_then_it_names_the_versions_that_it_runs_with(module):
    ((terraform),) = module.blocks['terraform']
    ((provider),) = terraform['required_providers']

    assert terraform['required_version'] == '~> 1.11'
    assert provider.keys() == {'juju'}
    assert provider['juju']['source'] == 'juju/juju'
    assert re.fullmatch(r'>= \d+\.\d+, < 3\.0', provider['juju']['version'])


@pytest.mark.parametrize('module', MODULES, ids=lambda module: module.name)
def test_given_a_module_then_its_variables_and_outputs_are_described_and_used(module):
    described = {**module.named('variable'), **module.named('output')}
    body = str({kind: blocks for kind, blocks in module.blocks.items() if kind != 'variable'})

    assert [name for name, block in described.items() if not block.get('description')] == []
    assert [name for name in module.named('variable') if not re.search(rf'\bvar\.{name}\b', body)] == []
    assert list(module.named('variable')) == sorted(module.named('variable'), key=lambda name: name.replace('-', '_'))


@pytest.mark.parametrize('module', MODULES, ids=lambda module: module.name)
def test_given_a_module_then_its_tests_play_the_providers_part_and_set_its_variables(module):
    (path,) = (module.folder / 'tests').glob('*.tftest.hcl')
    test = modules.parse(path.read_text())
    runs = {name: run for block in test['run'] for name, run in block.items()}
    sets = [*test.get('variables', []), *(given for run in runs.values() for given in run.get('variables', []))]

    assert [*test['mock_provider'][0]] == ['juju']
    assert {name for given in sets for name in given} - module.named('variable').keys() == set()
    assert all('assert' in run or 'expect_failures' in run for run in runs.values())


def _callers() -> Iterator[tuple[modules.Module, str, dict[str, Any], modules.Module]]:
    for module in MODULES:
        for label, call in module.named('module').items():
            yield module, label, call, module.child(label)


CALLS = tuple(_callers())


@pytest.mark.parametrize('call', CALLS, ids=lambda call: f'{call[0].name}:{call[1]}')
def test_given_a_module_that_uses_another_then_it_gives_what_that_one_takes(call):
    caller, label, given, used = call
    variables = used.named('variable')

    assert used.blocks, f'{caller.name}: module {label} has no files at {given["source"]}'
    assert given.keys() - {'source', 'for_each', 'count', 'depends_on', 'providers'} - variables.keys() == set()
    assert {name for name, variable in variables.items() if 'default' not in variable} - given.keys() == set()


@pytest.mark.parametrize('call', CALLS, ids=lambda call: f'{call[0].name}:{call[1]}')
def test_given_a_module_that_uses_another_then_the_outputs_that_it_reads_are_there(call):
    caller, label, _, used = call
    outputs = used.named('output')

    for output, key in re.findall(rf'\bmodule\.{label}\.(\w+)(?:\.(\w+))?', str(caller.blocks)):
        assert output in outputs, f'{caller.name} reads {output} of {used.name}, which has none'
        if key and output in ('provides', 'requires'):
            assert key in outputs[output]['value'], f'{caller.name} reads {output}.{key} of {used.name}'


def _charm_of(module: modules.Module) -> Surface | None:
    return charms().get(module.name)


def _used_names() -> Iterator[tuple[str, Surface, str, str]]:
    """Every option and resource that a module, a test or a README names: where, the charm, the kind, the name."""
    for caller, label, given, used in CALLS:
        if charm := _charm_of(used):
            yield from _in_maps(f'{caller.name}, module {label}', charm, given)
    for module in MODULES:
        for path in (module.folder / 'tests').glob('*.tftest.hcl'):
            if charm := _charm_of(module):
                yield from _in_maps(str(path.relative_to(modules.TERRAFORM)), charm, modules.parse(path.read_text()))
    for path, call, used in _examples():
        if charm := _charm_of(used):
            yield from _in_maps(str(path.relative_to(modules.TERRAFORM)), charm, call)


def _in_maps(place: str, charm: Surface, value: Any) -> Iterator[tuple[str, Surface, str, str]]:
    for kind in _NAMES:
        for found in modules.maps(value, kind):
            yield from ((place, charm, kind, name) for name in found)


def _examples() -> Iterator[tuple[pathlib.Path, dict[str, Any], modules.Module]]:
    """The module blocks in READMEs: where, what is given, the module."""
    for path in sorted(modules.TERRAFORM.rglob('README.md')):
        for block in re.findall(r'(?:^    .*\n|^\n)+', path.read_text(), flags=re.MULTILINE):
            if 'module "' not in block:
                continue
            for labelled in modules.parse(re.sub('^    ', '', block, flags=re.MULTILINE)).get('module', []):
                for call in labelled.values():
                    source = call['source'].removeprefix('./')
                    yield path, call, modules.load(modules.ROOT / source)


@pytest.mark.parametrize('used', sorted({(p, c.name, k, n) for p, c, k, n in _used_names()}), ids=':'.join)
def test_given_a_module_that_names_an_option_or_a_resource_then_the_charm_has_it(used):
    place, charm, kind, name = used

    there = _NAMES[kind](charms()[charm])

    assert name in there, f'{place}: {charm} has no {name}; what it has as {kind}: {", ".join(there)}'


@pytest.mark.parametrize(
    ('path', 'given', 'used'), tuple(_examples()), ids=lambda part: part.name if isinstance(part, pathlib.Path) else ''
)
def test_given_a_readme_then_its_example_gives_what_the_module_takes(path, given, used):
    variables = used.named('variable')

    assert variables, f'{path}: no module at {given["source"]}'
    assert given.keys() - {'source'} - variables.keys() == set()
    assert {name for name, variable in variables.items() if 'default' not in variable} - given.keys() == set()


def test_given_the_readme_then_it_lists_all_modules():
    text = (modules.TERRAFORM / 'README.md').read_text()

    listed = re.findall(r'^\| \[.*?\]\((.*?)/README\.md\)', text, flags=re.MULTILINE)

    assert sorted(listed) == sorted(module.name for module in MODULES)


@pytest.mark.parametrize('module', MODULES, ids=lambda module: module.name)
def test_given_a_module_then_its_readme_has_a_place_for_its_variables(module):
    text = (module.folder / 'README.md').read_text()

    assert (text.count(pages.BEGIN), text.count(pages.END)) == (1, 1)


def test_given_the_product_then_each_pair_that_it_relates_fits():
    product = modules.all_modules()['product']
    sides = re.compile(r'\$\{(?:module\.(\w+)|each\.value)\.(provides|requires)\.(\w+)\}')
    of = {'server': 'temporal-k8s', 'admin': 'temporal-admin-k8s', '': 'temporal-worker-k8s'}

    for label in ('admin', 'worker'):
        ends = []
        for application in product.resources()[f'juju_integration.{label}']['application']:
            match = sides.fullmatch(application['endpoint'])
            assert match, application
            charm = charms()[of[match[1] or '']]
            ends.append((match[2], charm.endpoints(match[2])[match[3].replace('_', '-')]['interface']))
        (first, interface), (second, other) = ends
        assert {first, second} == {'provides', 'requires'}
        assert interface == other


def test_given_the_product_when_an_application_is_deployed_anew_then_its_relations_and_offers_are_made_anew():
    resources = modules.all_modules()['product'].resources()
    constraints = {label.split('.')[1]: body['input'] for label, body in resources.items() if 'terraform_data' in label}
    made = {label: body for label, body in resources.items() if label.startswith(('juju_integration', 'juju_offer'))}

    assert constraints == {
        'server': '${var.server.constraints}',
        'admin': '${var.admin.constraints}',
        'worker': '${each.value.constraints}',
    }
    for label, body in made.items():
        used = {*re.findall(r'module\.(\w+)\.application', str(body)), *({'worker'} & {label.split('.')[1]})}
        (lifecycle,) = body['lifecycle']
        assert {*re.findall(r'terraform_data\.(\w+)', str(lifecycle['replace_triggered_by']))} == used, label
