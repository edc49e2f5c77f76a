"""What the admin charm knows: one frozen type per source, read once per hook."""

from __future__ import annotations

import dataclasses

import ops
from ops import pebble
from temporal_charms import admin, postgresql, versions
from temporal_charms.databases import Database
from temporal_charms.secret_cache import SecretCache
from temporal_charms.workload import NotTold, image_version

CONTAINER = 'temporal-admin'


@dataclasses.dataclass(frozen=True)
class Server:
    """What the related server says.

    Attributes:
        app: its application; empty where there is none.
        request: whose schema it wants where; None until it has said so.
        persistence: the database of workflows with its login; None until the secret can be read.
        visibility: the database of the list of workflows, likewise.
        frontend: where it answers; None until it has said so.
    """

    app: str = ''
    request: admin.Request | None = None
    persistence: Database | None = None
    visibility: Database | None = None
    frontend: admin.Frontend | None = None

    @classmethod
    def load(cls, model: ops.Model, secrets: SecretCache) -> Server:
        """Read the relation `admin` and the secret that it names."""
        relation = relation_of(model)
        if relation is None:
            return cls()
        databag = relation.data[relation.app]
        frontend = admin.load_frontend(databag)
        request = admin.Request.load(databag)
        if request is None:
            return cls(relation.app.name, frontend=frontend)
        try:
            login = secrets.get(request.credentials, lambda: model.get_secret(id=request.credentials).get_content())
            persistence = Database(request.persistence, login['persistence-username'], login['persistence-password'])
            visibility = Database(request.visibility, login['visibility-username'], login['visibility-password'])
        except (ops.ModelError, KeyError):
            # The URI can arrive before the grant.
            return cls(relation.app.name, request, frontend=frontend)
        return cls(relation.app.name, request, persistence, visibility, frontend)


def relation_of(model: ops.Model) -> ops.Relation | None:
    """The relation `admin`; None if there is none, or if it is just going."""
    return next((relation for relation in model.relations['admin'] if relation.active and relation.app), None)


@dataclasses.dataclass(frozen=True)
class Image:
    """The container and the version of the schema tool in it.

    Attributes:
        reachable: whether Pebble answers.
        version: of `temporal-sql-tool`; None where the image has none.
    """

    reachable: bool = False
    version: versions.Version | None = None

    @classmethod
    def load(cls, container: ops.Container) -> Image:
        """Look into the container; one that goes away meanwhile, or cannot tell its version yet, is as good as none."""
        if not container.can_connect():
            return cls()
        try:
            return cls(True, image_version(container, 'temporal-sql-tool'))
        except (pebble.ConnectionError, NotTold):
            return cls()

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return '.'.join(map(str, self.version or ()))


@dataclasses.dataclass(frozen=True)
class Look:
    """What one database is now.

    Attributes:
        inspection: what it says of itself; None where it cannot be asked.
        problem: why it cannot be asked.
        code: SQLSTATE of PostgreSQL's refusal; empty where it did not answer.
        missing: whether PostgreSQL answers, and has no such database.
        untrusted: whether its certificate is not by the authority that the server was told.
    """

    inspection: postgresql.Inspection | None = None
    problem: str = ''
    code: str = ''
    missing: bool = False
    untrusted: bool = False

    @classmethod
    def load(cls, database: Database) -> Look:
        """Ask a database."""
        try:
            return cls(postgresql.inspect(database))
        except postgresql.Unreachable as error:
            return cls(None, str(error), error.code, error.missing, error.untrusted)

    @property
    def version(self) -> str | None:
        """Of the schema; "0.0" where there is none, None where the database cannot be asked."""
        if self.inspection is None:
            return versions.NO_SCHEMA if self.missing else None
        return self.inspection.schema_version or versions.NO_SCHEMA

    @property
    def state(self) -> str:
        """What the watcher would call it (watcher/watch.go).

        A version with the connections that there may be ("1.19@97"), somebody's work, or the kind of a refusal.
        """
        if self.inspection is None:
            return f'!{self.code[:2]}' if self.code[:2] in _MENDABLE else '!'
        return 'busy' if self.inspection.locked else f'{self.version}@{self.inspection.allowed}'


_MENDABLE = ('28', '3D', '42', '53')
"""Classes of SQLSTATE that tell what has to be mended: login, name, rights, too many connections."""


@dataclasses.dataclass(frozen=True)
class Found:
    """What stands in the databases; nothing where they were not asked.

    Attributes:
        persistence: the database of workflows.
        visibility: the database of the list of workflows.
    """

    persistence: Look | None = None
    visibility: Look | None = None

    @classmethod
    def load(cls, server: Server) -> Found:
        """Ask both databases, if they are named."""
        if not (server.persistence and server.visibility):
            return cls()
        first, second = server.persistence, server.visibility
        persistence = Look.load(first)
        if persistence.problem and not persistence.code and _place(first) == _place(second):
            # Nobody answers there: asking again would only take as long again.
            return cls(persistence, Look(problem=persistence.problem))
        return cls(persistence, Look.load(second))

    @property
    def asked(self) -> bool:
        """Whether they were asked; only the leader asks, once it knows where they are."""
        return self.persistence is not None

    @property
    def looks(self) -> dict[str, Look]:
        """Both, by the names that they have in all that is written."""
        pair = {'persistence': self.persistence, 'visibility': self.visibility}
        return {name: look for name, look in pair.items() if look}

    @property
    def inspections(self) -> tuple[postgresql.Inspection, postgresql.Inspection] | None:
        """Both, if both could be asked."""
        if not (self.persistence and self.visibility):
            return None
        pair = self.persistence.inspection, self.visibility.inspection
        return (pair[0], pair[1]) if pair[0] and pair[1] else None

    @property
    def versions(self) -> versions.SchemaVersions | None:
        """Of both schemas, "0.0" where there is none; None unless both are known."""
        pair = [look.version for look in self.looks.values()]
        return versions.SchemaVersions(*pair) if pair and None not in pair else None  # type: ignore[arg-type]

    @property
    def limits(self) -> admin.ConnectionLimits | None:
        """Of connections."""
        pair = self.inspections
        return admin.ConnectionLimits(pair[0].allowed, pair[1].allowed) if pair else None

    @property
    def shards(self) -> int | None:
        """The number of history shards that the cluster was first started with."""
        return self.persistence.inspection.shards if self.persistence and self.persistence.inspection else None


def _place(database: Database) -> tuple[str, int]:
    return database.endpoint.host, database.endpoint.port


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything the planner decides from.

    Attributes:
        app: this application's name.
        leader: whether this unit speaks for it, and works on the databases.
        told: what this application last told the server; None where it has told nothing, or this unit does not lead.
    """

    app: str
    leader: bool
    server: Server
    image: Image
    found: Found
    told: admin.Schema | None = None

    @classmethod
    def load(cls, charm: ops.CharmBase, secrets: SecretCache) -> Facts:
        """Read every source once."""
        leader = charm.unit.is_leader()
        server = Server.load(charm.model, secrets)
        relation = relation_of(charm.model) if leader else None
        return cls(
            app=charm.app.name,
            leader=leader,
            server=server,
            image=Image.load(charm.unit.get_container(CONTAINER)),
            found=Found.load(server) if leader else Found(),
            told=admin.Schema.load(relation.data[charm.app]) if relation else None,
        )
