"""Charms and workflow wheels into dist/: packed with charmcraft from the very files that users pack.

On the lab charmcraft runs on Debian 12 and is told that this is Ubuntu 24.04, as the lab's charm base is: what is
packed here has a Python 3.11 inside and runs on the lab only. With LAB=none the user's own charmcraft packs.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sysconfig
import tarfile
import tomllib
from concurrent import futures

import yaml
from packaging.requirements import Requirement

from lab import commands, programs, settings
from lab.progress import LabError, step

_OS_RELEASE = """NAME="Ubuntu"
ID=ubuntu
ID_LIKE=debian
VERSION_ID="24.04"
VERSION="24.04 LTS (Noble Numbat)"
VERSION_CODENAME=noble
PRETTY_NAME="Ubuntu 24.04"
"""
_RECORD = settings.DIST / '.packed.json'
_SHARED = ('lib', 'pyproject.toml', 'uv.lock')
"""What every charm is made of besides its own folder."""

ON_REQUEST = ('kafka-k8s', 'rabbitmq-k8s', 's3-integrator')
"""Neighbours that are packed only if asked: what uses them takes long."""

_CODE = 'tests/integration/neighbours_code'
"""Workflow code that uses those, packed with them."""

_CHARMCRAFT = (4, 5)
"""The first that packs a charm below a repository's root with files from above."""


def charms(*, neighbours: bool = False) -> list[pathlib.Path]:
    """The folders of all charms: the server's at the root, its siblings, the neighbours.

    Args:
        neighbours: whether those in ON_REQUEST are among them.
    """
    folders = [settings.ROOT, *(settings.ROOT / 'charms').iterdir(), *(settings.LAB / 'neighbours').iterdir()]
    wanted = (folder for folder in folders if neighbours or folder.name not in ON_REQUEST)
    return sorted(folder for folder in wanted if (folder / 'charmcraft.yaml').exists())


def name(folder: pathlib.Path) -> str:
    """The charm's name."""
    for file in ('metadata.yaml', 'charmcraft.yaml'):
        if (folder / file).exists() and (value := yaml.safe_load((folder / file).read_text()).get('name')):
            return value
    raise LabError(f'{folder.relative_to(settings.ROOT)} has no charm name in metadata.yaml or charmcraft.yaml')


def pack(*, on_lab: bool, neighbours: bool = False) -> None:
    """Leave dist/<charm>.charm for every charm, and dist/oci-factory.tar with the workflows' wheels.

    Args:
        on_lab: pack for the lab's charm base; otherwise with the user's charmcraft.
        neighbours: pack those in ON_REQUEST, too, and dist/neighbours-code.tar, which uses them.

    Raises:
        LabError: when charmcraft is missing or fails.
    """
    settings.DIST.mkdir(exist_ok=True)
    record = json.loads(_RECORD.read_text()) if _RECORD.exists() else {}
    own = '' if on_lab else _own_charmcraft()
    todo = {}
    for folder in charms(neighbours=neighbours):
        target = settings.DIST / f'{name(folder)}.charm'
        key = f'{_key(folder)}-{"lab" if on_lab else "user"}'
        if record.get(target.stem) != key or not target.exists():
            todo[target] = (folder, key)
    if todo:
        command, env = ([own, 'pack'], {'CHARMCRAFT_EXPERIMENTAL_MONOREPO': '1'}) if own else _lab_charmcraft()
        # Two at a time, each in a copy of its own; the user's charmcraft has one instance of LXD after the other.
        with futures.ThreadPoolExecutor(max_workers=1 if own else 2) as pool:
            under_way = {pool.submit(_pack, todo[target][0], target, command, env): target for target in todo}
            for done in futures.as_completed(under_way):
                done.result()
                record[under_way[done].stem] = todo[under_way[done]][1]
                _RECORD.write_text(json.dumps(record, indent=1))
    _workflows(record)
    if neighbours:
        _archive('neighbours-code', [settings.ROOT / _CODE], record)


def _own_charmcraft() -> str:
    """The user's charmcraft; one that cannot pack a charm from a part of a repository is refused at once.

    Raises:
        LabError: when there is none, or an old one.
    """
    # The environment this runs in may have the lab's charmcraft, which packs for the lab only.
    ours = sysconfig.get_path('scripts')
    path = os.pathsep.join(folder for folder in os.environ['PATH'].split(os.pathsep) if folder != ours)
    program = shutil.which('charmcraft', path=path)
    if not program:
        raise LabError('charmcraft is not installed: snap install charmcraft --classic')
    found = commands.output([program, 'version']).split()[-1]
    if tuple(int(number) for number in re.findall(r'\d+', found)[:2]) < _CHARMCRAFT:
        wanted = '.'.join(map(str, _CHARMCRAFT))
        raise LabError(f'charmcraft is {found}, the charms below charms/ need {wanted}: snap refresh charmcraft')
    return program


