"""The interface `postgresql_client`, requirer's side, in the V0 wire format that PostgreSQL charms speak.

Requirer, application databag (raw strings): `database`, `requested-secrets` (JSON list).
Provider, application databag: `endpoints` ("host:port[,host:port]"), `database`, `secret-user` (URI of a secret with
`username` and `password`), `secret-tls` (URI of one with `tls`, "True" or "False", and `tls-ca`); the same keys as
plain text from providers that know no secrets. Source: data_interfaces V0 as vendored by postgresql-k8s 14 and 16.
"""

from __future__ import annotations

import ops

from temporal_charms import databags
from temporal_charms.databases import Database, Endpoint

_REQUESTED = ('username', 'password', 'tls', 'tls-ca', 'uris')


def request(database: str) -> dict[str, str]:
    """What the requirer's leader writes to ask for a database and a user of its own."""
    return {'database': database, 'requested-secrets': databags.dump_json(_REQUESTED)}


def database(relation: ops.Relation, model: ops.Model) -> Database | None:
    """The database that the provider has made; None until everything is there.

    Args:
        relation: the relation; its remote application's databag and secrets are read.
        model: gives access to the secrets.
    """
    if relation.app is None:
        return None
    remote = relation.data[relation.app]
    endpoint, name = remote.get('endpoints', '').split(',')[0], remote.get('database', '')
    host, _, port = endpoint.rpartition(':')
    if not (host and port.isdigit() and name):
        return None
    try:
        user = _secret(model, remote, 'secret-user')
        tls = _secret(model, remote, 'secret-tls')
    except ops.SecretNotFoundError:
        # The URI can arrive before the grant.
        return None
    username, password = user.get('username', ''), user.get('password', '')
    if not (username and password):
        return None
    return Database(
        Endpoint(host, int(port), name, tls.get('tls', '').lower() == 'true', tls.get('tls-ca', '')), username, password
    )


def _secret(model: ops.Model, remote: ops.RelationDataContent, key: str) -> dict[str, str]:
    """The newest content of a secret named in the databag, or the databag itself if it names none."""
    uri = remote.get(key)
    if not uri:
        return dict(remote)
    return model.get_secret(id=uri).get_content(refresh=True)
