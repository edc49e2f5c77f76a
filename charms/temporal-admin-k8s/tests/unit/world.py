"""States of the world around the admin charm, for tests: everything in place unless a test says otherwise."""

from __future__ import annotations

import dataclasses
from typing import Any

from ops import testing
from temporal_charms import admin, postgresql
from temporal_charms.databases import Database, Endpoint

PASSWORD = "p&s'w%rd"
SECRET = testing.Secret(
    {
        'persistence-username': 'u1',
        'persistence-password': PASSWORD,
        'visibility-username': 'u2',
        'visibility-password': PASSWORD,
    }
)
REQUEST = admin.Request(
    persistence=Endpoint('pg', 5432, 'temporal'),
    visibility=Endpoint('pg', 5432, 'temporal_visibility'),
    credentials=SECRET.id,
    server_version='1.32.2',
    frontend=admin.Frontend('temporal-k8s.m.svc.cluster.local', 7233),
)


@dataclasses.dataclass
class Databases:
    """What stands in the databases, by name; the tool's `update-schema` brings them to the newest version."""

    versions: dict[str, str | None]
    problem: str = ''

    def inspect(self, database: Database) -> postgresql.Inspection:
        """What `postgresql.inspect` would find."""
        if self.problem:
            raise postgresql.Unreachable(self.problem)
        return postgresql.Inspection('15.18', False, 97, 5, self.versions[database.endpoint.name])


def container(*execs: testing.Exec, version: str = '1.32.2', can_connect: bool = True) -> testing.Container:
    """The container, with a schema tool of this version; none if it is empty."""
    tool = testing.Exec(['temporal-sql-tool', '--version'], stdout=f'temporal-sql-tool version {version}')
    if not version:
        tool = testing.Exec(['temporal-sql-tool', '--version'], return_code=127)
    steps = [testing.Exec(['temporal-sql-tool', name]) for name in ('setup-schema', 'update-schema')]
    given = {tuple(e.command_prefix) for e in execs}
    usual = [e for e in (tool, *steps) if tuple(e.command_prefix) not in given]
    return testing.Container('temporal-admin', can_connect=can_connect, execs={*usual, *execs})


def relation(request: admin.Request | None = REQUEST, **changes: Any) -> testing.Relation:
    """The relation to the server."""
    data = request.dump() if request else {}
    return testing.Relation('admin', 'temporal', remote_app_name='temporal-k8s', remote_app_data=data, **changes)


def state(**changes: Any) -> testing.State:
    """Everything in place."""
    values = {'leader': True, 'containers': {container()}, 'relations': [relation()], 'secrets': [SECRET]}
    return testing.State(**(values | changes))
