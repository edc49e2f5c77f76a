"""The interface `kafka_client`, requirer's side, in the V0 wire format that Kafka charms speak.

Requirer, application databag (raw strings): `topic`, `requested-secrets` (JSON list), `extra-user-roles` (`admin`,
`consumer`, `producer`, comma-separated), and where it wants one of its own `consumer-group-prefix`.
Provider, application databag: `endpoints` ("host:port[,host:port]"), `topic`, `consumer-group-prefix`, `secret-user`
(URI of a secret with `username` and `password`), `secret-tls` (URI of one with `tls`, `tls-ca`); the same keys as plain
text from providers that know no secrets. `tls` is "enabled" or "disabled" with kafka-k8s, "True" or "False" with
others, and older revisions of kafka-k8s repeat it as `tls-ca`. Clients log in by SASL with SCRAM-SHA-512. Source:
data_interfaces V0, and kafka-k8s 3 and 4. Client certificates (`mtls-cert`) are not asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import ops

from temporal_charms import databags

_SECRETS = ('secret-user', 'secret-tls')
_REQUESTED = ('username', 'password', 'tls', 'tls-ca', 'uris')


@dataclasses.dataclass(frozen=True)
class Kafka:
    """A cluster and how to log in to it.

    Attributes:
        servers: where it answers, "host:port[,host:port]".
        topic: the one that the user may use, or the beginning of several, with a `*` at its end.
        group_prefix: what the names of the user's consumer groups begin with; empty where the provider says none.
        username: of SASL.
        password: of SASL.
        tls: whether the brokers want TLS.
        ca: PEM of the authority that signed their certificates; empty for the system's.
    """

    servers: str
    topic: str
    group_prefix: str
    username: str
    password: str = dataclasses.field(repr=False)
    tls: bool = False
    ca: str = ''


def request(topic: str, roles: str, group_prefix: str = '') -> dict[str, str]:
    """What the requirer's leader writes to ask for a user.

    Args:
        topic: that the user may use.
        roles: what it may do there, comma-separated.
        group_prefix: for its consumer groups; empty for the provider's choice.
    """
    asked = {
        'topic': topic,
        'extra-user-roles': roles,
        'consumer-group-prefix': group_prefix,
        'requested-secrets': databags.dump_json(_REQUESTED),
    }
    return {key: value for key, value in asked.items() if value}


def secret_uris(relation: ops.Relation) -> list[str]:
    """The secrets that the provider has named so far."""
    return [uri for name in _SECRETS if (uri := relation.data[relation.app].get(name))]


def kafka(relation: ops.Relation, secret: Callable[[str], Mapping[str, str]]) -> Kafka | None:
    """The cluster; None until everything is there.

    Args:
        relation: the relation; its remote application's databag is read.
        secret: reads a secret, by its URI.
    """
    remote = relation.data[relation.app]
    try:
        user = secret(remote['secret-user']) if 'secret-user' in remote else remote
        tls = secret(remote['secret-tls']) if 'secret-tls' in remote else remote
    except ops.ModelError:
        # The URI can arrive before the grant, and the grant can go before the relation.
        return None
    servers, topic = remote.get('endpoints', ''), remote.get('topic', '')
    username, password = user.get('username', ''), user.get('password', '')
    if not (servers and topic and username and password):
        return None
    ca = tls.get('tls-ca', '')
    return Kafka(
        servers=servers,
        topic=topic,
        group_prefix=remote.get('consumer-group-prefix', ''),
        username=username,
        password=password,
        tls=tls.get('tls', '').lower() in ('true', 'enabled'),
        ca=ca if '-----BEGIN' in ca else '',
    )
