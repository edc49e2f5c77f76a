"""The wire formats: what a client asks for, and what it is told. Pure functions on databags.

Sources: relations/db.py and relations/postgresql_provider.py of postgresql-k8s 14, data_interfaces V0.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Place:
    """Where clients find the server.

    Attributes:
        host: of the primary.
        read_host: of what only reads; the primary's where there is no standby.
        standbys_host: of the standbys, whether there are any or not: what the legacy interface tells.
        port: TCP.
        version: of the server.
        tls: whether it wants TLS.
        ca: PEM of its authority.
    """

    host: str
    read_host: str
    standbys_host: str
    port: int
    version: str
    tls: bool
    ca: str


def user(relation_id: int) -> str:
    """The database user of a relation."""
    return f'relation_id_{relation_id}'


def legacy_answer(
    place: Place, *, database: str, username: str, password: str, client: str, units: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Interface `pgsql`: the same goes into the application's and the unit's databag. It has no word for TLS.

    Args:
        place: where the server is.
        database: as asked for.
        username: of this relation.
        password: in clear, as the interface wants it.
        client: the related application.
        units: its units' databags.
    """
    subnets = {s.strip() for data in units.values() for s in data.get('egress-subnets', '').split(',') if s.strip()}

    def connection(host: str) -> str:
        parts = {
            'dbname': database,
            'fallback_application_name': client,
            'host': host,
            'password': password,
            'port': place.port,
            'user': username,
        }
        return ' '.join(f'{key}={value}' for key, value in parts.items())

    return {
        'allowed-subnets': ','.join(sorted(subnets)),
        'allowed-units': ','.join(sorted(units)),
        'database': database,
        'host': place.host,
        'master': connection(place.host),
        'password': password,
        'port': str(place.port),
        'standbys': connection(place.standbys_host),
        'user': username,
        'version': place.version,
    }


def requested_secrets(databag: Mapping[str, str]) -> list[str]:
    """The fields that a client of `postgresql_client` wants as secrets; none from one that knows no secrets."""
    return json.loads(databag.get('requested-secrets', '[]'))


def current_answer(place: Place, database: str) -> dict[str, str]:
    """Interface `postgresql_client`: what goes into the application's databag in clear."""
    return {
        'database': database,
        'endpoints': f'{place.host}:{place.port}',
        'read-only-endpoints': f'{place.read_host}:{place.port}',
        'version': place.version,
    }


def credentials(place: Place, *, database: str, username: str, password: str) -> dict[str, str]:
    """Interface `postgresql_client`: the content of the user's secret."""
    login = f'postgresql://{username}:{password}'
    return {
        'username': username,
        'password': password,
        'uris': f'{login}@{place.host}:{place.port}/{database}',
        'read-only-uris': f'{login}@{place.read_host}:{place.port}/{database}',
    }


def encryption(place: Place) -> dict[str, str]:
    """Interface `postgresql_client`: the content of the secret about TLS."""
    return {'tls': 'True', 'tls-ca': place.ca} if place.tls else {'tls': 'False'}
