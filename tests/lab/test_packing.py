"""What users get as charms and workflows is what the repository holds, with what uv.lock pins, and nothing else."""

from __future__ import annotations

import hashlib
import io
import json
import pathlib
import shutil
import struct
import subprocess
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib import metadata

import pytest
import yaml
from packaging.utils import canonicalize_name, parse_wheel_filename

from lab import commands, packing, settings
from lab.progress import LabError

SERVER = 'temporal-k8s'
SUITE = {
    SERVER: '.',
    'temporal-admin-k8s': 'charms/temporal-admin-k8s',
    'temporal-worker-k8s': 'charms/temporal-worker-k8s',
    'external-service-integrator': 'charms/external-service-integrator',
}
NEIGHBOURS = {name: f'lab/neighbours/{name}' for name in ('postgresql-k8s', 'nginx-ingress-integrator')}
CHARMS = SUITE | NEIGHBOURS
ON_REQUEST = {name: f'lab/neighbours/{name}' for name in ('kafka-k8s', 'rabbitmq-k8s', 's3-integrator')}
FOLDERS = CHARMS | ON_REQUEST
PROGRAMS = {
    SERVER: {'bin/temporal-health': 'Usage of', 'bin/temporal-client': '{"error":"the request is no JSON document'},
    'temporal-admin-k8s': {'bin/temporal-schema': 'Usage of'},
    'temporal-worker-k8s': {'bin/temporal-attendant': 'Usage of'},
}
"""What is built from Go files for a charm, and how it answers a wrong question."""

OWN = {
    'oci_factory': settings.ROOT / 'workflows/oci_factory',
    'temporal_events': settings.ROOT / 'workflows/events',
}
"""The repository's wheels in the archive of the workflows."""

WARM = 30
"""Seconds that packing may take when nothing has changed."""

_PACKAGES = 'venv/lib/python3.11/site-packages'
_FOR_CHARMCRAFT = {'type', 'base', 'platforms', 'parts', 'config', 'actions'}
_PROBE = """
import importlib, json, pathlib, pkgutil, sys
ours = set(sys.modules)
import charm
for module in pkgutil.iter_modules([pathlib.Path(charm.__file__).parent]):
    importlib.import_module(module.name)
files = {n: getattr(m, '__file__', None) for n, m in sys.modules.items() if n not in ours}
print(json.dumps({n: f for n, f in files.items() if f}))
"""
_STANDARD_LIBRARY = '/usr/lib/python3.11/'


