"""What the server charm knows: one frozen type per source, read once per hook, validated, and ignorant of the others.

Nothing here decides anything. What a source got wrong stands in its `problem`, a sentence for the operator. The options
are read in options.py, the databases in databases.py.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping

import ops
from ops import pebble
from temporal_charms import admin, cluster, databags, turns, versions
from temporal_charms.secret_cache import SecretCache
from temporal_charms.workload import NotTold, image_version

import probe
from databases import Databases, relation_of
from options import Options
from roles import FRONTEND

CLIENTS = ('ingress', 'nginx-route', 'temporal-host-info')
"""Endpoints of those who want to speak to the frontend."""

CONTAINER = 'temporal'
SERVICE = 'temporal'
"""The Pebble service of the server."""


@dataclasses.dataclass(frozen=True)
class Membership:
    """The cluster that several applications make up.

    Attributes:
        provider: the application whose cluster this one is a member of; empty where it has a cluster of its own.
        told: what the provider says; None until it has said everything.
        members: what the members of this application's own cluster say.
        problem: a member that others take for a provider.
    """

    provider: str = ''
    told: cluster.Cluster | None = None
    members: tuple[cluster.Member, ...] = ()
    problem: str = ''

    @classmethod
    def load(cls, model: ops.Model) -> Membership:
        """Read both sides of the interface `temporal_cluster`."""
        relation = relation_of(model, 'join-cluster')
        others = [other for other in model.relations['cluster'] if other.active and other.app]
        if relation is None:
            members = (cluster.Member.load(other.app.name, other.data[other.app]) for other in others)
            return cls(members=tuple(member for member in members if member))
        problem = ''
        if others:
            app, other = model.app.name, others[0].app.name
            problem = (
                f'{app} is itself a member of the cluster of {relation.app.name}: juju remove-relation '
                f'{other}:join-cluster {app}:cluster, and integrate it with {relation.app.name}:cluster'
            )
        return cls(relation.app.name, cluster.Cluster.load(relation.data[relation.app]), problem=problem)


@dataclasses.dataclass(frozen=True)
class Schema:
    """What the admin charm says of the schema, to us or to the cluster's provider.

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
        if relation is None:
            return cls()
        return cls(True, admin.Schema.load(relation.data[relation.app]))


@dataclasses.dataclass(frozen=True)
class Peers:
    """What the units of the application have told each other.

    Attributes:
        asked: about restarting their servers.
        shards: the shard count with which the server was first started; None before.
        shards_of: fingerprint of the databases on which that was; empty where it was not written down.
        version: of the server that served last; None before.
        declared: namespaces that are or were declared, to whether they still are.
    """

    asked: turns.Asked = dataclasses.field(default_factory=turns.Asked)
    shards: int | None = None
    shards_of: str = ''
    version: versions.Version | None = None
    declared: Mapping[str, bool] = dataclasses.field(default_factory=dict)

    @property
    def units(self) -> int:
        """How many there are."""
        return self.asked.units

    @classmethod
    def load(cls, model: ops.Model) -> Peers:
        """Read the peer relation."""
        relation = model.get_relation('peer')
        asked = turns.Asked.load(model, relation)
        if relation is None:
            return cls(asked)
        told = relation.data[model.app]
        return cls(
            asked,
            databags.number(told.get('shards', '')),
            told.get('shards-of', ''),
            versions.parse(told.get('version', '')),
            databags.load_json(told, 'declared') or {},
        )


@dataclasses.dataclass(frozen=True)
class Image:
    """The container, the version of the server in it, and what of it runs.

    Attributes:
        reachable: whether Pebble answers.
        version: of `temporal-server`; None where the image has none.
        running: the server's service as Pebble runs it now; None if it does not.
    """

    reachable: bool = False
    version: versions.Version | None = None
    running: pebble.Service | None = None

    @classmethod
    def load(cls, container: ops.Container) -> Image:
        """Look into the container; one that goes away meanwhile, or cannot tell its version yet, is as good as none."""
        if not container.can_connect():
            return cls()
        try:
            services = container.get_services(SERVICE)
            running = SERVICE in services and services[SERVICE].is_running()
            version = image_version(container, 'temporal-server')
            return cls(True, version, container.get_plan().services.get(SERVICE) if running else None)
        except (pebble.ConnectionError, NotTold):
            return cls()

    @property
    def version_text(self) -> str:
        """The version as people write it."""
        return '.'.join(map(str, self.version or ()))


