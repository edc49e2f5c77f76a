"""Each charm has a Terraform module, which says of the charm what the charm's own files say."""

from __future__ import annotations

import re

import modules
import pytest
from surface import Surface, charms

CHARMS = tuple(charms().values())

VARIABLES = ('app_name', 'base', 'channel', 'config', 'constraints', 'model_uuid', 'resources', 'revision', 'units')
"""What Canonical's modules of charms take, in the order in which they stand there."""

REQUIRED = ('channel', 'model_uuid')


def module_of(charm: Surface) -> modules.Module:
    module = modules.all_modules().get(charm.name)
    if module is None:
        pytest.fail(f'the charm {charm.name} has no module: make terraform/{charm.name}/ after its siblings')
    return module


@pytest.mark.parametrize('charm', CHARMS, ids=lambda charm: charm.name)
def test_given_a_charm_then_its_module_has_the_usual_files(charm):
    folder = module_of(charm).folder

    usual = ['README.md', 'main.tf', 'outputs.tf', 'tests/main.tftest.hcl', 'variables.tf', 'versions.tf']

    assert [name for name in usual if not (folder / name).is_file()] == []


@pytest.mark.parametrize('charm', CHARMS, ids=lambda charm: charm.name)
def test_given_a_charm_then_its_module_deploys_it_and_nothing_else(charm):
    ((_, application),) = module_of(charm).resources().items()

    assert application['charm'][0]['name'] == charm.name
    assert application['name'] == '${var.app_name}'
    assert module_of(charm).named('variable')['app_name']['default'] == charm.name


@pytest.mark.parametrize('charm', CHARMS, ids=lambda charm: charm.name)
def test_given_a_charm_then_its_module_takes_the_usual_variables_in_the_usual_order(charm):
    variables = module_of(charm).named('variable')
    unneeded = [name for name, there in (('config', charm.options), ('resources', charm.resources)) if not there]

    assert list(variables) == [name for name in VARIABLES if name not in unneeded]
    assert [name for name, variable in variables.items() if 'default' not in variable] == list(REQUIRED)
    assert [name for name, variable in variables.items() if not variable.get('description')] == []


@pytest.mark.parametrize('charm', CHARMS, ids=lambda charm: charm.name)
def test_given_a_charm_then_each_variable_of_its_module_reaches_the_provider(charm):
    module = module_of(charm)
    used = set(re.findall(r'\bvar\.(\w+)', str(module.resources())))

    assert used == module.named('variable').keys()


@pytest.mark.parametrize('charm', CHARMS, ids=lambda charm: charm.name)
def test_given_a_charm_with_storage_then_its_module_takes_directives_for_it(charm):
    assert ('storage_directives' in module_of(charm).named('variable')) == bool(charm.charm.get('storage'))


def test_given_the_modules_then_each_that_deploys_a_charm_is_named_like_one():
    deploying = {name for name, module in modules.all_modules().items() if module.resources('juju_application')}

    assert deploying == charms().keys()