@pytest.fixture(scope='session', params=[*CHARMS, *(pytest.param(name, marks=pytest.mark.soak) for name in ON_REQUEST)])
def charm(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope='session')
def unpacked(charm: str, dist: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A charm as Juju unpacks it, with the files' modes."""
    folder = tmp_path_factory.mktemp(charm)
    if charm in ON_REQUEST:
        commands.output([settings.LAB / 'bin/lab', 'pack', '--neighbours'], seconds=1800)
    with zipfile.ZipFile(dist / f'{charm}.charm') as archive:
        for info in archive.infolist():
            pathlib.Path(archive.extract(info, folder)).chmod(info.external_attr >> 16 & 0o777)
    return folder


def _in_git(folder: pathlib.Path, *paths: str) -> dict[str, bytes]:
    """Path to content of what git would commit of a folder; asked here, not of the code that packs."""
    command = ['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', *paths]
    names = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout.split('\0')
    return {name: (folder / name).read_bytes() for name in names if (folder / name).is_file()}


def _on_disk(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob('*') if p.is_file()}


def _yaml(path: pathlib.Path) -> dict:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def _declared(folder: pathlib.Path) -> dict[str, dict]:
    """File to content of what the repository says to Juju, be it in files of its own or all in charmcraft.yaml."""
    project = _yaml(folder / 'charmcraft.yaml')
    said = {key: value for key, value in project.items() if key not in _FOR_CHARMCRAFT}
    if 'title' in said:
        said['display-name'] = said.pop('title')
    files = {
        'metadata.yaml': _yaml(folder / 'metadata.yaml') or said,
        'config.yaml': _yaml(folder / 'config.yaml') or project.get('config', {}),
        'actions.yaml': _yaml(folder / 'actions.yaml') or project.get('actions', {}),
    }
    return {name: content for name, content in files.items() if content}


def test_given_the_charms_of_the_repository_then_these_are_packed():
    for asked, wanted in ((False, CHARMS), (True, FOLDERS)):
        found = packing.charms(neighbours=asked)
        assert {packing.name(folder): str(folder.relative_to(settings.ROOT)) for folder in found} == wanted


def test_given_a_packed_charm_then_its_files_are_the_repositorys_and_no_others(charm, unpacked):
    folder = settings.ROOT / FOLDERS[charm]
    ours = _in_git(folder, 'src', 'lib', 'templates')
    made = {'dispatch', 'manifest.yaml', *_declared(folder), *PROGRAMS.get(charm, {})}

    packed = {name: content for name, content in _on_disk(unpacked).items() if not name.startswith('venv/')}

    assert sorted(packed) == sorted([*ours, *made])
    assert [name for name, content in ours.items() if packed[name] != content] == []


def test_given_a_packed_charm_then_it_says_to_juju_what_the_repository_says(charm, unpacked):
    declared = _declared(settings.ROOT / FOLDERS[charm])

    assert {name: _yaml(unpacked / name) for name in declared} == declared
    assert declared['metadata.yaml']['name'] == charm


def test_given_a_packed_charm_then_it_holds_the_locked_versions_and_no_other_distributions(charm, unpacked, locked):
    member = tomllib.loads((settings.ROOT / FOLDERS[charm] / 'pyproject.toml').read_text())['project']['name']
    installed = metadata.distributions(path=[str(unpacked / _PACKAGES)])

    # The shared library is a member of the workspace; that it is ours is another test's.
    versions = {canonicalize_name(d.name): d.version for d in installed if d.name != 'temporal-charms'}

    assert versions == locked(member)


@pytest.mark.parametrize('charm', [name for name in SUITE if name != SERVER], scope='session', indirect=True)
def test_given_a_sibling_when_packed_then_the_shared_library_in_it_is_the_repositorys(charm, unpacked):
    packed = _on_disk(unpacked / _PACKAGES / 'temporal_charms')

    sources = {name: content for name, content in packed.items() if '__pycache__' not in name}

    assert sources == _in_git(settings.ROOT / 'lib/temporal_charms')


def test_given_a_packed_charm_when_dispatched_then_all_it_imports_comes_from_the_charm(charm, unpacked, tmp_path):
    copy = shutil.copytree(unpacked, tmp_path / charm)
    # What dispatch starts as its Python is the charm's environment, but only imports what it could run.
    (copy / 'venv/bin/python3').symlink_to('/usr/bin/python3')
    (copy / 'import_all.py').write_text(_PROBE)
    python = copy / 'venv/bin/python'
    python.write_text(f'#!/bin/sh\nexec {copy}/venv/bin/python3 {copy}/import_all.py\n')
    python.chmod(0o755)

    command = [copy / 'dispatch']
    result = subprocess.run(command, capture_output=True, text=True, env={'PATH': '/usr/bin:/bin'}, cwd='/')

    assert result.returncode == 0, result.stderr
    found = json.loads(result.stdout)
    assert {'charm', 'ops'} <= found.keys()
    assert ('temporal_charms.workload' in found) == (charm in SUITE)
    assert {n: f for n, f in found.items() if not f.startswith((f'{copy}/', _STANDARD_LIBRARY))} == {}


@pytest.mark.parametrize('charm', PROGRAMS, scope='session', indirect=True)
def test_given_a_charm_with_programs_then_they_run_in_any_image(charm, unpacked):
    for name, answer in PROGRAMS[charm].items():
        program = unpacked / name
        result = subprocess.run([program, '-help'], input='no JSON', capture_output=True, text=True)

        assert not _asks_for_a_loader(program.read_bytes()), name
        assert answer in result.stdout + result.stderr, name


def _asks_for_a_loader(elf: bytes) -> bool:
    """Whether a 64-bit ELF program names the dynamic loader that has to be in the image with it."""
    assert elf[:5] == b'\x7fELF\x02'
    (offset,) = struct.unpack_from('<Q', elf, 32)
    size, number = struct.unpack_from('<HH', elf, 54)
    interpreter = 3
    return any(struct.unpack_from('<I', elf, offset + i * size)[0] == interpreter for i in range(number))


def test_given_nothing_has_changed_when_packing_again_then_it_is_quick_and_leaves_everything(dist):
    archives = [*(dist / f'{charm}.charm' for charm in CHARMS), dist / 'oci-factory.tar']
    before = [path.stat().st_mtime_ns for path in archives]
    began = time.monotonic()

    commands.output([settings.LAB / 'bin/lab', 'pack'])

    assert time.monotonic() - began < WARM
    assert [path.stat().st_mtime_ns for path in archives] == before


@pytest.fixture(scope='session')
def wheels(dist: pathlib.Path) -> dict[str, bytes]:
    """File name to content of all there is in dist/oci-factory.tar."""
    with tarfile.open(dist / 'oci-factory.tar') as archive:
        files = {member.name: archive.extractfile(member) for member in archive}
        return {name: file.read() if file else b'' for name, file in files.items()}


def test_given_the_packed_workflows_then_they_are_wheels_of_all_they_need_in_the_locked_versions(wheels, locked):
    own = {name: tomllib.loads((folder / 'pyproject.toml').read_text())['project'] for name, folder in OWN.items()}

    found = [parse_wheel_filename(name) for name in wheels]

    # The SDK is among them, too, so that the archive also does where the worker's image is another one.
    assert sorted((name, str(version)) for name, version, _, _ in found) == sorted(
        {**locked('oci-factory'), **{one['name']: one['version'] for one in own.values()}}.items()
    )


def test_given_the_packed_workflows_then_each_wheel_but_their_own_is_the_locked_file(wheels):
    lock = tomllib.loads((settings.ROOT / 'uv.lock').read_text())
    known = {wheel['hash'] for package in lock['package'] for wheel in package.get('wheels', ())}

    foreign = {name for name, content in wheels.items() if f'sha256:{hashlib.sha256(content).hexdigest()}' not in known}

    assert sorted(name.partition('-')[0] for name in foreign) == sorted(OWN)


@pytest.mark.parametrize('name', sorted(OWN))
def test_given_the_packed_workflows_then_their_code_is_the_repositorys(name, wheels):
    (own,) = (content for file, content in wheels.items() if file.startswith(f'{name}-'))
    with zipfile.ZipFile(io.BytesIO(own)) as archive:
        packed = {n: archive.read(n) for n in archive.namelist() if '.dist-info/' not in n and not n.endswith('/')}

    assert packed == _in_git(OWN[name] / 'src')


class Copy:
    """A checkout of its own, packed with a charmcraft and a uv that only leave a trace."""

    def __init__(self, folder: pathlib.Path):
        self.root = folder / 'checkout'
        self.home = folder / 'home'
        self.tools = folder / 'tools'
        for name, content in _in_git(settings.ROOT).items():
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).write_bytes(content)
        subprocess.run(['git', 'init', '--quiet', self.root], check=True)
        self.tools.mkdir()
        self.tool('uv', 'exit 0')
        self.charmcraft('4.5.0')

    def tool(self, name: str, script: str) -> None:
        (self.tools / name).write_text(f'#!/bin/sh\n{script}\n')
        (self.tools / name).chmod(0o755)

    def charmcraft(self, version: str) -> None:
        """Have a charmcraft that packs the names of the files it finds."""
        self.tool('charmcraft', f'[ $1 = version ] && echo charmcraft {version} || find . -type f >found.charm')

    def pack(self, *, neighbours: bool = False) -> None:
        packing.pack(on_lab=False, neighbours=neighbours)

    def repacked(self, *, neighbours: bool = False) -> set[str]:
        """Pack, and tell what was packed anew."""
        before = [path for path in (self.root / 'dist').iterdir() if path.suffix in ('.charm', '.tar')]
        for path in before:
            path.write_text('packed before')
        self.pack(neighbours=neighbours)
        return {path.stem for path in before if path.read_text() != 'packed before'}

    def handed_over(self, charm: str) -> list[str]:
        """The files that charmcraft found."""
        return (self.root / f'dist/{charm}.charm').read_text().splitlines()


