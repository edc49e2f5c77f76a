"""The interface `temporal`: the handshake between the server and the charm that looks after its schema.

Server → admin, application databag:
    databases: JSON, `{"persistence": {host, port, name, tls, ca}, "visibility": {...}}`.
    credentials: URI of a secret with `persistence-username`, `persistence-password`, `visibility-username`,
        `visibility-password`; granted on this relation.
    server_version: the server's version ("1.32.2"), whose schema is wanted.
    frontend: JSON, `{"host", "port", "tls", "ca"}`: where the server answers; for `tctl` and `cli`.

Admin → server, application databag:
    schema_status: `migrating`, `ready` or `failed`.
    schema_versions: JSON, `{"persistence": "1.19", "visibility": "1.14"}`, as read from the databases;
        "0.0" where one holds no schema, or is gone.
    schema_of: fingerprint of the `databases` that this speaks of, so that the answer for a database that has since been
        replaced does not count.
    schema_reason: why it failed, or why a server has to stop before it is migrated; one sentence.
    connection_limits: JSON, `{"persistence": 97, "visibility": 97}`: how many connections PostgreSQL leaves to ordinary
        roles in each database, as read from it.
    shards: the number of history shards, as read from the database; absent where no server has been started on it.

Every key may be absent: that means "not said yet".
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import ops

from temporal_charms import databags
from temporal_charms.databases import Database, Endpoint
from temporal_charms.versions import SchemaVersions

MIGRATING, READY, FAILED = 'migrating', 'ready', 'failed'


@dataclasses.dataclass(frozen=True)
class Frontend:
    """Where a server answers gRPC.

    Attributes:
        host: DNS name.
        port: TCP port.
        tls: whether it wants TLS.
        ca: PEM of the authority that signed its certificate; empty for the system's.
    """

    host: str
    port: int
    tls: bool = False
    ca: str = ''

    @property
    def address(self) -> str:
        """As Temporal's clients take it."""
        return f'{self.host}:{self.port}'


@dataclasses.dataclass(frozen=True)
class Request:
    """What the server says.

    Attributes:
        persistence: the database of workflows.
        visibility: the database of the list of workflows.
        credentials: URI of the secret with user names and passwords.
        server_version: whose schema is wanted.
        frontend: where the server answers, or will.
    """

    persistence: Endpoint
    visibility: Endpoint
    credentials: str
    server_version: str
    frontend: Frontend | None = None

    @property
    def fingerprint(self) -> str:
        """Identifies the two databases."""
        return fingerprint(self.persistence, self.visibility)

    def dump(self) -> dict[str, str]:
        """The databag's content."""
        databases = {name: dataclasses.asdict(getattr(self, name)) for name in ('persistence', 'visibility')}
        content = {
            'databases': databags.dump_json(databases),
            'credentials': self.credentials,
            'server_version': self.server_version,
        }
        if self.frontend:
            content['frontend'] = databags.dump_json(dataclasses.asdict(self.frontend))
        return content

    @classmethod
    def load(cls, databag: Mapping[str, str]) -> Request | None:
        """Read the other side's databag; None until everything needed is there."""
        databases = databags.load_json(databag, 'databases')
        try:
            persistence, visibility = Endpoint(**databases['persistence']), Endpoint(**databases['visibility'])
            return cls(
                persistence, visibility, databag['credentials'], databag['server_version'], load_frontend(databag)
            )
        except (KeyError, TypeError):
            return None


def load_frontend(databag: Mapping[str, str]) -> Frontend | None:
    """Where the server answers, if it has said so; it may before its databases are there."""
    content = databags.load_json(databag, 'frontend')
    try:
        return Frontend(**content) if content else None
    except TypeError:
        return None


class ConnectionLimits(NamedTuple):
    """How many connections PostgreSQL leaves to ordinary roles in each database."""

    persistence: int
    visibility: int


