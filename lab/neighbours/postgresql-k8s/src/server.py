"""PostgreSQL in its container: made, copied, started, promoted, and asked. Knows nothing of relations."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable

import ops
from ops import pebble

PORT = 5432
CHECK_FAILS = 4
"""Seconds after which Pebble's check has failed, when the server does not answer."""

OPERATOR, REPLICATION = 'operator', 'replication'
"""Roles of the charm's own: a superuser for the units, and the one with which a standby follows."""

_DATA = '/var/lib/postgresql/data/pgdata'
_STANDBY = f'{_DATA}/standby.signal'
_PROGRAMS = '/usr/lib/postgresql/15/bin'
_CONFIG = '/etc/postgresql-juju'
_SERVICE = 'postgresql'

# SIGTERM, which is what Pebble sends, waits for clients to leave, and pooled ones never do. SIGINT ends their sessions
# and hands everything to the standbys first.
_RUN = f"""#!/bin/sh
{_PROGRAMS}/postgres -D {_DATA} -c config_file={_CONFIG}/postgresql.conf &
server=$!
trap 'kill -INT $server' TERM
wait $server
trap - TERM
wait $server
"""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a server is started with.

    Attributes:
        connections: `max_connections`.
        passwords: of OPERATOR and REPLICATION.
        follows: host of the primary, for a standby; empty for the primary.
        certificate: PEM; empty without TLS.
        key: its key, PEM.
    """

    connections: int
    passwords: tuple[str, str] = dataclasses.field(repr=False)
    follows: str = ''
    certificate: str = ''
    key: str = dataclasses.field(default='', repr=False)

    def files(self) -> dict[str, str]:
        """Name to content, below one folder."""
        follow = f'host={self.follows} port={PORT} user={REPLICATION} password={self.passwords[1]}'
        lines = [
            "listen_addresses = '*'",
            "unix_socket_directories = '/tmp'",
            f"hba_file = '{_CONFIG}/pg_hba.conf'",
            f'max_connections = {self.connections}',
            # What a standby may be behind after it was away.
            "wal_keep_size = '256MB'",
            f'ssl = {"on" if self.certificate else "off"}',
            f"ssl_cert_file = '{_CONFIG}/server.crt'",
            f"ssl_key_file = '{_CONFIG}/server.key'",
            f"primary_conninfo = '{follow if self.follows else ''}'",
        ]
        # With TLS the real charm lets nobody in without.
        host = 'hostssl' if self.certificate else 'host'
        rules = [
            'local all postgres peer',
            f'{host} all all 0.0.0.0/0 scram-sha-256',
            f'{host} replication {REPLICATION} 0.0.0.0/0 scram-sha-256',
        ]
        return {
            'postgresql.conf': '\n'.join([*lines, '']),
            'pg_hba.conf': '\n'.join([*rules, '']),
            'server.crt': self.certificate,
            'server.key': self.key,
        }

    def restart_key(self) -> str:
        """Changes with what takes effect by a restart only.

        PostgreSQL could begin to speak TLS without one, but the real charm restarts it, so that no session stays plain.
        """
        return hashlib.sha256(f'{self.connections} {bool(self.certificate)}'.encode()).hexdigest()[:12]


class Server:
    """The container `postgresql`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def empty(self) -> bool:
        """Whether the volume holds no cluster yet."""
        return not self._container.exists(f'{_DATA}/PG_VERSION')

    def is_standby(self) -> bool:
        """Whether what is there follows another server."""
        return self._container.exists(_STANDBY)

    def make(self) -> None:
        """A new cluster."""
        self._folder()
        self._run(
            f'{_PROGRAMS}/initdb', f'--pgdata={_DATA}', '--auth-local=peer', '--auth-host=scram-sha-256',
            '--encoding=UTF8', '--locale=C.UTF-8', user='postgres',
        )  # fmt: skip

    def copy(self, host: str, password: str) -> None:
        """A standby's cluster, copied from the primary; what was there goes.

        Args:
            host: the primary.
            password: of REPLICATION.
        """
        self._run('rm', '-rf', _DATA)
        self._folder()
        self._run(
            f'{_PROGRAMS}/pg_basebackup', f'--pgdata={_DATA}', f'--host={host}', f'--port={PORT}',
            f'--username={REPLICATION}', '--wal-method=stream', '--checkpoint=fast',
            user='postgres', environment={'PGPASSWORD': password},
        )  # fmt: skip
        # The last thing, so that a copy that was cut off is made anew.
        self._container.push(_STANDBY, '', user='postgres', group='postgres')

    def start(self, settings: Settings) -> None:
        """Start it, let it take up new settings, and wait until it answers.

        Raises:
            TimeoutError: when it does not within a minute.
        """
        if settings.follows:
            # A standby that takes fewer connections than the primary does not start.
            settings = dataclasses.replace(
                settings, connections=max(settings.connections, self._primarys_connections())
            )
        changed = False
        for name, content in settings.files().items():
            path = f'{_CONFIG}/{name}'
            if not self._container.exists(path) or self._container.pull(path).read() != content:
                self._container.push(
                    path, content, user='postgres', group='postgres', permissions=0o600, make_dirs=True
                )
                changed = True
        self._container.push(f'{_CONFIG}/run', _RUN, permissions=0o755)
        self._container.add_layer(_SERVICE, _layer(settings), combine=True)
        running = self._service_runs()
        self._container.replan()
        if running and changed:
            self._run(f'{_PROGRAMS}/pg_ctl', 'reload', f'--pgdata={_DATA}', user='postgres')
        if not self.answers(within=60):
            raise TimeoutError('PostgreSQL does not answer')

    def _primarys_connections(self) -> int:
        """How many connections the primary took when it wrote what this standby has."""
        told = self._run(f'{_PROGRAMS}/pg_controldata', f'--pgdata={_DATA}', user='postgres')
        return next(int(line.split(':')[1]) for line in told.splitlines() if line.startswith('max_connections'))

    def stop(self) -> None:
        """End all sessions, let the standbys have everything, and stop."""
        if self._service_runs():
            self._container.stop(_SERVICE)

    def _service_runs(self) -> bool:
        services = self._container.get_services(_SERVICE)
        return _SERVICE in services and services[_SERVICE].is_running()

    def promote(self) -> None:
        """Make a standby the primary."""
        self.sql('SELECT pg_promote();')

    def answers(self, within: float) -> bool:
        """Whether it takes connections.

        Args:
            within: seconds that it may take until it does.
        """
        return _soon(self._ready, within)

    def follows(self, within: float) -> bool:
        """Whether a standby gets what the primary writes: a primary that stops waits for those only.

        Args:
            within: seconds that it may take until it does.
        """
        return _soon(lambda: self.sql('SELECT status FROM pg_stat_wal_receiver;') == 'streaming', within)

    def _ready(self) -> bool:
        try:
            self._run(f'{_PROGRAMS}/pg_isready', '--quiet', '--host=/tmp')
        except (pebble.Error, OSError):
            # It does not, or the container is just going.
            return False
        return True

    def sql(self, statement: str, host: str = '', password: str = '') -> str:
        """Run statements as a superuser; by standard input, since passwords stand in some of them.

        Args:
            statement: one or more, as psql takes them.
            host: of a server elsewhere; this one if it is empty.
            password: of OPERATOR, for a server elsewhere.

        Raises:
            ops.pebble.ExecError: when the server does not answer, or refuses.
        """
        login = [f'--host={host}', f'--port={PORT}', f'--username={OPERATOR}'] if host else ['--host=/tmp']
        process = self._container.exec(
            [f'{_PROGRAMS}/psql', *login, '--no-psqlrc', '--quiet', '--tuples-only', '--no-align',
             '--set=ON_ERROR_STOP=1', '--dbname=postgres'],
            user='postgres',
            environment={'PGPASSWORD': password, 'PGCONNECT_TIMEOUT': '5'},
            stdin=statement,
            timeout=60,
        )  # fmt: skip
        return process.wait_output()[0].strip()

    def _folder(self) -> None:
        self._run('install', '-d', '-o', 'postgres', '-g', 'postgres', '-m', '0700', _DATA)

    def _run(self, *command: str, user: str | None = None, environment: dict[str, str] | None = None) -> str:
        process = self._container.exec(list(command), user=user, environment=environment, timeout=120)
        return process.wait_output()[0]


def _soon(condition: Callable[[], bool], within: float) -> bool:
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def _layer(settings: Settings) -> pebble.LayerDict:
    check: pebble.CheckDict = {
        'override': 'replace',
        'level': 'ready',
        'period': '2s',
        'threshold': CHECK_FAILS // 2,
        'exec': {'command': f'{_PROGRAMS}/pg_isready --quiet --host=/tmp'},
    }
    return {
        'services': {
            _SERVICE: {
                'override': 'replace',
                'summary': 'PostgreSQL',
                'command': f'{_CONFIG}/run',
                'startup': 'enabled',
                'user': 'postgres',
                'group': 'postgres',
                'environment': {'RESTART_KEY': settings.restart_key()},
                'kill-delay': '20s',
            }
        },
        'checks': {'up': check},
    }
