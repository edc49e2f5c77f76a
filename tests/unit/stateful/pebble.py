"""Pebble, as ops calls it, on a container in memory.

What differs from ops.testing's: `replan` restarts a service whose configuration changed and nothing else, a service
knows what it was started with, checks start as they say. Written after Pebble's documentation and
`internals/overlord/servstate`.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import posixpath
import typing
from collections.abc import Callable, Iterable
from typing import Any

from ops import pebble

from stateful.container import Check, Container, File, Programs

_NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


class Client:
    """What ops calls, each call counted.

    Args:
        container: to work on.
        count: is told the name of each call before it is carried out, and may raise.
        programs: what runs there.
    """

    def __init__(self, container: Container, count: Callable[[str], None], programs: Programs):
        self._container = container
        self._count = count
        self._programs = programs

    def _call(self, name: str) -> Container:
        self._count(name)
        if not self._container.reachable:
            raise pebble.ConnectionError(f'{self._container.name}: Pebble does not answer')
        return self._container

    def get_system_info(self) -> pebble.SystemInfo:
        self._call('get_system_info')
        return pebble.SystemInfo(version='1.26.0')

    # -- files

    def pull(self, path: str, *, encoding: str | None = 'utf-8') -> Any:
        container = self._call('pull')
        if str(path) not in container.files:
            raise pebble.PathError('not-found', f'stat {path}: no such file or directory')
        content = container.files[str(path)].content
        return io.BytesIO(content) if encoding is None else io.StringIO(content.decode(encoding))

    def push(
        self,
        path: str,
        source: Any,
        *,
        encoding: str = 'utf-8',
        make_dirs: bool = False,
        permissions: int | None = None,
        user_id: int | None = None,
        user: str | None = None,
        group_id: int | None = None,
        group: str | None = None,
    ) -> None:
        del make_dirs, group_id, group
        container = self._call('push')
        content = source if isinstance(source, (str, bytes)) else source.read()
        content = content.encode(encoding) if isinstance(content, str) else content
        owner = user_id if user is None else {'root': 0}.get(user, 1000)
        container.files[str(path)] = File(content, 0o644 if permissions is None else permissions, owner)

    def list_files(self, path: str, *, pattern: str | None = None, itself: bool = False) -> list[pebble.FileInfo]:
        container = self._call('list_files')
        found = [
            (name, file)
            for name, file in container.files.items()
            if (name == path if itself else posixpath.dirname(name) == path)
            and (pattern is None or posixpath.basename(name) == pattern)
        ]
        if not found and not any(name.startswith(f'{path}/') for name in container.files):
            raise _error(404, f'stat {path}: no such file or directory')
        return [_info(name, file) for name, file in found]

    def remove_path(self, path: str, *, recursive: bool = False) -> None:
        container = self._call('remove_path')
        below = [name for name in container.files if name == path or (recursive and name.startswith(f'{path}/'))]
        if not below and not recursive:
            raise pebble.PathError('not-found', f'remove {path}: no such file or directory')
        for name in below:
            del container.files[name]

    def make_dir(self, path: str, **_: Any) -> None:
        self._call('make_dir')

    # -- plan and services

    def _start(self, name: str) -> None:
        lasts = self._programs.lasts(self._container, name)
        self._container.start(name, lasts=lasts)
        if not lasts:
            change = pebble.Change(
                pebble.ChangeID('1'), 'start', f'Start {name}', 'Error', [], True, 'exited quickly', _NOW, _NOW
            )
            raise pebble.ChangeError(f'cannot start {name}: exited quickly with code 1', change)

    def add_layer(self, label: str, layer: Any, *, combine: bool = False) -> None:
        container = self._call('add_layer')
        given = layer if isinstance(layer, pebble.Layer) else pebble.Layer(layer)
        new = typing.cast('dict[str, Any]', given.to_dict())
        old = container.layers.setdefault(label, {})
        if old and not combine:
            raise _error(400, f'layer "{label}" already exists')
        for kind in ('services', 'checks'):
            for name, entry in new.get(kind, {}).items():
                entries = old.setdefault(kind, {})
                entries[name] = {**entries.get(name, {}), **entry} if entry['override'] == 'merge' else entry
        for name, check in container.plan['checks'].items():
            if name not in container.checks:
                container.checks[name] = Check('inactive' if check.get('startup') == 'disabled' else 'up')

    def get_plan(self) -> pebble.Plan:
        return pebble.Plan(typing.cast('Any', self._call('get_plan').plan))

    def replan_services(self, timeout: float = 30.0, delay: float = 0.1) -> None:
        del timeout, delay
        container = self._call('replan')
        for name, service in container.plan['services'].items():
            known = container.running.get(name) or container.retried.get(name)
            if known != service if known else service.get('startup') == 'enabled':
                self._start(name)

    def autostart_services(self, timeout: float = 30.0, delay: float = 0.1) -> None:
        del timeout, delay
        container = self._call('autostart')
        for name, service in container.plan['services'].items():
            if name not in container.running and service.get('startup') == 'enabled':
                self._start(name)

    def start_services(self, services: Iterable[str], timeout: float = 30.0, delay: float = 0.1) -> None:
        del timeout, delay
        container = self._call('start')
        for name in services:
            if name not in container.running:
                self._start(name)

    def restart_services(self, services: Iterable[str], timeout: float = 30.0, delay: float = 0.1) -> None:
        del timeout, delay
        self._call('restart')
        for name in services:
            self._start(name)

    def stop_services(self, services: Iterable[str], timeout: float = 30.0, delay: float = 0.1) -> None:
        del timeout, delay
        container = self._call('stop')
        for name in services:
            if name not in container.plan['services']:
                raise _error(400, f'service "{name}" does not exist')
            container.running.pop(name, None)
            container.retried.pop(name, None)
        container.serving = False

    def get_services(self, names: Iterable[str] | None = None) -> list[pebble.ServiceInfo]:
        container = self._call('get_services')
        wanted = None if names is None else set(names)
        return [
            pebble.ServiceInfo(
                name,
                pebble.ServiceStartup(service.get('startup') or 'disabled'),
                pebble.ServiceStatus.ACTIVE if name in container.running else pebble.ServiceStatus.INACTIVE,
            )
            for name, service in container.plan['services'].items()
            if wanted is None or name in wanted
        ]

    def send_signal(self, sig: int | str, services: Iterable[str]) -> None:
        del sig
        container = self._call('send_signal')
        for name in services:
            if name not in container.running:
                raise _error(500, f'cannot send signal to "{name}": service is not running')

    # -- checks

    def get_checks(self, level: Any = None, names: Iterable[str] | None = None) -> list[pebble.CheckInfo]:
        del level
        container = self._call('get_checks')
        wanted = None if names is None else set(names)
        return [
            pebble.CheckInfo(
                name,
                None,
                pebble.CheckStatus(check.status),
                check.successes,
                check.failures,
                2,
                startup=pebble.CheckStartup(container.plan['checks'][name].get('startup', 'enabled')),
            )
            for name, check in container.checks.items()
            if wanted is None or name in wanted
        ]

    def start_checks(self, names: Iterable[str]) -> list[str]:
        container = self._call('start_checks')
        started = [name for name in names if container.checks[name].status == 'inactive']
        container.checks.update({name: Check('up') for name in started})
        return started

    def stop_checks(self, names: Iterable[str]) -> list[str]:
        container = self._call('stop_checks')
        stopped = [name for name in names if container.checks[name].status != 'inactive']
        container.checks.update({name: Check() for name in stopped})
        return stopped

    # -- programs

    def exec(
        self,
        command: list[str],
        *,
        environment: dict[str, str] | None = None,
        stdin: str | bytes = '',
        stdout: Any = None,
        stderr: Any = None,
        encoding: str | None = 'utf-8',
        **_: Any,
    ) -> Any:
        container = self._call('exec')
        container.executed.append(list(command))
        given = stdin.decode() if isinstance(stdin, bytes) else stdin
        answer = self._programs.run(container, list(command), dict(environment or {}), given)
        if answer is None:
            raise _error(400, f'fork/exec {command[0]}: no such file or directory')
        for stream, text in zip((stdout, stderr), answer[1:], strict=True):
            if stream is not None:
                stream.write(text if encoding else text.encode())
        return _Process(list(command), *answer)

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f'the model of Pebble has no {name} yet')


@dataclasses.dataclass
class _Process:
    command: list[str]
    status: int
    stdout: str
    stderr: str

    def wait_output(self) -> tuple[str, str]:
        if self.status:
            raise pebble.ExecError(self.command, self.status, self.stdout, self.stderr)
        return self.stdout, self.stderr

    def wait(self) -> None:
        self.wait_output()


def _info(path: str, file: File) -> pebble.FileInfo:
    return pebble.FileInfo(
        path,
        posixpath.basename(path),
        pebble.FileType.FILE,
        len(file.content),
        file.mode,
        _NOW,
        file.owner,
        None,
        file.owner,
        None,
    )


def _error(code: int, message: str) -> pebble.APIError:
    return pebble.APIError({}, code, 'error', message)
