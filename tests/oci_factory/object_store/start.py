"""Runs OpenStack's Keystone and Swift in one container, and ends as soon as one of their programs ends.

Environment: `OS_BOOTSTRAP_PASSWORD` is the password of Keystone's `admin`. `ADDRESS` is where to listen, loopback if
nothing is said, on `SWIFT_PORT` and `KEYSTONE_PORT`; Swift's storage servers are where the rings of the image say.
`LISTING_LIMIT` is the most that a page of a listing may have. Swift answers `/healthcheck` when all is ready. Needs
Debian's packages, and of Python the standard library only.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import socket
import string
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping

_HERE = pathlib.Path(__file__).parent
_HOME = pathlib.Path('/srv/openstack')
_ETC = _HOME / 'etc'
_PORTS = {'account': 6202, 'container': 6201, 'object': 6200}
"""Of loopback; those of the rings in the Containerfile."""

_DEFAULTS = {
    'ADDRESS': '127.0.0.1',
    'SWIFT_PORT': '8080',
    'KEYSTONE_PORT': '5000',
    'LISTING_LIMIT': '10000',
}
_START = 300.0
_END = 10.0


def main() -> None:
    """Run until a program ends, or SIGTERM comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    if not os.environ.get('OS_BOOTSTRAP_PASSWORD'):
        sys.exit('OS_BOOTSTRAP_PASSWORD is not set: give the administrator a password')
    values = {**_DEFAULTS, **os.environ}
    address = f'{values["ADDRESS"]}:{values["KEYSTONE_PORT"]}'
    keystone = f'http://{address}/v3'
    _make_folders()
    _configure(values)
    running = Running()
    try:
        for kind in _PORTS:
            running.start(kind, _swift(kind))
        _make_keystone(keystone)
        running.start('keystone', _keystone(address))
        running.wait_for('keystone', lambda: _answers(keystone))
        for kind, port in _PORTS.items():
            running.wait_for(kind, lambda port=port: _listens(port))
        running.start('proxy', _swift('proxy'))
        running.watch()
    finally:
        running.end()


class Running:
    """The programs that run."""

    def __init__(self) -> None:
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: list[str]) -> None:
        """Start one."""
        self._processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL)

    def wait_for(self, name: str, condition: Callable[[], bool]) -> None:
        """Wait until one is ready; exit if one ends meanwhile."""
        end = time.monotonic() + _START
        while not condition():
            self._check()
            if time.monotonic() > end:
                sys.exit(f'{name} is not ready after {_START:.0f} s')
            time.sleep(0.1)

    def watch(self) -> None:
        """Wait until one ends, and exit."""
        while True:
            self._check()
            time.sleep(0.2)

    def _check(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                sys.exit(f'{name} has ended')

    def end(self) -> None:
        """End them all."""
        for process in self._processes.values():
            process.terminate()
        for process in self._processes.values():
            try:
                process.wait(_END)
            except subprocess.TimeoutExpired:
                process.kill()


def _make_folders() -> None:
    for folder in (_ETC, *(_HOME / 'node' / kind for kind in _PORTS)):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        os.setxattr(_HOME / 'node', 'user.swift', b'')
    except OSError:
        sys.exit(f'{_HOME} takes no extended attributes, without which Swift stores nothing: mount a disk there')


def _configure(values: Mapping[str, str]) -> None:
    for path in (_HERE / 'etc').iterdir():
        if path.suffix != '.conf':
            shutil.copy(path, _ETC)
            continue
        template = string.Template(path.read_text())
        if path.name != 'storage-server.conf':
            (_ETC / path.name).write_text(template.substitute(values))
            continue
        for kind, port in _PORTS.items():
            (_ETC / f'{kind}-server.conf').write_text(template.substitute(KIND=kind, PORT=port))


def _make_keystone(url: str) -> None:
    """A database with nobody in it but the administrator; one that is there already keeps what it has."""
    database = _HOME / 'keystone.db'
    if not database.exists():
        shutil.copy(_HERE / database.name, database)
    manage = ['keystone-manage', f'--config-file={_ETC}/keystone.conf']
    own = [f'--keystone-user={os.getuid()}', f'--keystone-group={os.getgid()}']
    subprocess.run([*manage, 'fernet_setup', *own], check=True)
    catalog = [f'--bootstrap-{interface}-url={url}' for interface in ('public', 'internal', 'admin')]
    subprocess.run([*manage, 'bootstrap', '--bootstrap-region-id=lab', *catalog], check=True)


def _keystone(address: str) -> list[str]:
    return [
        'uwsgi',
        '--plugin=python3',
        f'--http-socket={address}',
        '--wsgi-file=/usr/bin/keystone-wsgi-public',
        f'--env=OS_KEYSTONE_CONFIG_FILES={_ETC}/keystone.conf',
        # One request at a time: what a thread leaves open in SQLite keeps all others from writing.
        '--processes=1',
        '--threads=1',
        # It closes connections after each answer; clients have to know.
        '--add-header=Connection: close',
        '--master',
        '--lazy-apps',
        '--die-on-term',
        '--buffer-size=65535',
    ]


def _swift(kind: str) -> list[str]:
    return [f'swift-{kind}-server', f'{_ETC}/{kind}-server.conf', '--verbose']


def _answers(url: str) -> bool:
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5) as response:
            return response.status == 200
    except OSError:
        return False


def _listens(port: int) -> bool:
    try:
        socket.create_connection(('127.0.0.1', port), timeout=5).close()
    except OSError:
        return False
    return True


if __name__ == '__main__':
    main()