@pytest.fixture(scope='module')
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    made = Copy(tmp_path_factory.mktemp('copy'))
    names = {
        'ROOT': made.root,
        'LAB': made.root / 'lab',
        'DIST': made.root / 'dist',
        'HOME': made.home,
        'LOG': made.home / 'log',
        'UV': str(made.tools / 'uv'),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in names.items():
            patch.setattr(settings, name, value)
        patch.setattr(packing, '_RECORD', made.root / 'dist/.packed.json')
        patch.setenv('PATH', str(made.tools), prepend=':')
        made.pack()
        yield made


@pytest.mark.parametrize(
    ('changed', 'repacked'),
    [
        ('src/charm.py', {SERVER}),
        ('templates/config.yaml.j2', {SERVER}),
        ('metadata.yaml', {SERVER}),
        ('config.yaml', {SERVER}),
        ('charmcraft.yaml', {SERVER}),
        ('health/main.go', {SERVER}),
        ('client/main.go', {SERVER}),
        ('charms/temporal-admin-k8s/src/plan.py', {'temporal-admin-k8s'}),
        ('charms/temporal-admin-k8s/watcher/run.go', {'temporal-admin-k8s'}),
        ('charms/temporal-worker-k8s/src/loader/run.py', {'temporal-worker-k8s'}),
        ('charms/temporal-worker-k8s/charmcraft.yaml', {'temporal-worker-k8s'}),
        ('lab/neighbours/postgresql-k8s/src/server.py', {'postgresql-k8s'}),
        ('lab/neighbours/nginx-ingress-integrator/pyproject.toml', {'nginx-ingress-integrator'}),
        ('lib/temporal_charms/workload.py', set(CHARMS)),
        ('uv.lock', {*CHARMS, 'oci-factory'}),
        ('workflows/oci_factory/src/oci_factory/plan.py', {'oci-factory'}),
        ('workflows/events/src/temporal_events/kafka.py', {'oci-factory'}),
        ('tests/unit/world.py', set()),
    ],
)
def test_given_a_file_when_it_changes_then_what_holds_it_is_packed_again_and_nothing_else(copy, changed, repacked):
    with (copy.root / changed).open('a') as file:
        file.write('\n# changed\n')

    assert copy.repacked() == repacked


def test_given_a_new_file_when_git_does_not_ignore_it_then_the_charm_is_packed_with_it_under_its_name(copy):
    new = copy.root / 'src/new.py'

    new.touch()
    assert copy.repacked() == {SERVER}
    assert './src/new.py' in copy.handed_over(SERVER)

    newer = new.rename(copy.root / 'src/newer.py')
    assert copy.repacked() == {SERVER}
    assert './src/newer.py' in copy.handed_over(SERVER)

    newer.unlink()
    assert copy.repacked() == {SERVER}
    assert [path for path in copy.handed_over(SERVER) if path.startswith('./src/new')] == []


def test_given_a_new_file_when_git_ignores_it_then_it_comes_into_no_charm(copy):
    (copy.root / 'src/__pycache__').mkdir()
    (copy.root / 'src/__pycache__/charm.pyc').touch()
    assert copy.repacked() == set()

    (copy.root / 'src/charm.py').write_text('# changed, too\n')

    assert copy.repacked() == {SERVER}
    handed_over = copy.handed_over(SERVER)
    assert './src/charm.py' in handed_over
    assert [path for path in handed_over if '__pycache__' in path or path.startswith('./dist/')] == []


def test_given_an_archive_that_was_deleted_when_packing_then_it_is_packed_again(copy):
    for name in (f'{SERVER}.charm', 'oci-factory.tar'):
        (copy.root / 'dist' / name).unlink()

    copy.pack()

    assert (copy.root / f'dist/{SERVER}.charm').exists()
    assert (copy.root / 'dist/oci-factory.tar').exists()


def test_given_neighbours_on_request_then_only_who_asks_packs_them_and_the_code_that_uses_them(copy):
    copy.pack(neighbours=True)
    assert {path.stem for path in (copy.root / 'dist').glob('*.*')} >= {*FOLDERS, 'oci-factory', 'neighbours-code'}
    assert copy.repacked(neighbours=True) == set()

    for changed in ('lab/neighbours/kafka-k8s/src/charm.py', f'{packing._CODE}/src/neighbours_code/activities.py'):
        with (copy.root / changed).open('a') as file:
            file.write('# changed\n')

    assert copy.repacked() == set()
    assert copy.repacked(neighbours=True) == {'kafka-k8s', 'neighbours-code'}


def test_given_a_charmcraft_that_is_too_old_when_packing_then_it_is_refused(copy):
    copy.charmcraft('4.4.9')

    with pytest.raises(LabError, match=r'charmcraft is 4\.4\.9, .* need 4\.5: snap refresh charmcraft'):
        copy.pack()

    copy.charmcraft('10.0')
    assert copy.repacked() == set()


def test_given_only_the_labs_charmcraft_when_packing_for_users_then_it_is_not_taken_for_theirs(copy, monkeypatch):
    monkeypatch.setenv('PATH', str(copy.tools))
    monkeypatch.setattr(packing.sysconfig, 'get_path', lambda _: str(copy.tools))

    with pytest.raises(LabError, match='charmcraft is not installed'):
        copy.pack()
