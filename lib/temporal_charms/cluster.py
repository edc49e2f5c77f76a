"""The interface `temporal_cluster`: one Temporal cluster whose roles run in several applications.

The provider is the application with the databases and the frontend; its members run other roles (or more of the same)
and have no database relation. Members of Temporal's own ring find each other through the database.

Provider, application databag:
    databases: JSON, `{"persistence": {host, port, name, tls, ca}, "visibility": {...}}`.
    credentials: URI of the secret described in `admin.py`; granted on this relation.
    frontend: JSON, `{"host", "port", "tls", "ca"}`: the one address that all members of the cluster write down.
    server_version: of the provider ("1.32.2").
    shards: the number of history shards.
    schema: JSON, what the admin charm says, as it stands in its databag.
    dynamic_config: YAML, the dynamic configuration of the whole cluster.
    connections_elsewhere: what all other applications of the cluster may open.

Member, application databag:
    services: the roles it runs, comma-separated.
    units: how many it has.
    connections: the number of database connections that all its units together may open.
    server_version: of its image, once it is known.

Every key may be absent: that means "not said yet".
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from temporal_charms import admin, databags
from temporal_charms.databases import Endpoint


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What the provider says.

    Attributes:
        persistence: the database of workflows.
        visibility: the database of the list of workflows.
        credentials: URI of the secret with user names and passwords.
        frontend: where the cluster answers.
        server_version: of the provider.
        shards: the number of history shards.
        schema: what the admin charm says; None while it has said nothing.
        dynamic_config: YAML.
        connections_elsewhere: database connections of all other applications of the cluster.
    """

    persistence: Endpoint
    visibility: Endpoint
    credentials: str
    frontend: admin.Frontend
    server_version: str
    shards: int
    schema: admin.Schema | None = None
    dynamic_config: str = ''
    connections_elsewhere: int = 0

    def dump(self) -> dict[str, str]:
        """The databag's content."""
        databases = {name: dataclasses.asdict(getattr(self, name)) for name in ('persistence', 'visibility')}
        return {
            'databases': databags.dump_json(databases),
            'credentials': self.credentials,
            'frontend': databags.dump_json(dataclasses.asdict(self.frontend)),
            'server_version': self.server_version,
            'shards': str(self.shards),
            'schema': databags.dump_json(self.schema.dump()) if self.schema else '',
            'dynamic_config': self.dynamic_config,
            'connections_elsewhere': str(self.connections_elsewhere),
        }

    @classmethod
    def load(cls, databag: Mapping[str, str]) -> Cluster | None:
        """Read the provider's databag; None until everything needed is there."""
        databases = databags.load_json(databag, 'databases')
        schema = databags.load_json(databag, 'schema')
        frontend, shards = admin.load_frontend(databag), databags.number(databag.get('shards', ''))
        if not frontend or not shards:
            return None
        try:
            return cls(
                Endpoint(**databases['persistence']),
                Endpoint(**databases['visibility']),
                databag['credentials'],
                frontend,
                databag['server_version'],
                shards,
                admin.Schema.load(schema) if isinstance(schema, dict) else None,
                databag.get('dynamic_config', ''),
                databags.number(databag.get('connections_elsewhere', '')) or 0,
            )
        except (KeyError, TypeError, ValueError):
            return None


@dataclasses.dataclass(frozen=True)
class Member:
    """What a member says.

    Attributes:
        app: the application.
        services: names of the roles it runs.
        units: how many it has.
        connections: database connections that its units together may open.
        server_version: of its image; empty while it is not known.
    """

    app: str
    services: tuple[str, ...]
    units: int
    connections: int
    server_version: str = ''

    def dump(self) -> dict[str, str]:
        """The databag's content."""
        return {
            'services': ','.join(self.services),
            'units': str(self.units),
            'connections': str(self.connections),
            'server_version': self.server_version,
        }

    @classmethod
    def load(cls, app: str, databag: Mapping[str, str]) -> Member | None:
        """Read a member's databag; None until it says what it runs."""
        services = databag.get('services', '')
        units, connections = (databags.number(databag.get(key, '')) for key in ('units', 'connections'))
        if not services or units is None or connections is None:
            return None
        return cls(app, tuple(services.split(',')), units, connections, databag.get('server_version', ''))
