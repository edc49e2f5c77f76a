"""The wire formats: what a client asks for, and what it is told. Pure functions on databags.

Sources: relations/db.py and relations/postgresql_provider.py of postgresql-k8s 14, data_interfaces V0.
"""

from __future__ import annotations

import json
from collections.abc import Mapping


def user(relation_id: int) -> str:
    """The database user of a relation."""
    return f'relation_id_{relation_id}'


def legacy_answer(
    *,
    host: str,
    port: int,
    database: str,
    username: str,
    password: str,
    client: str,
    units: Mapping[str, Mapping[str, str]],
    version: str,
) -> dict[str, str]:
    """Interface `pgsql`: the same goes into the application's and the unit's databag.

    Args:
        host: where clients find the server.
        port: TCP port.
        database: as asked for.
        username: of this relation.
        password: in clear, as the interface wants it.
        client: the related application.
        units: its units' databags.
        version: of the server.
    """
    subnets = {s.strip() for data in units.values() for s in data.get('egress-subnets', '').split(',') if s.strip()}
    connection = ' '.join(
        f'{key}={value}'
        for key, value in (
            ('dbname', database),
            ('fallback_application_name', client),
            ('host', host),
            ('password', password),
            ('port', port),
            ('user', username),
        )
    )
    return {
        'allowed-subnets': ','.join(sorted(subnets)),
        'allowed-units': ','.join(sorted(units)),
        'database': database,
        'host': host,
        'master': connection,
        'password': password,
        'port': str(port),
        'standbys': connection,
        'state': 'standalone',
        'user': username,
        'version': version,
    }


def requested_secrets(databag: Mapping[str, str]) -> list[str]:
    """The fields that a client of `postgresql_client` wants as secrets; none from one that knows no secrets."""
    return json.loads(databag.get('requested-secrets', '[]'))


def current_answer(*, host: str, port: int, database: str, version: str) -> dict[str, str]:
    """Interface `postgresql_client`: what goes into the application's databag in clear."""
    return {
        'database': database,
        'endpoints': f'{host}:{port}',
        'read-only-endpoints': f'{host}:{port}',
        'version': version,
    }


def credentials(*, host: str, port: int, database: str, username: str, password: str) -> dict[str, str]:
    """Interface `postgresql_client`: the content of the user's secret."""
    uri = f'postgresql://{username}:{password}@{host}:{port}/{database}'
    return {'username': username, 'password': password, 'uris': uri, 'read-only-uris': uri}
