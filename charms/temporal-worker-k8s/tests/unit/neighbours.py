"""Applications that a worker may be related to, and what it makes of them, as ops.testing has them."""

from __future__ import annotations

import json
from collections.abc import Mapping

import world
from ops import pebble, testing

import plan

USER, KEYS, LOGIN = (f'secret:9m4e2mr0ui3e8a215n{end}' for end in ('4g', '5h', '6i'))
VALUE = 'p@ss/w%rd'
QUOTED = 'p%40ss%2Fw%25rd'
"""The same in a URL."""
SECRETS = {
    USER: {'username': 'relation-7', 'password': VALUE},
    KEYS: {'access-key': 'AK', 'secret-key': VALUE},
    LOGIN: {'api-token': VALUE, 'user': 'me'},
}
DATABASE = {'database': 'orders', 'endpoints': 'pg-primary:5432', 'secret-user': USER}
TOLD = {
    'database': DATABASE,
    's3': {'bucket': 'b', 'secret-extra': KEYS, 's3-uri-style': 'host', 'tls-ca-chain': '["PEM"]'},
    'kafka': {'topic': 't', 'endpoints': 'k:9092', 'secret-user': USER},
    'amqp': {'hostname': 'r', 'password': VALUE},
}
INTERFACE = {'database': 'postgresql_client', 's3': 's3', 'kafka': 'kafka_client', 'amqp': 'rabbitmq'}


def related(endpoint: str, told: dict[str, str] | None = None) -> testing.Relation:
    """A relation to an application that has said everything, unless told otherwise."""
    data = TOLD[endpoint] if told is None else told
    app = f'a-{endpoint}'
    return testing.Relation(endpoint, INTERFACE[endpoint], remote_app_name=app, remote_app_data=data)


def service(name: str = 'sse', app: str = 'events', **told: str) -> testing.Relation:
    """A relation to an external service."""
    data = {'name': name, 'url': 'https://x.example/v1', **told}
    return testing.Relation(
        'external-service', remote_app_name=app, remote_app_data={k: v for k, v in data.items() if v}
    )


def secrets(*without: str) -> set[testing.Secret]:
    """All of them but some."""
    return {testing.Secret(content, id=uri) for uri, content in SECRETS.items() if uri not in without}


def unit_state(disk, archive, *relations: testing.Relation, **changes) -> testing.State:
    """The unit of a worker with a queue and a server."""
    config = {'queue': 'q', **changes.pop('config', {})}
    values = {'relations': [world.server(), *relations], 'secrets': secrets(), 'config': config, **changes}
    return world.state(disk, archive, **values)


def environment(disk) -> dict[str, str]:
    """The variables that come from integrations."""
    prefixes = ('POSTGRESQL_', 'S3_', 'KAFKA_', 'RABBITMQ_', 'EXTERNAL_')
    found = json.loads((disk / 'environment.json').read_text())
    return {name: value for name, value in found.items() if name.startswith(prefixes)}


def services(state: testing.State) -> Mapping[str, pebble.ServiceStatus]:
    """Whether what runs in the container runs."""
    return state.get_container('temporal-worker').service_statuses


def configuration(state: testing.State) -> str:
    """What changes when the worker is to be restarted."""
    return state.get_container('temporal-worker').plan.services[plan.SERVICE].environment['CONFIGURATION']