@dataclasses.dataclass(frozen=True)
class Here:
    """Who and where this unit is.

    Attributes:
        app: the application's name.
        unit: the unit's name.
        model: the model's name, which is the Kubernetes namespace.
        leader: whether this unit speaks for the application.
        address: of the pod.
        hostname: of the pod, as a full DNS name.
    """

    app: str
    unit: str
    model: str
    leader: bool
    address: str
    hostname: str

    @classmethod
    def load(cls, model: ops.Model) -> Here:
        """Ask Juju for the names and the pod itself for its address, which Juju learns only later after a restart."""
        return cls(model.app.name, model.unit.name, model.name, model.unit.is_leader(), *pod_address())

    @property
    def pods(self) -> str:
        """The DNS name under which all pods of the application are found, whether they are ready or not."""
        return self.hostname.partition('.')[2] or self.hostname

    @property
    def frontend(self) -> admin.Frontend:
        """Where clients in the cluster find the application: its Kubernetes service."""
        return admin.Frontend(f'{self.app}.{self.model}.svc.cluster.local', FRONTEND.port)


def pod_address() -> tuple[str, str]:
    """The pod's address and full name, from the hosts file that Kubernetes writes into every container."""
    return socket.gethostbyname(socket.gethostname()), socket.getfqdn()


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything the planner decides from.

    Attributes:
        clients: endpoints with relations over which somebody wants to speak to the frontend.
        health: what the server answered when the hook began.
        dynamic_config_problem: what the server's own validator says of the option; empty if nothing.
    """

    here: Here
    options: Options
    membership: Membership
    databases: Databases
    schema: Schema
    peers: Peers
    image: Image
    clients: tuple[str, ...]
    health: probe.Health
    dynamic_config_problem: str = ''

    @classmethod
    def load(cls, charm: ops.CharmBase, secrets: SecretCache) -> Facts:
        """Read every source once."""
        model = charm.model
        membership = Membership.load(model)
        joined = relation_of(model, 'join-cluster')
        if joined:
            told = membership.told
            databases = Databases.of_cluster(model, joined, told, secrets)
            schema = Schema(True, told.schema if told else None)
        else:
            databases, schema = Databases.load(model, secrets), Schema.load(model)
        return cls(
            here=Here.load(model),
            options=Options.load(charm.config, model.app.name),
            membership=membership,
            databases=databases,
            schema=schema,
            peers=Peers.load(model),
            image=Image.load(charm.unit.get_container(CONTAINER)),
            clients=tuple(name for name in CLIENTS if any(each.active for each in model.relations[name])),
            health=probe.ask(),
        )

    @property
    def member(self) -> bool:
        """Whether this application is a member of another one's cluster."""
        return bool(self.membership.provider)

    @property
    def fixed_shards(self) -> int | None:
        """The shard count that can no longer be changed: the database's own, else the one first started with on it."""
        answer = self.schema.answer
        elsewhere = self.peers.shards_of not in ('', self.fingerprint)
        return (answer.shards if answer else None) or (None if elsewhere else self.peers.shards)

    @property
    def fingerprint(self) -> str:
        """Identifies the two databases; empty while they are not provided."""
        pair = self.databases.pair
        return admin.fingerprint(*(database.endpoint for database in pair)) if pair else ''

    @property
    def shards(self) -> int:
        """The shard count to start with."""
        told = self.membership.told
        return told.shards if told else self.options.shards

    @property
    def frontend(self) -> admin.Frontend:
        """Where the cluster answers: the one address that all its members write down."""
        told = self.membership.told
        return told.frontend if told else self.here.frontend
