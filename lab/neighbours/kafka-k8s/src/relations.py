"""The wire format: what a client asks for, what it may do then, and what it is told. Pure functions on databags.

Sources: events/provider.py, core/models.py and managers/auth.py of kafka-k8s 4, data_interfaces V0 and V1, which speaks
V0 to clients that do.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Place:
    """Where clients find the broker.

    Attributes:
        endpoint: "host:port".
        ca: PEM of its authority; empty without TLS.
    """

    endpoint: str
    ca: str = ''


@dataclasses.dataclass(frozen=True)
class Rule:
    """Something that a user may do.

    Attributes:
        kind: `TOPIC` or `GROUP`.
        name: of the topic or group.
        prefix: whether the name is the beginning of many.
        operation: as Kafka calls it.
    """

    kind: str
    name: str
    prefix: bool
    operation: str


def user(relation_id: int) -> str:
    """The SASL user of a relation."""
    return f'relation-{relation_id}'


def is_admin(asked: Mapping[str, str]) -> bool:
    """Whether a client is to be a super user."""
    return 'admin' in asked.get('extra-user-roles', '')


def group_prefix(asked: Mapping[str, str], username: str) -> str:
    """What the names of a client's consumer groups have to begin with; empty for one that consumes nothing."""
    own = f'{username}-' if 'consumer' in asked.get('extra-user-roles', '') else ''
    return asked.get('consumer-group-prefix', own)


def rules(asked: Mapping[str, str], username: str) -> set[Rule]:
    """What a client's user may do."""
    topic, roles = asked['topic'], asked.get('extra-user-roles', '')
    many = len(topic) > 3 and topic.endswith('*')
    name = topic[:-1] if many else topic
    operations = set()
    if 'producer' in roles:
        operations |= {'CREATE', 'WRITE', 'DESCRIBE'}
    if 'consumer' in roles:
        operations |= {'READ', 'DESCRIBE'}
    found = {Rule('TOPIC', name, many, operation) for operation in operations}
    if 'consumer' in roles:
        found.add(Rule('GROUP', group_prefix(asked, username), True, 'READ'))
    return found


def wants_secrets(asked: Mapping[str, str]) -> bool:
    """Whether a client knows secrets."""
    return 'username' in json.loads(asked.get('requested-secrets', '[]'))


def answer(place: Place, asked: Mapping[str, str], username: str) -> dict[str, str]:
    """What goes into the application's databag in clear."""
    prefix = group_prefix(asked, username)
    told = {'topic': asked['topic'], 'endpoints': place.endpoint, 'consumer-group-prefix': prefix, 'version': 'v0'}
    return {key: value for key, value in told.items() if value}


def credentials(username: str, password: str) -> dict[str, str]:
    """The content of the user's secret."""
    return {'username': username, 'password': password}


def encryption(place: Place) -> dict[str, str]:
    """The content of the secret about TLS; not the words that PostgreSQL's charm has for it."""
    return {'tls': 'enabled', 'tls-ca': place.ca} if place.ca else {'tls': 'disabled'}
