"""From facts to everything the charm wants to be so: pure, no hook command, no clock, no file but the templates.

`make(facts)` returns a `Plan`: the server's files and Pebble layer if it may run, what the relations shall say, the
ports.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib

from ops import pebble
from temporal_charms import admin, host_info, ingress, nginx_route
from temporal_charms.conditions import Condition, first_unmet, must_stop
from temporal_charms.databases import Database
from temporal_charms.workload import USER_ID, File, environment

from conditions import CONDITIONS
from facts import PORT, Facts

SERVER, HEALTH = 'temporal', 'temporal-health'
"""The services: the server, and the one that watches its roles."""

CHECK = 'serving'
NOTICE = 'canonical.com/temporal-k8s/serving'
HEALTH_PORT = 7232
HEALTH_PROGRAM = '/usr/local/bin/temporal-health'
CONFIG_FILE = '/etc/temporal/config.yaml'
DYNAMIC_CONFIG_FILE = '/etc/temporal/dynamic-config.yaml'
_TEMPLATES = pathlib.Path(__file__).parent.parent / 'templates'


@dataclasses.dataclass(frozen=True)
class Role:
    """One of the services inside the server, with the ports that Temporal gives it.

    Attributes:
        name: as `--service` takes it.
        port: gRPC.
        membership_port: gossip between the members of the cluster.
        health: the name under which grpc.health.v1 knows it.
        http_port: HTTP API, for the frontend.
    """

    name: str
    port: int
    membership_port: int
    health: str
    http_port: int = 0


ROLES = (
    Role('frontend', PORT, 6933, 'temporal.api.workflowservice.v1.WorkflowService', 7243),
    Role('history', 7234, 6934, 'temporal.api.workflowservice.v1.HistoryService'),
    Role('matching', 7235, 6935, 'temporal.api.workflowservice.v1.MatchingService'),
    Role('worker', 7239, 6939, 'temporal.api.workflowservice.v1.WorkerService'),
)


@dataclasses.dataclass(frozen=True)
class Store:
    """A database as the server's configuration has it.

    Attributes:
        name: `default` or `visibility`.
        database: where it is and who logs in.
        connections: size of the pool, per role. Two units of four roles stay below PostgreSQL's default of 100.
    """

    name: str
    database: Database
    connections: int

    @property
    def password_file(self) -> str:
        """Read by the server for every new connection: a rotated password needs no restart."""
        return f'/etc/temporal/secrets/{self.name}-password'

    @property
    def ca_file(self) -> str:
        """The authority of the database's certificate; empty if none was named."""
        return f'/etc/temporal/secrets/{self.name}-ca.pem' if self.database.endpoint.ca else ''

    def files(self) -> list[File]:
        """What the server reads besides its configuration."""
        files = [File(self.password_file, self.database.password, 0o600)]
        if self.ca_file:
            files.append(File(self.ca_file, self.database.endpoint.ca, restarts=True))
        return files


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the charm wants to be so.

    Attributes:
        unmet: the first condition that keeps the server from being (re)started; None if nothing does.
        stop: whether a running server must stop.
        files: what the server reads; passwords only if it may not be (re)started, none if it must stop.
        layer: the Pebble layer; empty if it may not be (re)started.
        databags: what the leader makes the application say, by endpoint.
        unit_databags: what this unit says, by endpoint.
        credentials: content of the secret for the admin charm; empty while there are no databases.
        shards: the shard count to remember; None if it is too early.
        ports: to open.
        version: of the workload.
    """

    unmet: Condition[Facts] | None
    stop: bool
    files: tuple[File, ...]
    layer: pebble.LayerDict
    databags: dict[str, dict[str, str]]
    unit_databags: dict[str, dict[str, str]]
    credentials: dict[str, str] = dataclasses.field(repr=False)
    shards: int | None
    ports: tuple[int, ...]
    version: str


def make(facts: Facts) -> Plan:
    """Decide."""
    unmet = first_unmet(CONDITIONS, facts)
    pair = facts.databases.pair
    stop = must_stop(CONDITIONS, facts)
    files: tuple[File, ...] = ()
    if pair and not stop:
        # A rotated password reaches a running server, whatever keeps it from being started anew.
        files = _files(facts, pair) if unmet is None else _passwords(pair)
    start = unmet is None and pair is not None
    return Plan(
        unmet=unmet,
        stop=stop,
        files=files,
        layer=_layer(files) if start else {},
        databags=_databags(facts),
        unit_databags={'ingress': ingress.unit(facts.here.hostname, facts.here.address)},
        credentials=admin.credentials(*pair) if pair else {},
        shards=facts.config.shards if start else None,
        ports=(PORT,),
        version=facts.image.version_text,
    )


def admin_request(facts: Facts, secret_uri: str) -> dict[str, str] | None:
    """What the leader tells the admin charm: nothing without databases; None if what it said before still holds."""
    pair = facts.databases.pair
    if not pair:
        return {}
    if not facts.image.version:
        # The container is being replaced. What was said is not taken back for that: the schema would be asked for anew.
        return None
    persistence, visibility = (database.endpoint for database in pair)
    return admin.Request(persistence, visibility, secret_uri, facts.image.version_text, facts.here.frontend).dump()


def _databags(facts: Facts) -> dict[str, dict[str, str]]:
    here = facts.here
    return {
        'ingress': ingress.application(here.model, here.app, PORT),
        'nginx-route': nginx_route.application(here.model, here.app, PORT, facts.config.hostname),
        'temporal-host-info': host_info.dump(here.frontend),
    }


def _stores(pair: tuple[Database, Database]) -> tuple[Store, ...]:
    return Store('default', pair[0], 8), Store('visibility', pair[1], 3)


def _passwords(pair: tuple[Database, Database]) -> tuple[File, ...]:
    return tuple(file for store in _stores(pair) for file in store.files() if not file.restarts)


def _files(facts: Facts, pair: tuple[Database, Database]) -> tuple[File, ...]:
    stores = _stores(pair)
    context = {
        'shards': facts.config.shards,
        'stores': stores,
        'roles': ROLES,
        'address': facts.here.address,
        'frontend': facts.here.frontend,
        'dynamic_config_file': DYNAMIC_CONFIG_FILE,
    }
    return (
        File(CONFIG_FILE, _render('config.yaml.j2', context), 0o600, restarts=True),
        File(DYNAMIC_CONFIG_FILE, _render('dynamic-config.yaml.j2', context)),
        *(file for store in stores for file in store.files()),
    )


@functools.cache
def _environment():
    # Imported here: hooks that come before the databases never render.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        # YAML, not HTML: what comes from outside goes through tojson in the template.
        autoescape=False,  # noqa: S701
    )


def _render(template: str, context: dict[str, object]) -> str:
    return _environment().get_template(template).render(context)


def _layer(files: tuple[File, ...]) -> pebble.LayerDict:
    roles = ' '.join(f'--service {role.name}' for role in ROLES)
    targets = ' '.join(f'{role.name}=127.0.0.1:{role.port}/{role.health}' for role in ROLES)
    return {
        'services': {
            SERVER: {
                'override': 'replace',
                'summary': 'Temporal server',
                'command': f'temporal-server --config-file {CONFIG_FILE} --allow-no-auth start {roles}',
                'startup': 'enabled',
                'environment': environment({}, files),
                # Roles hand over what they are doing before they end.
                'kill-delay': '20s',
                'user-id': USER_ID,
                'group-id': USER_ID,
            },
            HEALTH: {
                'override': 'replace',
                'summary': 'Tells whether every role of the server is serving',
                'command': f'{HEALTH_PROGRAM} --listen 127.0.0.1:{HEALTH_PORT} --notify {NOTICE} {targets}',
                'startup': 'enabled',
                # Restarted with the server, so that it announces the new one. As root: Juju is not told of the notices
                # of other users.
                'environment': environment({}, files),
            },
        },
        'checks': {
            CHECK: {
                'override': 'replace',
                'level': 'ready',
                # Started when the server first serves: a start takes longer than any threshold should.
                'startup': 'disabled',
                'period': '3s',
                'timeout': '2s',
                'threshold': 2,
                'http': {'url': f'http://127.0.0.1:{HEALTH_PORT}/'},
            }
        },
    }
