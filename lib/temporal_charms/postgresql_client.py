"""The interface `postgresql_client`, requirer's side, in the V0 wire format that PostgreSQL charms speak.

Requirer, application databag (raw strings): `database`, `requested-secrets` (JSON list), and where the user is to have
roles beside its own database `extra-user-roles` (comma-separated).
Provider, application databag: `endpoints` ("host:port[,host:port]"), `database`, `secret-user` (URI of a secret with
`username` and `password`), `secret-tls` (URI of one with `tls`, "True" or "False", and `tls-ca`); the same keys as
plain text from providers that know no secrets. Source: data_interfaces V0 as vendored by postgresql-k8s 14 and 16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ops

from temporal_charms import databags
from temporal_charms.databases import Database, Endpoint

_SECRETS = ('secret-user', 'secret-tls')
_REQUESTED = ('username', 'password', 'tls', 'tls-ca', 'uris')


def request(database: str, roles: str = '') -> dict[str, str]:
    """What the requirer's leader writes to ask for a database and a user of its own.

    Args:
        database: its name.
        roles: what PostgreSQL's charm knows as extra user roles, comma-separated.
    """
    asked = {'database': database, 'requested-secrets': databags.dump_json(_REQUESTED), 'extra-user-roles': roles}
    return {key: value for key, value in asked.items() if value}


def secret_uris(relation: ops.Relation) -> list[str]:
    """The secrets that the provider has named so far."""
    return [uri for name in _SECRETS if (uri := relation.data[relation.app].get(name))]


def database(relation: ops.Relation, secret: Callable[[str], Mapping[str, str]]) -> Database | None:
    """The database that the provider has made; None until everything is there.

    Args:
        relation: the relation; its remote application's databag is read.
        secret: reads a secret, by its URI.
    """
    if relation.app is None:
        return None
    remote = relation.data[relation.app]
    endpoint, name = remote.get('endpoints', '').split(',')[0], remote.get('database', '')
    host, _, text = endpoint.rpartition(':')
    port = databags.port(text)
    if not (host and port and name):
        return None
    try:
        user = secret(remote['secret-user']) if 'secret-user' in remote else remote
        tls = secret(remote['secret-tls']) if 'secret-tls' in remote else remote
    except ops.ModelError:
        # The URI can arrive before the grant, and the grant can go before the relation: Juju answers "not found" or
        # "permission denied".
        return None
    username, password = user.get('username', ''), user.get('password', '')
    if not (username and password):
        return None
    return Database(
        Endpoint(host, port, name, tls.get('tls', '').lower() == 'true', tls.get('tls-ca', '')), username, password
    )
