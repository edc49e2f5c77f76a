"""The image with Swift and Keystone as a container on this machine: by the lab's podman, and on loopback only."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterator

from lab import commands, images
from lab.progress import LabError

PASSWORD = 'admin-password-which-nobody-may-see'

_START = 300.0


class StoreContainer:
    """A container; a context manager. It can be stopped and started again, and keeps what it had.

    Args:
        listing_limit: the most that a page of a listing may have.

    Raises:
        LabError: as every method: podman refuses, or the container does not become ready.
    """

    def __init__(self, *, listing_limit: int) -> None:
        self._name = f'oci-factory-swift-{secrets.token_hex(4)}'
        swift, keystone = _free_port(), _free_port()
        self.swift, self.keystone = f'http://127.0.0.1:{swift}', f'http://127.0.0.1:{keystone}/v3'
        self._environment = {
            'OS_BOOTSTRAP_PASSWORD': PASSWORD,
            'SWIFT_PORT': swift,
            'KEYSTONE_PORT': keystone,
            'LISTING_LIMIT': listing_limit,
        }

    def __enter__(self) -> StoreContainer:
        environment = [f'--env={name}={value}' for name, value in self._environment.items()]
        (image,) = [images.reference(image) for image in images.NEIGHBOURS if image.name == 'oci-factory-swift']
        if not commands.succeeds(['podman', 'image', 'exists', image], env=images.environment()):
            raise LabError(f'{image} is not built: run lab/bin/lab images --neighbours')
        _podman('create', f'--name={self._name}', '--network=host', *environment, image)
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        _podman('rm', '--force', '--volumes', '--time=10', self._name)

    def start(self) -> None:
        """Start it, and wait until it is ready."""
        _podman('start', self._name)
        end = time.monotonic() + _START
        while not commands.answers(f'{self.swift}/healthcheck'):
            running = _podman('container', 'inspect', '--format={{.State.Running}}', self._name).strip() == 'true'
            if not running or time.monotonic() > end:
                raise LabError(f'the container has ended, or is not ready after {_START:.0f} s:\n{self.log()[-2000:]}')
            time.sleep(0.5)

    def stop(self) -> None:
        """End all that runs in it."""
        _podman('stop', '--time=30', self._name)

    def log(self) -> str:
        """What its programs have printed."""
        # podman gives each stream where it was written to.
        script = 'exec podman logs "$0" 2>&1'
        return commands.output(['sh', '-c', script, self._name], env=images.environment())

    @contextlib.contextmanager
    def hanging(self, kind: str) -> Iterator[None]:
        """One of Swift's servers takes connections, and answers nothing.

        Args:
            kind: `proxy`, `account`, `container` or `object`.
        """
        lines = _podman('top', self._name, 'hpid', 'args').splitlines()
        (pid,) = [int(line.split()[0]) for line in lines if f'/swift-{kind}-server ' in line]
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(pid, signal.SIGCONT)


def _podman(*arguments: str) -> str:
    return commands.output(['podman', *arguments], env=images.environment())


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