def tracked(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of a folder that git would commit: what is packed is what is in the repository."""
    listing = commands.output(
        [
            'git',
            '-C',
            str(settings.ROOT),
            'ls-files',
            '-z',
            '--cached',
            '--others',
            '--exclude-standard',
            '--',
            str(folder),
        ]
    )
    return [settings.ROOT / n for n in sorted(listing.split('\0')) if n and (settings.ROOT / n).is_file()]


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """What a charm is packed from."""
    if folder == settings.ROOT:
        own = [settings.ROOT / n for n in ('src', 'templates', 'health', 'client')]
        own += [p for p in settings.ROOT.glob('*.yaml')]
    else:
        own = [folder]
    files: list[pathlib.Path] = []
    for path in [*own, *(settings.ROOT / n for n in _SHARED)]:
        files += tracked(path)
    return files


def _key(folder: pathlib.Path) -> str:
    digest = hashlib.sha256(pathlib.Path(__file__).read_bytes())
    for path in _files(folder):
        digest.update(str(path.relative_to(settings.ROOT)).encode() + b'\0' + path.read_bytes() + b'\0')
    return digest.hexdigest()


def _pack(folder: pathlib.Path, target: pathlib.Path, command: list[str], env: dict[str, str]) -> None:
    # charmcraft would copy earlier results into the charm, and its own working folders into themselves:
    # it gets a copy that holds nothing else.
    tree = settings.HOME / 'pack' / target.stem
    shutil.rmtree(tree, ignore_errors=True)
    for path in tracked(settings.ROOT):
        copy = tree / path.relative_to(settings.ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copy)
    subprocess.run(['git', 'init', '--quiet', str(tree)], check=True)
    project = tree / folder.relative_to(settings.ROOT)
    log = f'pack-{target.stem}'
    with step(f'packed {target.stem}') as meter:
        commands.run(command, cwd=project, env=env, what=f'packing {target.stem}', log=log, on_line=meter.show)
    packed = list(project.glob('*.charm'))
    if len(packed) != 1:
        raise LabError(f'charmcraft left {len(packed)} charms for {target.stem}', settings.LOG / f'{log}.log')
    shutil.move(packed[0], target)
    shutil.rmtree(tree)


def _lab_charmcraft() -> tuple[list[str], dict[str, str]]:
    """charmcraft of the lock file on Debian, in an environment of its own."""
    venv = settings.HOME / 'charmcraft'
    commands.run(
        [settings.UV, 'sync', '--quiet', '--frozen', '--only-group=pack', '--project', str(settings.ROOT)],
        env={'UV_PROJECT_ENVIRONMENT': str(venv), 'VIRTUAL_ENV': ''},
        what='installing charmcraft',
        log='charmcraft',
    )
    # charmcraft resolves build packages through python3-apt, which exists as a Debian package only.
    packages = venv / 'lib/python3.11/site-packages'
    debian = pathlib.Path('/usr/lib/python3/dist-packages')
    for path in (debian / 'apt', *debian.glob('apt_pkg*.so'), *debian.glob('apt_inst*.so')):
        if not (packages / path.name).exists():
            (packages / path.name).symlink_to(path)
    noble = settings.RUN / 'noble'
    noble.mkdir(parents=True, exist_ok=True)
    (noble / 'os-release').write_text(_OS_RELEASE)
    go = pathlib.Path(sysconfig.get_path('purelib'), 'go', 'bin')
    env = {
        'UNIXCONFDIR': str(noble),
        'PATH': f'{venv / "bin"}:{go}:{os.environ["PATH"]}',
        'UV_PYTHON': '/usr/bin/python3',
        'VIRTUAL_ENV': '',
        **programs.go_environment(),
    }
    return ['charmcraft', 'pack', '--destructive-mode'], env


def _workflows(record: dict) -> None:
    """dist/<name>.tar of each folder of workflows, but for those that are there for others."""
    folders = {}
    needs = {}
    for file in sorted((settings.ROOT / 'workflows').glob('*/pyproject.toml')):
        project = tomllib.loads(file.read_text())['project']
        folders[project['name']] = file.parent
        needs[project['name']] = [Requirement(text).name for text in project['dependencies']]
    for project in folders:
        if not any(project in needed for needed in needs.values()):
            own = [project, *(name for name in needs[project] if name in folders)]
            _archive(project, [folders[name] for name in own], record)


def _archive(project: str, folders: list[pathlib.Path], record: dict) -> None:
    """One archive: the wheels of some folders, and of what they need, for the worker image's Python."""
    target = settings.DIST / f'{project}.tar'
    digest = hashlib.sha256((settings.ROOT / 'uv.lock').read_bytes())
    for path in (file for folder in folders for file in tracked(folder)):
        digest.update(str(path.relative_to(settings.ROOT)).encode() + path.read_bytes())
    if record.get(target.name) == digest.hexdigest() and target.exists():
        return
    with step(f'packed {target.name}'):
        wheels = settings.HOME / 'pack' / 'wheels'
        shutil.rmtree(wheels, ignore_errors=True)
        wheels.mkdir(parents=True)
        for folder in folders:
            build = [settings.UV, 'build', '--quiet', '--wheel', f'--out-dir={wheels}', str(folder)]
            commands.run(build, what=f'building {folder.name}', log='pack-workflows')
        export = [settings.UV, 'export', '--quiet', '--frozen', '--no-header', '--no-emit-workspace', '--no-dev',
                  f'--package={project}', '--project', str(settings.ROOT)]  # fmt: skip
        requirements = wheels.parent / 'requirements.txt'
        requirements.write_text(commands.output(export))
        # The pip of the worker's image: the lock file has it, whoever's charmcraft packs.
        download = [settings.UV, 'run', '--quiet', '--frozen', '--isolated', '--package=temporal-worker-image',
                    '--project', str(settings.ROOT), 'python', '-m', 'pip', 'download']  # fmt: skip
        commands.run(
            [*download, '--quiet', '--require-hashes', '--no-deps', '--only-binary=:all:', '--python-version=3.11',
             '--implementation=cp', '--platform=manylinux_2_17_x86_64', '--platform=manylinux2014_x86_64',
             '--platform=manylinux_2_28_x86_64',
             f'--dest={wheels}', f'--requirement={requirements}'],
            what='fetching the wheels that the workflows need',
            log='pack-workflows',
        )  # fmt: skip
        with tarfile.open(target, 'w') as archive:
            for wheel in sorted(wheels.glob('*.whl')):
                archive.add(wheel, wheel.name)
        shutil.rmtree(wheels)
    record[target.name] = digest.hexdigest()
    _RECORD.write_text(json.dumps(record, indent=1))
