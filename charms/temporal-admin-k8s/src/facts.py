"""What the admin charm knows: one frozen type per source, read once per hook."""

from __future__ import annotations

import dataclasses

import ops
from temporal_charms import admin, postgresql, versions
from temporal_charms.databases import Database
from temporal_charms.secret_cache import SecretCache
from temporal_charms.workload import image_version

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
        except (ops.SecretNotFoundError, KeyError):
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
        """Look into the container."""
        if not container.can_connect():
            return cls()
        return cls(True, image_version(container, 'temporal-sql-tool'))

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return '.'.join(map(str, self.version or ()))


@dataclasses.dataclass(frozen=True)
class Found:
    """What stands in the databases.

    Attributes:
        asked: whether they were asked; only the leader asks, once it knows where they are.
        persistence: schema version; None where there is no schema.
        visibility: likewise.
        limits: of connections; None where they could not be asked.
        problem: why they could not be asked.
    """

    asked: bool = False
    persistence: str | None = None
    visibility: str | None = None
    limits: admin.ConnectionLimits | None = None
    problem: str = ''

    @classmethod
    def load(cls, server: Server) -> Found:
        """Ask both databases."""
        if not (server.persistence and server.visibility):
            return cls()
        try:
            persistence = postgresql.inspect(server.persistence)
            visibility = postgresql.inspect(server.visibility)
        except postgresql.Unreachable as error:
            return cls(True, problem=str(error))
        limits = admin.ConnectionLimits(persistence.allowed, visibility.allowed)
        return cls(True, persistence.schema_version, visibility.schema_version, limits)

    @property
    def versions(self) -> versions.SchemaVersions | None:
        """Both, if both have a schema."""
        if self.persistence is None or self.visibility is None:
            return None
        return versions.SchemaVersions(self.persistence, self.visibility)


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything the planner decides from.

    Attributes:
        app: this application's name.
        leader: whether this unit speaks for it, and works on the databases.
    """

    app: str
    leader: bool
    server: Server
    image: Image
    found: Found

    @classmethod
    def load(cls, charm: ops.CharmBase, secrets: SecretCache) -> Facts:
        """Read every source once."""
        leader = charm.unit.is_leader()
        server = Server.load(charm.model, secrets)
        return cls(
            app=charm.app.name,
            leader=leader,
            server=server,
            image=Image.load(charm.unit.get_container(CONTAINER)),
            found=Found.load(server) if leader else Found(),
        )
