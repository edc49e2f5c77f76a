"""What must be so before the schema is worked on: the one list behind the gate, the unit's status and `preflight`.

The order is the operator's: first what only a person can do, then what comes by itself. What can only be told once the
hook has done its work stands in `OUTCOMES`. docs/how-to/statuses.md explains each by its name.
"""

from __future__ import annotations

import dataclasses

import ops
from temporal_charms import admin, postgresql, versions
from temporal_charms.conditions import Condition
from temporal_charms.databases import Database

from facts import Facts, Look


@dataclasses.dataclass(frozen=True)
class Step:
    """What is to be done to one database.

    Attributes:
        name: `persistence` or `visibility`.
        schema: the name of the schema that temporal-sql-tool carries.
        database: to work on.
        found: version of the schema that is there.
        target: version that the tool carries.
    """

    name: str
    schema: str
    database: Database
    found: str
    target: str

    def __str__(self) -> str:
        found = 'none' if self.found == versions.NO_SCHEMA else self.found
        return f'{self.name} from {found} to {self.target}'


def steps(facts: Facts) -> tuple[Step, ...]:
    """What separates the schemas from those that the image carries."""
    carried = versions.required_schema(facts.image.version) if facts.image.version else None
    found, server = facts.found.versions, facts.server
    if not (carried and found and server.persistence and server.visibility):
        return ()
    pairs = (
        Step('persistence', 'postgresql/v12/temporal', server.persistence, found.persistence, carried.persistence),
        Step('visibility', 'postgresql/v12/visibility', server.visibility, found.visibility, carried.visibility),
    )
    return tuple(step for step in pairs if (versions.parse(step.found) or ()) < (versions.parse(step.target) or ()))


def needed(facts: Facts) -> versions.SchemaVersions | None:
    """The schema that the server needs; None where it has not said its version, or has one that is not supported."""
    wanted = versions.parse(facts.server.request.server_version) if facts.server.request else None
    return versions.required_schema(wanted) if wanted else None


def image_sentence(facts: Facts) -> str:
    """Why the image does not do; empty if it does: its tool must carry the schema that the server needs."""
    remedy = f'juju attach-resource {facts.app} temporal-admin-image=IMAGE'
    if facts.image.version is None:
        return f'temporal-admin-image has no temporal-sql-tool: {remedy}'
    carried, request = versions.required_schema(facts.image.version), facts.server.request
    if carried and request is None:
        return ''
    least, wanted = needed(facts), versions.parse(request.server_version) if request else None
    if carried and least and versions.at_least(carried, least):
        return ''
    if request and wanted and least is None:
        # No image helps: this charm does not know which schema that version needs.
        known = f'this revision of {facts.app} knows {versions.SUPPORTED}'
        older = facts.app if wanted > max(versions.REQUIRED_SCHEMA) else facts.server.app
        return f'{facts.server.app} is {request.server_version}, {known}: juju refresh {older}'
    who, version = (facts.server.app, request.server_version) if request else ('this charm', versions.SUPPORTED)
    return f'temporal-admin-image is {facts.image.version_text}, {who or "this charm"} needs {version}: {remedy}'


def former_sentence(facts: Facts) -> str:
    """Why a schema must not be made where one is that goes by another name; empty if there is none.

    Temporal's tools look for a version beside the database's name, and would make new tables over those of a copy.
    """
    for name, look in facts.found.looks.items():
        database = getattr(facts.server, name)
        if look.inspection and look.inspection.former and database:
            old, new = (text.replace("'", "''") for text in (look.inspection.former, database.endpoint.name))
            return (
                f'{name} holds the schema of a database that was called {look.inspection.former}: in '  # noqa: S608
                f"{database.endpoint.name} UPDATE schema_version SET db_name = '{new}' WHERE db_name = '{old}'"
            )
    return ''


def schema_sentence(facts: Facts) -> str:
    """Why the server cannot work with what the databases hold, since that is too new; empty if it can."""
    request, found, pair = facts.server.request, facts.found.versions, facts.found.inspections
    version = versions.parse(request.server_version) if request else None
    if not (version and found and pair):
        return ''
    oldest = versions.SchemaVersions(*(inspection.oldest or versions.NO_SCHEMA for inspection in pair))
    reason = versions.too_new(version, found, oldest)
    return f'{reason}: {facts.server.app} must be of a newer release, or its databases be restored' if reason else ''


def went_back(facts: Facts) -> bool:
    """Whether a server must stop first: it was told that it may run, and its databases were restored or emptied.

    Those that stop know it by the versions that they are told, and are told why.
    """
    told, found, least, request = facts.told, facts.found.versions, needed(facts), facts.server.request
    if not (told and told.versions and found and least and request) or told.of != request.fingerprint:
        return False
    if versions.at_least(found, least):
        return False
    stopping = told.status == admin.MIGRATING and bool(told.reason)
    return not versions.at_least(found, told.versions) or (stopping and _serving(facts) > 0)


def _serving(facts: Facts) -> int:
    """How many connections servers have."""
    return sum(look.inspection.serving for look in facts.found.looks.values() if look.inspection)


