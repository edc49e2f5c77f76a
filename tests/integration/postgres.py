"""PostgreSQL in its pod: asked as its superuser, stopped and started."""

from __future__ import annotations

import jubilant
import suite

POD = f'{suite.POSTGRESQL}-0'
PROGRAMS = '/usr/lib/postgresql/15/bin'
AS_POSTGRES = 'runuser -u postgres --'
"""What runs a command as the user whom PostgreSQL trusts."""

SCHEMA_1_18 = "UPDATE schema_version SET curr_version = '1.18'"
"""Puts the persistence schema back by one version: what the later one has brought stays, as after a tool that was cut
off before it said so, and the tool's next run goes over it again."""


def sql(juju: jubilant.Juju, database: str, statements: str, unit: int = 0) -> str:
    """Run statements.

    Args:
        juju: the model.
        database: its name.
        statements: one or more.
        unit: of PostgreSQL.

    Returns:
        The rows, a line each.
    """
    psql = [*AS_POSTGRES.split(), f'{PROGRAMS}/psql', '--host=/tmp', '--no-psqlrc', '--quiet', '--tuples-only',
            '--no-align', '--set=ON_ERROR_STOP=1', f'--dbname={database}']  # fmt: skip
    pod = f'{suite.POSTGRESQL}-{unit}'
    return suite.kubectl(juju, 'exec', '-i', pod, '--container=postgresql', '--', *psql, stdin=statements).strip()


def stop(juju: jubilant.Juju) -> None:
    """Stop the server; its pod stays."""
    _pebble(juju, 'stop')


def start(juju: jubilant.Juju) -> None:
    """Start it again."""
    _pebble(juju, 'start')


def _pebble(juju: jubilant.Juju, command: str) -> None:
    suite.pod_exec(juju, POD, 'postgresql', f'/charm/bin/pebble {command} postgresql')
