"""States of the world around the worker charm, and wheels: everything in place unless a test says otherwise."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import tarfile
import zipfile
from typing import Any

from ops import testing

from loader import layout
from loader.layout import Prepared

APP = 'temporal-worker-k8s'

WORKFLOWS = """
from temporalio import activity, workflow

def helper():
    pass

@activity.defn
def greet(name: str) -> str:
    return name

@activity.defn(name='renamed')
def other() -> None:
    pass

@workflow.defn
class Hello:
    @workflow.run
    async def run(self) -> None:
        pass

class Plain(Hello):
    pass
"""
"""A module with workflows and activities, and what is neither."""


def wheel(
    folder: pathlib.Path,
    name: str = 'hello',
    files: dict[str, str] | None = None,
    requires: tuple[str, ...] = (),
    tags: tuple[str, ...] = ('py3-none-any',),
    version: str = '1.0',
) -> pathlib.Path:
    """A wheel with these files."""
    info = f'{name}-{version}.dist-info'
    content = {
        **(files or {f'{name}/__init__.py': ''}),
        f'{info}/METADATA': '\n'.join(
            [
                'Metadata-Version: 2.1',
                f'Name: {name}',
                f'Version: {version}',
                *(f'Requires-Dist: {r}' for r in requires),
                '',
            ]
        ),
        f'{info}/WHEEL': '\n'.join(['Wheel-Version: 1.0', 'Root-Is-Purelib: true', *(f'Tag: {t}' for t in tags), '']),
    }
    content[f'{info}/RECORD'] = '\n'.join(f'{path},,' for path in [*content, f'{info}/RECORD'])
    path = folder / f'{name.replace("-", "_")}-{version}-{tags[0]}.whl'
    with zipfile.ZipFile(path, 'w') as archive:
        for path_inside, text in content.items():
            archive.writestr(path_inside, text)
    return path


def tar(path: pathlib.Path, *wheels: pathlib.Path) -> pathlib.Path:
    """A tar archive of files."""
    with tarfile.open(path, 'w') as archive:
        for each in wheels:
            archive.add(each, each.name)
    return path


def tar_of_bytes(path: pathlib.Path, name: str, content: bytes) -> pathlib.Path:
    """A tar archive of one file with this content."""
    with tarfile.open(path, 'w') as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return path


def server(data: dict[str, str] | None = None) -> testing.Relation:
    """The relation to the server."""
    told = {'host': 'temporal-k8s.m.svc.cluster.local', 'port': '7233'} if data is None else data
    return testing.Relation('temporal-host-info', remote_app_name='temporal-k8s', remote_app_data=told)


def container(disk: pathlib.Path, *, python: bool = True, can_connect: bool = True) -> testing.Container:
    """The container; what the charm pushes stays on `disk`, and the loader's result is what the test puts there."""
    memory = disk.with_name('memory')
    memory.mkdir(exist_ok=True)
    loader = testing.Exec(['python3', '-m', 'loader.prepare'], return_code=0 if python else 1, stderr='no python3')
    return testing.Container(
        'temporal-worker',
        can_connect=can_connect,
        execs={loader},
        mounts={
            'srv': testing.Mount(location=layout.HOME, source=disk),
            'etc': testing.Mount(location='/etc/temporal-charm', source=memory),
        },
    )


def prepared(disk: pathlib.Path, result: Prepared) -> None:
    """Leave a result where the loader would."""
    (disk / 'prepared.json').write_text(result.dump())


def resources(archive: pathlib.Path, env: pathlib.Path | None = None) -> set[testing.Resource]:
    """The attached files; ops.testing wants all, and an empty one counts as none."""
    nothing = archive.with_name('nothing')
    nothing.touch()
    return {
        testing.Resource(name='workflows-file', path=archive),
        testing.Resource(name='env-file', path=env or nothing),
    }


def state(disk: pathlib.Path, archive: pathlib.Path, **changes: Any) -> testing.State:
    """Everything in place."""
    values = {
        'leader': True,
        'config': {'queue': 'q'},
        'containers': {container(disk)},
        'relations': [server()],
        'resources': resources(archive),
    }
    return testing.State(**(values | changes))


def among_peers(state: testing.State, *, turn: str = '', mine: str = '', others: dict[int, str]) -> testing.State:
    """The same world, with other units.

    Args:
        state: the world.
        turn: the unit that may restart.
        mine: why this unit wants to restart; empty if it does not.
        others: numbers of the other units, likewise.
    """
    peer = testing.PeerRelation(
        'peer',
        local_app_data={'turn': turn} if turn else {},
        local_unit_data={'restart': mine} if mine else {},
        peers_data={number: {'restart': reason} if reason else {} for number, reason in others.items()},
    )
    relations = [relation for relation in state.relations if relation.endpoint != 'peer']
    return dataclasses.replace(state, relations=[*relations, peer])