@dataclasses.dataclass(frozen=True)
class Schema:
    """What the admin charm says.

    Attributes:
        status: `migrating`, `ready` or `failed`.
        versions: as read from the databases; None where they could not be read.
        of: fingerprint of the databases.
        reason: why it failed, or why a server has to stop first.
        limits: of connections; None where they could not be read.
        shards: the number of history shards that the cluster was first started with; None before.
    """

    status: str
    versions: SchemaVersions | None = None
    of: str = ''
    reason: str = ''
    limits: ConnectionLimits | None = None
    shards: int | None = None

    def dump(self) -> dict[str, str]:
        """The databag's content."""
        content = {'schema_status': self.status, 'schema_of': self.of, 'schema_reason': self.reason}
        if self.versions:
            content['schema_versions'] = databags.dump_json(self.versions._asdict())
        if self.limits:
            content['connection_limits'] = databags.dump_json(self.limits._asdict())
        if self.shards:
            content['shards'] = str(self.shards)
        return {key: value for key, value in content.items() if value}

    @classmethod
    def load(cls, databag: Mapping[str, str]) -> Schema | None:
        """Read the other side's databag; None while it has said nothing."""
        if 'schema_status' not in databag:
            return None
        versions = _pair(databag, 'schema_versions', str)
        limits = _pair(databag, 'connection_limits', int)
        return cls(
            databag['schema_status'],
            SchemaVersions(*versions) if versions else None,
            databag.get('schema_of', ''),
            databag.get('schema_reason', ''),
            ConnectionLimits(*limits) if limits else None,
            databags.number(databag.get('shards', '')),
        )


def _pair(databag: Mapping[str, str], key: str, kind: type) -> tuple[Any, Any] | None:
    """A value for each of the two databases; None where it was not said, or is of another kind."""
    content = databags.load_json(databag, key)
    if not isinstance(content, dict):
        return None
    values = content.get('persistence'), content.get('visibility')
    return values if all(isinstance(value, kind) for value in values) else None


def fingerprint(persistence: Endpoint, visibility: Endpoint) -> str:
    """Identifies a pair of databases by where they are and what they are called."""
    text = '|'.join(f'{e.host}:{e.port}/{e.name}' for e in (persistence, visibility))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def credentials(persistence: Database, visibility: Database) -> dict[str, str]:
    """The content of the secret that goes with a request."""
    return {
        'persistence-username': persistence.username,
        'persistence-password': persistence.password,
        'visibility-username': visibility.username,
        'visibility-password': visibility.password,
    }


class SchemaChangedEvent(ops.EventBase):
    """The admin charm has said something new about the schema, or is gone.

    Attributes:
        schema_ready: whether the schema is ready, as `Admin.schema_ready` has it.
    """

    def __init__(self, handle: ops.Handle, schema_ready: bool = False):
        super().__init__(handle)
        self.schema_ready = schema_ready

    def snapshot(self) -> dict[str, Any]:
        """What ops keeps of a deferred event."""
        return {'schema_ready': self.schema_ready}

    def restore(self, snapshot: dict[str, Any]) -> None:
        """The reverse of `snapshot`."""
        self.schema_ready = snapshot['schema_ready']


class AdminEvents(ops.ObjectEvents):
    """What `Admin` tells its charm."""

    schema_changed = ops.EventSource(SchemaChangedEvent)


class Admin(ops.Object):
    """The server's side of the handshake for a charm that wants no more than the answer.

    Usage::

        self.admin = Admin(self)
        self.framework.observe(self.admin.on.schema_changed, self._on_schema_changed)

    and, on the leader, once the databases are known, `self.admin.request(...)`. The handler reads `event.schema_ready`.
    """

    on = AdminEvents()  # type: ignore[assignment]

    def __init__(self, charm: ops.CharmBase, relation_name: str = 'admin'):
        super().__init__(charm, f'temporal-admin-{relation_name}')
        self._charm = charm
        self._name = relation_name
        events = charm.on[relation_name]
        self.framework.observe(events.relation_changed, self._on_relation_event)
        self.framework.observe(events.relation_broken, self._on_relation_event)

    def request(self, request: Request) -> None:
        """Ask for a schema; the leader only. The secret that it names must be granted by the caller."""
        for relation in self._relations():
            databags.publish(relation.data[self._charm.app], request.dump())

    @property
    def schema(self) -> Schema | None:
        """What the admin charm has said; None if there is none or it has said nothing."""
        for relation in self._relations():
            if relation.app:
                return Schema.load(relation.data[relation.app])
        return None

    @property
    def schema_ready(self) -> bool:
        """Whether the schema is ready.

        The leader counts an answer only if it is about the databases that it asked for last; Juju does not let other
        units read what was asked.
        """
        schema = self.schema
        if schema is None or schema.status != READY:
            return False
        if not self._charm.unit.is_leader():
            return True
        requests = [Request.load(relation.data[self._charm.app]) for relation in self._relations()]
        return all(request is None or request.fingerprint == schema.of for request in requests)

    def _relations(self) -> list[ops.Relation]:
        return [relation for relation in self.model.relations[self._name] if relation.active]

    def _on_relation_event(self, _: ops.EventBase) -> None:
        self.on.schema_changed.emit(self.schema_ready)