def _of(facts: Facts, flag: str, wanted: bool) -> str:
    """The names of the databases where a flag of the inspection is not as wanted."""
    looks = facts.found.looks.items()
    return ' and '.join(name for name, look in looks if look.inspection and getattr(look.inspection, flag) != wanted)


def _problem(facts: Facts, name: str) -> str:
    """Why one database cannot be asked; empty if it can."""
    return facts.found.looks.get(name, Look()).problem


def _unasked(facts: Facts, name: str) -> ops.StatusBase:
    """The status while one database cannot be asked."""
    look = facts.found.looks[name]
    if look.missing:
        remedy = f'restore it, or remove the relation of {facts.server.app} with PostgreSQL and add it again'
        return ops.BlockedStatus(f'{look.problem}: {remedy}')
    if look.untrusted:
        return ops.BlockedStatus(f'{look.problem}: give PostgreSQL one, or name its authority in the relation')
    database = getattr(facts.server, name)
    role = database.username if database else 'the role'
    if look.code == postgresql.NOT_ALLOWED:
        remedy = f'in this database REASSIGN OWNED BY the former role TO {role}, or GRANT it what it lacks'
        return ops.BlockedStatus(f'{look.problem}: {remedy}')
    if look.code == postgresql.NOT_LET_IN:
        return ops.BlockedStatus(f'{look.problem}: let {role} log in, in pg_hba.conf from the addresses of the pods')
    return ops.WaitingStatus(look.problem)


CONDITIONS: tuple[Condition[Facts], ...] = (
    Condition(
        'admin-relation',
        lambda facts: bool(facts.server.app),
        lambda facts: ops.BlockedStatus(f'no server: juju integrate {facts.app}:admin temporal-k8s:admin'),
    ),
    Condition(
        'container',
        lambda facts: facts.image.reachable,
        lambda facts: ops.WaitingStatus('waiting for the container to start'),
    ),
    Condition(
        'image',
        lambda facts: not image_sentence(facts),
        lambda facts: ops.BlockedStatus(image_sentence(facts)),
    ),
    Condition(
        'databases',
        lambda facts: not facts.leader or facts.found.asked,
        lambda facts: ops.WaitingStatus(f'waiting for {facts.server.app} to name its databases'),
    ),
    Condition(
        'persistence',
        lambda facts: not _problem(facts, 'persistence'),
        lambda facts: _unasked(facts, 'persistence'),
    ),
    Condition(
        'visibility',
        lambda facts: not _problem(facts, 'visibility'),
        lambda facts: _unasked(facts, 'visibility'),
    ),
    Condition(
        'former-name',
        lambda facts: not former_sentence(facts),
        lambda facts: ops.BlockedStatus(former_sentence(facts)),
    ),
    Condition(
        'schema',
        lambda facts: not schema_sentence(facts),
        lambda facts: ops.BlockedStatus(schema_sentence(facts)),
    ),
    Condition(
        'rights',
        lambda facts: not steps(facts) or not _of(facts, 'creates', True),
        lambda facts: ops.BlockedStatus(
            f'the login may not create tables ({_of(facts, "creates", True)}): '
            'GRANT CREATE ON SCHEMA public TO its role'
        ),
    ),
    Condition(
        'extension',
        lambda facts: not steps(facts) or 'visibility' not in _of(facts, 'extends', True),
        lambda facts: ops.BlockedStatus(
            'visibility needs the extension btree_gin, which cannot be created there: enable it in PostgreSQL'
        ),
    ),
    Condition(
        'went-back',
        lambda facts: not went_back(facts),
        lambda facts: ops.WaitingStatus(
            f'the schema is older than it was ({_versions(facts)}): '
            f'waiting for {facts.server.app} to stop ({_serving(facts)} connections)'
        ),
    ),
    Condition(
        'lock',
        lambda facts: not _of(facts, 'locked', False),
        lambda facts: ops.WaitingStatus(
            f'another unit or an earlier hook is migrating the schema ({_of(facts, "locked", False)})'
        ),
    ),
)


def _versions(facts: Facts) -> str:
    return ', '.join(f'{name} {look.version}' for name, look in facts.found.looks.items())


def migrating(todo: tuple[Step, ...]) -> ops.MaintenanceStatus:
    """The status while the tool works, which may take an hour."""
    return ops.MaintenanceStatus(f'migrating {", ".join(map(str, todo))}')


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the hook has led to.

    Attributes:
        unit: this unit.
        failure: why the last attempt to migrate failed; empty if it did not.
        todo: what is still to be done.
    """

    unit: str
    failure: str
    todo: tuple[Step, ...]


OUTCOMES: tuple[Condition[Outcome], ...] = (
    Condition(
        'migration',
        lambda outcome: not outcome.failure,
        lambda outcome: ops.BlockedStatus(f'{outcome.failure}; see juju debug-log --include {outcome.unit}'),
    ),
    Condition(
        'migrated',
        lambda outcome: not outcome.todo,
        lambda outcome: ops.WaitingStatus(f'waiting to migrate {", ".join(map(str, outcome.todo))}'),
    ),
)
