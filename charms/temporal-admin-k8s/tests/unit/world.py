"""States of the world around the admin charm, for tests: everything in place unless a test says otherwise."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from ops import testing
from temporal_charms import admin, postgresql
from temporal_charms.databases import Database, Endpoint
from temporal_charms.versions import SchemaVersions

from conditions import Step

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


PERSISTENCE, VISIBILITY = 'persistence=postgresql/v12/temporal', 'visibility=postgresql/v12/visibility'
LIMITS = admin.ConnectionLimits(97, 97)
READY = admin.Schema(admin.READY, SchemaVersions('1.19', '1.14'), REQUEST.fingerprint, '', LIMITS, 512)
TOOL = ['/usr/local/bin/temporal-schema', 'run', '--databases', '/etc/temporal-charm/databases.json']


@dataclasses.dataclass
class Databases:
    """What stands in the databases, by name; a migration brings them to the newest version.

    Attributes:
        versions: of the schemas; None where there is none.
        refusals: why databases cannot be asked, by name.
        changes: to what else a database says of itself, by name.
        stuck: whether migrations change nothing.
    """

    versions: dict[str, str | None]
    refusals: dict[str, postgresql.Unreachable] = dataclasses.field(default_factory=dict)
    changes: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    stuck: bool = False

    def refuse(self, sentence: str, code: str = '', *names: str, untrusted: bool = False) -> None:
        """Let databases refuse to be asked; both if none is named."""
        refusal = postgresql.Unreachable(sentence, code, untrusted=untrusted)
        self.refusals = dict.fromkeys(names or self.versions, refusal)

    def inspect(self, database: Database) -> postgresql.Inspection:
        """What `postgresql.inspect` would find."""
        name = database.endpoint.name
        if name in self.refusals:
            raise self.refusals[name]
        found = postgresql.Inspection('15.18', False, 97, 5, self.versions[name], 512, '0.1')
        return dataclasses.replace(found, **self.changes.get(name, {}))

    def migrate(self, steps: Iterable[Step]) -> None:
        """What temporal-sql-tool would do."""
        if not self.stuck:
            self.versions |= {step.database.endpoint.name: step.target for step in steps}


def run(*reports: dict[str, str], status: int = 0, messages: str = '') -> testing.Exec:
    """A migration that ends like this."""
    return testing.Exec(TOOL, return_code=status, stdout=json.dumps(reports), stderr=messages)


def container(*execs: testing.Exec, version: str = '1.32.2', **changes: Any) -> testing.Container:
    """The container, with a schema tool of this version; none if it is empty."""
    tool = testing.Exec(['temporal-sql-tool', '--version'], stdout=f'temporal-sql-tool version {version}')
    if not version:
        tool = testing.Exec(['temporal-sql-tool', '--version'], return_code=127)
    given = {tuple(e.command_prefix) for e in execs}
    usual = [e for e in (tool, run()) if tuple(e.command_prefix) not in given]
    return testing.Container('temporal-admin', execs={*usual, *execs}, **{'can_connect': True, **changes})


def relation(request: admin.Request | None = REQUEST, **changes: Any) -> testing.Relation:
    """The relation to the server."""
    data = request.dump() if request else {}
    return testing.Relation('admin', 'temporal', remote_app_name='temporal-k8s', remote_app_data=data, **changes)


def state(**changes: Any) -> testing.State:
    """Everything in place."""
    values = {'leader': True, 'containers': {container()}, 'relations': [relation()], 'secrets': [SECRET]}
    return testing.State(**(values | changes))


def migrations(ctx) -> list[str]:
    """Which databases were worked on."""
    return [
        argument
        for entry in ctx.exec_history.get('temporal-admin', [])
        if entry.command[:2] == TOOL[:2]
        for argument in entry.command[len(TOOL) :]
    ]


def answer_of(out: testing.State) -> admin.Schema | None:
    (found,) = out.get_relations('admin')
    return admin.Schema.load(found.local_app_data)


def run_changed(ctx, told: admin.Schema | None = None, **changes) -> testing.State:
    """Run `admin-relation-changed`."""
    changes.setdefault('relations', [relation(local_app_data=told.dump() if told else {})])
    world = state(**changes)
    (found,) = world.get_relations('admin')
    return ctx.run(ctx.on.relation_changed(found), world)


def file_of(ctx, out: testing.State, name: str) -> dict | None:
    """What the charm wrote for the watcher."""
    path = out.get_container('temporal-admin').get_filesystem(ctx) / 'etc/temporal-charm' / name
    return json.loads(path.read_text()) if path.exists() else None


def known_to_watcher(ctx, out: testing.State) -> tuple[str, str, int]:
    """The states of both databases without their limits of connections, and when the charm wants to go on."""
    known = file_of(ctx, out, 'known.json')
    assert known
    persistence, visibility = (known['states'][name].partition('@')[0] for name in ('persistence', 'visibility'))
    return persistence, visibility, known['again']
