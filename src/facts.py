"""What the server charm knows: one frozen type per source, read once per hook, validated, and ignorant of the others.

Nothing here decides anything. What a source got wrong stands in its `problem`, a sentence for the operator.
"""

from __future__ import annotations

import dataclasses
import re
import socket
from collections.abc import Mapping

import ops
from temporal_charms import admin, postgresql_client, versions
from temporal_charms.databases import Database, database_name
from temporal_charms.secret_cache import SecretCache
from temporal_charms.workload import image_version

CONTAINER = 'temporal'
PORT = 7233

_HOSTNAME = re.compile(r'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
_MOST_SHARDS = 16384


@dataclasses.dataclass(frozen=True)
class Config:
    """The options, valid or with a problem.

    Attributes:
        shards: `num-history-shards`.
        hostname: `external-hostname`, or the application's name.
        problem: what is wrong with them.
    """

    shards: int
    hostname: str
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Config:
        """Read and check the options."""
        shards = int(str(raw['num-history-shards']))
        hostname = str(raw['external-hostname']).strip() or app
        problem = ''
        if not 1 <= shards <= _MOST_SHARDS:
            problem = f'num-history-shards must be between 1 and {_MOST_SHARDS}, not {shards}'
        elif not _HOSTNAME.fullmatch(hostname) or len(hostname) > 253:
            problem = f'external-hostname is no DNS name (lower case letters, digits, "-" and "."): {hostname[:60]}'
        return cls(shards, hostname, problem)


@dataclasses.dataclass(frozen=True)
class Databases:
    """The two databases, whichever pair of endpoints provides them.

    Attributes:
        problem: no pair, half a pair or both.
        provider: the application that was asked, for the status.
        persistence: the database of workflows; None until it is provided.
        visibility: the database of the list of workflows; None until it is provided.
    """

    problem: str = ''
    provider: str = ''
    persistence: Database | None = None
    visibility: Database | None = None

    @classmethod
    def load(cls, model: ops.Model, app: str, secrets: SecretCache) -> Databases:
        """Read whichever pair of relations there is, and the secrets that they name."""
        related = {name: relation_of(model, name) for name in (*LEGACY, *CURRENT)}
        used = [pair for pair in (LEGACY, CURRENT) if any(related[name] for name in pair)]
        if not used:
            return cls(
                f'no database: juju integrate {app}:database postgresql-k8s:database, '
                f'and {app}:visibility-database likewise'
            )
        if len(used) > 1:
            both = [name for name in (*LEGACY, *CURRENT) if related[name]]
            return cls(f'two kinds of database relation ({", ".join(both)}): remove those of one kind')
        (pair,) = used
        missing = [name for name in pair if not related[name]]
        if missing:
            return cls(f'half a pair of databases: juju integrate {app}:{missing[0]} with PostgreSQL, too')
        found = [_database(model, related[name], name, secrets) for name in pair]
        provider = related[pair[0]]
        return cls(
            provider=provider.app.name if provider and provider.app else '', persistence=found[0], visibility=found[1]
        )

    @property
    def pair(self) -> tuple[Database, Database] | None:
        """Both, once both are there."""
        return (self.persistence, self.visibility) if self.persistence and self.visibility else None


LEGACY = ('db', 'visibility')
CURRENT = ('database', 'visibility-database')


def wanted_database(model: ops.Model, endpoint: str) -> str:
    """The name of the database that is asked for on an endpoint."""
    suffix = 'visibility' if endpoint.startswith('visibility') else ''
    return database_name(model.name, model.app.name, suffix)


def relation_of(model: ops.Model, name: str) -> ops.Relation | None:
    """The relation of an endpoint with limit 1; None if there is none, or if it is just going."""
    return next((relation for relation in model.relations[name] if relation.active and relation.app), None)


def _database(model: ops.Model, relation: ops.Relation | None, endpoint: str, secrets: SecretCache) -> Database | None:
    assert relation is not None
    if endpoint in CURRENT:

        def secret(uri: str) -> dict[str, str]:
            return secrets.get(uri, lambda: model.get_secret(id=uri).get_content())

        return postgresql_client.database(relation, secret)
    # Imported here: most hooks of most deployments never need it.
    from temporal_charms import pgsql

    return pgsql.database(relation, model.unit, wanted_database(model, endpoint))


@dataclasses.dataclass(frozen=True)
class Schema:
    """What the admin charm says of the schema.

    Attributes:
        related: whether there is an admin charm.
        answer: what it has said, if anything.
    """

    related: bool = False
    answer: admin.Schema | None = None

    @classmethod
    def load(cls, model: ops.Model) -> Schema:
        """Read the relation `admin`."""
        relation = relation_of(model, 'admin')
        if relation is None or relation.app is None:
            return cls()
        return cls(True, admin.Schema.load(relation.data[relation.app]))


@dataclasses.dataclass(frozen=True)
class Peers:
    """What all units of the application have agreed on.

    Attributes:
        shards: the shard count with which the server was first started; None before.
    """

    shards: int | None = None

    @classmethod
    def load(cls, model: ops.Model) -> Peers:
        """Read the peer relation; the leader may read it, too, since Juju 3."""
        relation = model.get_relation('peer')
        if relation is None:
            return cls()
        text = relation.data[model.app].get('shards', '')
        return cls(int(text) if text.isdigit() else None)


@dataclasses.dataclass(frozen=True)
class Image:
    """The container and the version of the server in it.

    Attributes:
        reachable: whether Pebble answers.
        version: of `temporal-server`; None where the image has none.
        running: whether the server's service runs.
    """

    reachable: bool = False
    version: versions.Version | None = None
    running: bool = False

    @classmethod
    def load(cls, container: ops.Container) -> Image:
        """Look into the container."""
        if not container.can_connect():
            return cls()
        services = container.get_services('temporal')
        running = 'temporal' in services and services['temporal'].is_running()
        return cls(True, image_version(container, 'temporal-server'), running)

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return '.'.join(map(str, self.version or ()))


@dataclasses.dataclass(frozen=True)
class Here:
    """Who and where this unit is.

    Attributes:
        app: the application's name.
        model: the model's name, which is the Kubernetes namespace.
        leader: whether this unit speaks for the application.
        address: of the pod.
        hostname: of the pod, as a full DNS name.
    """

    app: str
    model: str
    leader: bool
    address: str
    hostname: str

    @classmethod
    def load(cls, model: ops.Model) -> Here:
        """Ask Juju for the names and the pod itself for its address, which Juju learns only later after a restart."""
        return cls(model.app.name, model.name, model.unit.is_leader(), *pod_address())

    @property
    def frontend(self) -> admin.Frontend:
        """Where clients in the cluster find the application: its Kubernetes service."""
        return admin.Frontend(f'{self.app}.{self.model}.svc.cluster.local', PORT)


def pod_address() -> tuple[str, str]:
    """The pod's address and full name, from the hosts file that Kubernetes writes into every container."""
    return socket.gethostbyname(socket.gethostname()), socket.getfqdn()


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything the planner decides from."""

    here: Here
    config: Config
    databases: Databases
    schema: Schema
    peers: Peers
    image: Image

    @classmethod
    def load(cls, charm: ops.CharmBase, secrets: SecretCache) -> Facts:
        """Read every source once."""
        model = charm.model
        return cls(
            here=Here.load(model),
            config=Config.load(charm.config, model.app.name),
            databases=Databases.load(model, model.app.name, secrets),
            schema=Schema.load(model),
            peers=Peers.load(model),
            image=Image.load(charm.unit.get_container(CONTAINER)),
        )
