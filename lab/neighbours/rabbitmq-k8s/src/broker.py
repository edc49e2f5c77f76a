"""RabbitMQ in its container: started, and told about users and virtual hosts. Knows nothing of relations."""

from __future__ import annotations

import hashlib
import json
import socket
import time

import ops
from ops import pebble

PORT = 5672

_DATA = '/var/lib/rabbitmq'
_PROGRAMS = '/usr/lib/rabbitmq/bin'
_CONFIG = '/etc/rabbitmq/rabbitmq.conf'
_SERVICE = 'rabbitmq'
_ENVIRONMENT = {
    'HOME': _DATA,
    # Of the volume's folders, whatever the pod is called.
    'RABBITMQ_NODENAME': 'rabbit@localhost',
    # A container may open so many files that a table of them all would not fit into memory.
    'ERL_MAX_PORTS': '65536',
    'LANG': 'C.UTF-8',
}
_SETTINGS = """
log.console = true
log.file = false
"""


class Broker:
    """The container `rabbitmq`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            TimeoutError: when it does not within two minutes.
        """
        # Debian's unit makes them where there is systemd.
        for folder in (_DATA, '/var/log/rabbitmq'):
            self._run('install', '-d', '-o', 'rabbitmq', '-g', 'rabbitmq', '-m', '0750', folder)
        self._container.push(_CONFIG, _SETTINGS, make_dirs=True)
        self._container.add_layer(_SERVICE, _layer(), combine=True)
        self._container.replan()
        if not self.answers(within=120):
            raise TimeoutError('RabbitMQ does not answer')

    def answers(self, within: float) -> bool:
        """Whether it takes connections.

        Args:
            within: seconds that it may take until it does.
        """
        end = time.monotonic() + within
        while True:
            try:
                # The container has the charm's network.
                socket.create_connection(('127.0.0.1', PORT), timeout=1).close()
            except OSError:
                if time.monotonic() > end:
                    return False
                time.sleep(0.1)
            else:
                return True

    def users(self) -> set[str]:
        """Who can log in."""
        return {one['user'] for one in json.loads(self._control('list_users', '--formatter', 'json'))}

    def let_in(self, user: str, password: str) -> None:
        """Make a user."""
        self._control('add_user', user, stdin=password)

    def keep_out(self, user: str) -> None:
        """Remove a user; its connections end."""
        self._control('delete_user', user)

    def allow(self, user: str, vhost: str) -> None:
        """Let a user do everything in a virtual host, which is made unless it is there."""
        self._control('add_vhost', vhost)
        self._control('set_permissions', '--vhost', vhost, user, '.*', '.*', '.*')

    def _control(self, *command: str, stdin: str | None = None) -> str:
        """Run rabbitmqctl; passwords go by standard input."""
        return self._run(
            f'{_PROGRAMS}/rabbitmqctl', '--quiet', *command, stdin=stdin, user='rabbitmq', environment=_ENVIRONMENT
        )

    def _run(
        self,
        *command: str,
        stdin: str | None = None,
        user: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> str:
        process = self._container.exec(list(command), stdin=stdin, user=user, environment=environment, timeout=120)
        return process.wait_output()[0]


def _layer() -> pebble.LayerDict:
    key = hashlib.sha256(_SETTINGS.encode()).hexdigest()[:12]
    return {
        'services': {
            _SERVICE: {
                'override': 'replace',
                'summary': 'RabbitMQ',
                # Debian's own wrapper would write what it says into files.
                'command': f'{_PROGRAMS}/rabbitmq-server',
                'startup': 'enabled',
                'user': 'rabbitmq',
                'group': 'rabbitmq',
                'environment': {**_ENVIRONMENT, 'RESTART_KEY': key},
                'kill-delay': '20s',
            }
        },
        'checks': {
            'up': {'override': 'replace', 'level': 'ready', 'period': '2s', 'threshold': 2, 'tcp': {'port': PORT}}
        },
    }
