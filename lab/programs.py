"""Programs built from pinned Go modules, once, into a cache keyed by what they are built from.

A folder of lab/programs/ is one set: go.mod and go.sum, build.toml, and Go files where there are some of our own.
The key is the hash of these files and of the compiler's version; a second checkout with the same files builds nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import re
import shutil
import sysconfig
import tomllib
from collections.abc import Callable

from lab import commands, settings
from lab.progress import LabError, Meter, say, step

SETS = ('kubernetes', 'addons', 'juju', 'pebble', 'temporal', 'tctl', 'temporal-cli', 'hcl')
PREVIOUS = 'temporal-previous'
"""What upgrades start from: built only if asked, and after the present release, whose compiled packages it shares."""

NEIGHBOURS = 'minio'
"""What only a neighbour runs: built only if asked, too."""

TOOLCHAIN = 'go1.26.10'
"""Compiles everything; the go command of the lock file fetches it as a Go module."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A module that is copied and changed before it is built."""

    module: str
    version: str
    sum: str
    edit: tuple[dict, ...]


@dataclasses.dataclass(frozen=True)
class Build:
    """One call of `go build`: packages that share tags and the choice of cgo."""

    packages: tuple[str, ...]
    names: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: tuple[str, ...] = ()
    cgo: bool = False
    stamps: dict = dataclasses.field(default_factory=dict)

    def binaries(self) -> list[str]:
        """The names of the programs it leaves; Go takes the last part of a path that is no major version."""
        plain = [re.sub(r'/v\d+$', '', p).rsplit('/', 1)[-1] for p in self.packages]
        return [self.names.get(p, p) for p in plain]

    def ldflags(self) -> str:
        """Stripped, with the version stamps that some programs insist on."""
        stamps = [
            f'-X {package}.{key}={value}'
            for package in self.stamps.get('packages', ())
            for key, value in self.stamps['values'].items()
        ]
        return ' '.join(['-s -w', *stamps])


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A set's build.toml.

    Attributes:
        source: the module that is changed before it is built, if there is one.
        builds: what is compiled.
        copies: folders of modules that are kept as they are (`module`, `folder`, `to`).
    """

    source: Source | None
    builds: tuple[Build, ...]
    copies: tuple[dict, ...]


def _go() -> pathlib.Path:
    """The go command of the lock file."""
    return pathlib.Path(sysconfig.get_path('purelib'), 'go', 'bin', 'go')


def go_environment(*, cgo: bool = False) -> dict[str, str]:
    """What every call of go gets: the pinned compiler, caches in the lab's home."""
    return {
        'GOTOOLCHAIN': TOOLCHAIN,
        'GOMODCACHE': str(settings.GO / 'mod'),
        'GOCACHE': str(settings.GO / 'build'),
        'GOPATH': str(settings.GO / 'path'),
        'GOFLAGS': '-buildvcs=false',
        'GOWORK': 'off',
        'CGO_ENABLED': '1' if cgo else '0',
        'GOENV': 'off',
    }


def folder(name: str) -> pathlib.Path:
    """The set's files in the checkout."""
    return settings.LAB / 'programs' / name


@functools.cache
def key(name: str) -> str:
    """What the set is built from, as a short hash."""
    digest = hashlib.sha256(TOOLCHAIN.encode())
    for path in sorted(folder(name).rglob('*')):
        if path.is_file():
            digest.update(str(path.relative_to(folder(name))).encode() + b'\0' + path.read_bytes() + b'\0')
    return digest.hexdigest()[:12]


@functools.cache
def _load(name: str) -> Recipe:
    data = tomllib.loads((folder(name) / 'build.toml').read_text())
    source = None
    if 'source' in data:
        source = Source(**{**data['source'], 'edit': tuple(data['source']['edit'])})
    builds = tuple(
        Build(
            packages=tuple(build['packages']),
            names=build.get('names', {}),
            tags=tuple(build.get('tags', ())),
            cgo=build.get('cgo', False),
            stamps=build.get('stamps', {}),
        )
        for build in data['build']
    )
    return Recipe(source, builds, tuple(data.get('copy', ())))


def built(name: str) -> pathlib.Path:
    """The folder of the set's programs, whether it is there or not."""
    return settings.PROGRAMS / f'{name}-{key(name)}'


@functools.cache
def program(binary: str) -> pathlib.Path:
    """The path of one program (or of copied files, by their top folder), from whichever set has it."""
    for name in (*SETS, PREVIOUS, NEIGHBOURS):
        recipe = _load(name)
        copies = [copy['to'].split('/')[0] for copy in recipe.copies]
        if binary in copies or any(binary in build.binaries() for build in recipe.builds):
            return built(name) / binary
    raise KeyError(binary)


