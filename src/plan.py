"""From facts to everything the charm wants to be so: pure, no hook command, no clock, no file but the templates.

`make(facts)` returns a `Plan`: the server's files and Pebble layer if it may run, whether it is to be restarted now and
why, what the relations shall say, the ports.
"""

from __future__ import annotations

import dataclasses

from ops import pebble
from temporal_charms import admin, cluster, databags, ingress, nginx_route
from temporal_charms.conditions import Condition, first_unmet, must_stop
from temporal_charms.workload import File

import budget
import declared
import layer
import settings
from conditions import CONDITIONS
from facts import Facts
from roles import FRONTEND, ROLES


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the charm wants to be so.

    Attributes:
        unmet: the first condition that keeps the server from being (re)started; None if nothing does.
        stop: whether a running server must stop.
        files: to be pushed now: all; without those that need a restart while the unit waits for its turn; passwords
            only if the server may not be (re)started; none if it must stop.
        layer: the Pebble layer to be applied now; empty if there is none.
        why: the reasons for which a running server is restarted, or waits to be.
        waits_for: the unit that restarts before this one; empty if this one need not wait.
        databags: what the leader makes the application say, by endpoint; without those where what was said holds.
        unit_databags: what this unit says, by endpoint.
        credentials: content of the secret for the admin charm and the cluster's members; empty while there are no
            databases of our own.
        peers: what the leader writes for all units.
        request: why this unit wants to restart, for the leader; empty if it does not.
        ports: to open; None for those that are open.
        version: of the workload.
        remark: what is said of a unit that serves; empty for one that runs every role and waits for nothing.
    """

    unmet: Condition[Facts] | None
    stop: bool
    files: tuple[File, ...]
    layer: pebble.LayerDict
    why: tuple[str, ...]
    waits_for: str
    databags: dict[str, dict[str, str]]
    unit_databags: dict[str, dict[str, str]]
    credentials: dict[str, str] = dataclasses.field(repr=False)
    peers: dict[str, str]
    request: str
    ports: tuple[int, ...] | None
    version: str
    remark: str


def make(facts: Facts) -> Plan:
    """Decide."""
    unmet = first_unmet(CONDITIONS, facts)
    pair = facts.databases.pair
    stop = must_stop(CONDITIONS, facts)
    files: tuple[File, ...] = ()
    wanted: pebble.LayerDict = {}
    why: tuple[str, ...] = ()
    if pair and not stop:
        # A rotated password reaches a running server, whatever keeps it from being started anew.
        files = settings.passwords(facts, pair)
        if unmet is None:
            files = settings.files(facts, pair)
            wanted = layer.make(facts, files, settings.causes(facts, pair))
            why = layer.why(facts.image.running, wanted)
    # A server that should run and does not, as one that crashes, keeps the turn: what broke it would break the others.
    # So does one whose container is away: what is in it cannot be told.
    settled = facts.health.serving or (unmet is not None and facts.image.reachable)
    turn = facts.peers.asked.go_on(', '.join(why), settled=settled)
    if turn.waits_for:
        wanted, files = {}, tuple(file for file in files if not file.restarts)
    if not wanted and facts.peers.units > 1 and facts.image.reachable and facts.image.running is None:
        wanted = layer.unready()
    return Plan(
        unmet=unmet,
        stop=stop,
        files=files,
        layer=wanted,
        why=why,
        waits_for=turn.waits_for,
        databags=_databags(facts),
        unit_databags={'ingress': ingress.unit(facts.here.hostname, facts.here.address)},
        credentials=admin.credentials(*pair) if pair and not facts.member else {},
        peers=_peers(facts, unmet, turn.granted),
        request=turn.request,
        ports=_ports(facts),
        version=facts.image.version_text,
        remark=_remark(facts, why, turn.waits_for),
    )


def _remark(facts: Facts, why: tuple[str, ...], waits_for: str) -> str:
    if waits_for:
        return f'restarts after {waits_for} ({", ".join(why)})'
    if facts.member or len(facts.options.roles) < len(ROLES):
        return f'{facts.image.version_text}: {", ".join(role.name for role in facts.options.roles)}'
    return ''


def _peers(facts: Facts, unmet: Condition[Facts] | None, turn: str) -> dict[str, str]:
    """What all units have to know: the shard count once a server has been started, the version once it has served."""
    peers = facts.peers
    shards, of, version = peers.shards, peers.shards_of, '.'.join(map(str, peers.version or ()))
    if unmet is None and facts.databases.pair and not facts.member:
        shards, of = facts.shards, facts.fingerprint
    if facts.health.serving and facts.image.version:
        version = facts.image.version_text
    named = peers.declared if facts.options.problem else declared.remember(peers.declared, facts.options.declared)
    known = databags.dump_json(named) if named else ''
    return {'shards': str(shards or ''), 'shards-of': of, 'version': version, 'turn': turn, 'declared': known}


def admin_request(facts: Facts, secret_uri: str) -> dict[str, str] | None:
    """What the leader tells the admin charm: nothing without databases; None if what it said before still holds."""
    pair = facts.databases.pair
    if not facts.image.version or facts.databases.problem:
        # The container is being replaced, or there is a relation too many. What was said is not taken back for that:
        # the schema would be asked for anew.
        return None if pair else {}
    if not pair or facts.member:
        return {}
    persistence, visibility = (database.endpoint for database in pair)
    return admin.Request(persistence, visibility, secret_uri, facts.image.version_text, facts.here.frontend).dump()


def cluster_offer(facts: Facts, secret_uri: str, app: str) -> dict[str, str] | None:
    """What the leader tells a member of its cluster: nothing without databases; None if what it said before holds.

    Args:
        facts: what the charm knows.
        secret_uri: of the credentials.
        app: the member.
    """
    pair = facts.databases.pair
    if facts.options.problem or facts.dynamic_config_problem:
        return None
    if not facts.image.version or facts.databases.problem:
        return None if pair else {}
    if not pair or facts.member:
        return {}
    persistence, visibility = (database.endpoint for database in pair)
    others = sum(member.connections for member in facts.membership.members if member.app != app)
    return cluster.Cluster(
        persistence=persistence,
        visibility=visibility,
        credentials=secret_uri,
        frontend=facts.here.frontend,
        server_version=facts.image.version_text,
        shards=facts.fixed_shards or facts.options.shards,
        schema=facts.schema.answer,
        dynamic_config=settings.dynamic_config(facts),
        connections_elsewhere=budget.of(facts).here + others,
    ).dump()


def _ports(facts: Facts) -> tuple[int, ...] | None:
    if facts.options.problem:
        return None
    return (FRONTEND.port,) if facts.options.has_frontend else ()


def _databags(facts: Facts) -> dict[str, dict[str, str]]:
    here, options = facts.here, facts.options
    if options.problem:
        # A wrong word in an option takes nothing from those who use the server.
        return {}
    said: dict[str, dict[str, str]] = {'ingress': {}, 'nginx-route': {}}
    if options.has_frontend:
        said['ingress'] = ingress.application(here.model, here.app, FRONTEND.port)
        said['nginx-route'] = nginx_route.application(here.model, here.app, FRONTEND.port, options.hostname)
    if facts.member:
        services = tuple(role.name for role in options.roles)
        member = cluster.Member(here.app, services, facts.peers.units, budget.of(facts).here, facts.image.version_text)
        said['join-cluster'] = member.dump()
    return said
