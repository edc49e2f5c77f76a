"""PostgreSQL in its container: made, started, and asked for databases and users. Knows nothing of relations."""

from __future__ import annotations

import time

import ops
from ops import pebble

_DATA = '/var/lib/postgresql/data/pgdata'
_PROGRAMS = '/usr/lib/postgresql/15/bin'
_SERVICE = 'postgresql'
PORT = 5432


class Server:
    """The container `postgresql`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def start(self) -> None:
        """Make the cluster if the volume holds none, start it, and wait until it answers.

        Raises:
            TimeoutError: when it does not within a minute.
        """
        if not self._container.exists(f'{_DATA}/PG_VERSION'):
            self._run('install', '-d', '-o', 'postgres', '-g', 'postgres', '-m', '0700', _DATA)
            self._run(
                f'{_PROGRAMS}/initdb', f'--pgdata={_DATA}', '--auth-local=peer', '--auth-host=scram-sha-256',
                '--encoding=UTF8', '--locale=C.UTF-8', user='postgres',
            )  # fmt: skip
            rules = 'local all postgres peer\nhost all all 0.0.0.0/0 scram-sha-256\n'
            self._container.push(f'{_DATA}/pg_hba.conf', rules, user='postgres', group='postgres', permissions=0o600)
        self._container.add_layer(_SERVICE, self._layer(), combine=True)
        self._container.replan()
        end = time.monotonic() + 60
        while not self.answers():
            if time.monotonic() > end:
                raise TimeoutError('PostgreSQL does not answer')
            time.sleep(0.1)

    def _layer(self) -> pebble.LayerDict:
        command = f'{_PROGRAMS}/postgres -D {_DATA} -c listen_addresses=* -c unix_socket_directories=/tmp'
        probe = f'{_PROGRAMS}/pg_isready --quiet --host=/tmp'
        return {
            'services': {
                _SERVICE: {
                    'override': 'replace',
                    'summary': 'PostgreSQL',
                    'command': command,
                    'startup': 'enabled',
                    'user': 'postgres',
                    'group': 'postgres',
                    # SIGTERM waits for clients to leave; pooled ones never do, and Pebble then kills.
                    'kill-delay': '3s',
                }
            },
            'checks': {'up': {'override': 'replace', 'level': 'ready', 'period': '5s', 'exec': {'command': probe}}},
        }

    def answers(self) -> bool:
        """Whether it takes connections."""
        try:
            self._run(f'{_PROGRAMS}/pg_isready', '--quiet', '--host=/tmp')
        except (pebble.ExecError, pebble.APIError, pebble.ConnectionError):
            return False
        return True

    def version(self) -> str:
        """As the server tells it, e.g. "15.18"."""
        return self._sql('SHOW server_version').split()[0]

    def ensure_database(self, database: str, user: str, password: str) -> None:
        """A database and a user who may do everything in it.

        The database belongs to a role that the user takes on at login: what one user made, the next one owns, too.
        """
        owner = f'{database}_owner'
        # \gexec runs what a query gives: PostgreSQL has no CREATE ROLE IF NOT EXISTS.
        self._sql(
            '\n'.join(
                [
                    *(_create_role(role, options) for role, options in ((owner, 'NOLOGIN'), (user, 'LOGIN'))),
                    f'ALTER ROLE {_name(user)} PASSWORD {_literal(password)};',
                    f'GRANT {_name(owner)} TO {_name(user)};',
                    f'SELECT {_literal(f"CREATE DATABASE {_name(database)} OWNER {_name(owner)}")} '
                    f'WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {_literal(database)}) \\gexec',
                    f'REVOKE ALL ON DATABASE {_name(database)} FROM PUBLIC;',
                    f'ALTER ROLE {_name(user)} IN DATABASE {_name(database)} SET role = {_name(owner)};',
                    f'\\connect {_name(database)}',
                    f'GRANT ALL ON SCHEMA public TO {_name(owner)};',
                ]
            )
        )

    def drop_users(self, prefix: str, *, but: set[str]) -> None:
        """Remove the users of relations that are gone; the databases stay."""
        found = self._sql(f'SELECT rolname FROM pg_roles WHERE rolname LIKE {_literal(prefix + "%")}').split()
        for user in set(found) - but:
            self._sql(
                f'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {_literal(user)};'
                f'DROP ROLE {_name(user)};'
            )

    def _sql(self, statement: str) -> str:
        """Run statements as the superuser; by standard input, since passwords stand in some of them."""
        process = self._container.exec(
            [f'{_PROGRAMS}/psql', '--host=/tmp', '--no-psqlrc', '--quiet', '--tuples-only', '--no-align',
             '--set=ON_ERROR_STOP=1', '--dbname=postgres'],
            user='postgres',
            stdin=statement,
            timeout=30,
        )  # fmt: skip
        return process.wait_output()[0].strip()

    def _run(self, *command: str, user: str | None = None) -> str:
        return self._container.exec(list(command), user=user, timeout=120).wait_output()[0]


def _create_role(role: str, options: str) -> str:
    return (
        f'SELECT {_literal(f"CREATE ROLE {_name(role)} {options}")} '
        f'WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {_literal(role)}) \\gexec'
    )


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