def missing() -> list[str]:
    """The sets that have still to be built."""
    return [name for name in SETS if not built(name).is_dir()]


def ensure(names: tuple[str, ...] = SETS) -> None:
    """Build what is missing and link everything into the lab's bin folder.

    Raises:
        LabError: when a download or a compilation fails.
    """
    todo = [n for n in names if not built(n).is_dir()]
    if todo:
        say(f'programs to build: {", ".join(todo)} (once, some minutes each; kept in {settings.PROGRAMS})')
    for name in todo:
        with step(f'programs: {name}') as meter:
            _build(name, meter)
    settings.BIN.mkdir(parents=True, exist_ok=True)
    for name in names:
        for path in (p for p in built(name).iterdir() if p.is_file()):
            link = settings.BIN / path.name
            if not link.is_symlink() or link.readlink() != path:
                link.unlink(missing_ok=True)
                link.symlink_to(path)


def _build(name: str, meter: Meter) -> None:
    recipe = _load(name)
    work = settings.PROGRAMS / f'{name}.work'
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(folder(name), work / 'module')
    if recipe.source:
        _copy_and_edit(recipe.source, work / 'module' / 'src', log=f'build-{name}')
    out = work / 'bin'
    out.mkdir()
    for build in recipe.builds:
        tags = ['-tags', ','.join(build.tags)]
        env = go_environment(cgo=build.cgo)
        packages: list[str] = []
        # Reading the import graph also downloads the modules; what is left is compilation.
        _go_run(name, ['list', '-deps', *tags, *build.packages], work, env, _listing(meter, packages))
        total = len(packages)
        done = 0

        def count(_: str, total: int = total) -> None:
            nonlocal done
            done += 1
            meter.show(f'package {done} of at most {total}')

        arguments = ['-v', '-trimpath', '-ldflags', build.ldflags(), *tags, '-o', f'{out}/']
        _go_run(name, ['build', *arguments, *build.packages], work, env, count)
        for old, new in build.names.items():
            (out / old).rename(out / new)
    for copy in recipe.copies:
        find = [_go(), '-C', str(work / 'module'), 'list', '-m', '-f', '{{.Dir}}', copy['module']]
        origin = pathlib.Path(commands.output(find, env=go_environment()).strip(), copy['folder'])
        shutil.copytree(origin, out / copy['to'])
    out.rename(built(name))
    shutil.rmtree(work)


def _listing(meter: Meter, packages: list[str]) -> Callable[[str], None]:
    """Tells downloads from the packages that `go list` names."""

    def line(text: str) -> None:
        if text.startswith('go: downloading'):
            meter.show(f'downloading {text.split()[2]}')
        else:
            packages.append(text)

    return line


def _go_run(
    name: str, arguments: list[str], work: pathlib.Path, env: dict[str, str], on_line: Callable[[str], None]
) -> None:
    commands.run(
        [_go(), *arguments], cwd=work / 'module', env=env, what=f'building {name}', log=f'build-{name}', on_line=on_line
    )


def _copy_and_edit(source: Source, target: pathlib.Path, *, log: str) -> None:
    """Copy a module out of the read-only module cache and make the edits of build.toml.

    Raises:
        LabError: when the module is not the pinned one, or an edit does not match as often as it should.
    """
    reference = f'{source.module}@{source.version}'
    commands.run(
        [_go(), 'mod', 'download', reference],
        cwd=target.parent,
        env=go_environment(),
        what=f'fetching {reference}',
        log=log,
    )
    module = json.loads(
        commands.output([_go(), '-C', str(target.parent), 'mod', 'download', '-json', reference], env=go_environment())
    )
    if module['Sum'] != source.sum:
        raise LabError(f'{reference} is {module["Sum"]}, not the pinned {source.sum}')
    shutil.copytree(module['Dir'], target)
    for path in [target, *target.rglob('*')]:
        path.chmod(path.stat().st_mode | 0o200)
    for edit in source.edit:
        path = target / edit['file']
        text, hits = re.subn(edit['find'], edit['put'], path.read_text())
        if hits != edit.get('times', 1):
            raise LabError(f'{edit["file"]}: an edit of build.toml matches {hits} times ({edit["why"]})')
        path.write_text(text)
        if 'instead_of' in edit:
            (target / edit['instead_of']).unlink()
