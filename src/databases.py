"""The two databases of this application: which relations there are, what was asked for, what has been provided."""

from __future__ import annotations

import dataclasses

import ops
from temporal_charms import cluster, postgresql_client
from temporal_charms.databases import Database, database_name
from temporal_charms.secret_cache import SecretCache

LEGACY = ('db', 'visibility')
CURRENT = ('database', 'visibility-database')


@dataclasses.dataclass(frozen=True)
class Databases:
    """The two databases, whichever relations provide them.

    Attributes:
        problem: no pair, half a pair or both; or a pair beside a cluster that has its own. What is provided holds.
        provider: the application that was asked, for the status.
        persistence: the database of workflows; None until it is provided.
        visibility: the database of the list of workflows; None until it is provided.
    """

    problem: str = ''
    provider: str = ''
    persistence: Database | None = None
    visibility: Database | None = None

    @classmethod
    def load(cls, model: ops.Model, secrets: SecretCache) -> Databases:
        """Read whichever pair of relations there is, and the secrets that they name."""
        app = model.app.name
        related = {name: relation_of(model, name) for name in (*LEGACY, *CURRENT)}
        used = [pair for pair in (LEGACY, CURRENT) if any(related[name] for name in pair)]
        # Of two pairs the first one holds, which a server may be using.
        used.sort(key=lambda pair: min(relation.id for name in pair if (relation := related[name])))
        if not used:
            return cls(
                f'no database: juju integrate {app}:database postgresql-k8s:database, '
                f'and {app}:visibility-database likewise'
            )
        pair, problem = used[0], ''
        missing = [name for name in pair if not related[name]]
        if len(used) > 1:
            later = next((name, other) for name in used[1] if (other := related[name]))
            both = [name for name in (*LEGACY, *CURRENT) if related[name]]
            problem = (
                f'two kinds of database relation ({", ".join(both)}), remove those of one kind: '
                f'juju remove-relation {app}:{later[0]} {later[1].app.name}'
            )
        elif missing:
            problem = f'half a pair of databases: juju integrate {app}:{missing[0]} with PostgreSQL, too'
        if missing:
            return cls(problem)
        found = [_database(model, related[name], name, secrets) for name in pair]
        provider = related[pair[0]]
        return cls(problem, provider.app.name if provider and provider.app else '', found[0], found[1])

    @classmethod
    def of_cluster(
        cls, model: ops.Model, relation: ops.Relation, told: cluster.Cluster | None, secrets: SecretCache
    ) -> Databases:
        """Those of the cluster that this application is a member of.

        Args:
            model: this model.
            relation: to the cluster's provider.
            told: what the provider says.
            secrets: what is known already.
        """
        app = model.app.name
        own = [(other.id, name) for name in (*LEGACY, *CURRENT) if (other := relation_of(model, name))]
        if not own:
            return cls._handed_over(model, relation, told, secrets)
        problem = (
            f'{app} is a member of the cluster of {relation.app.name} and needs no database of its own: '
            f'juju remove-relation {app}:{own[0][1]} PROVIDER'
        )
        # What came first holds, which a server may be using.
        first = cls.load(model, secrets) if min(own)[0] < relation.id else None
        return dataclasses.replace(first or cls._handed_over(model, relation, told, secrets), problem=problem)

    @classmethod
    def _handed_over(
        cls, model: ops.Model, relation: ops.Relation, told: cluster.Cluster | None, secrets: SecretCache
    ) -> Databases:
        if told is None:
            return cls(provider=relation.app.name)
        try:
            login = secrets.get(told.credentials, lambda: model.get_secret(id=told.credentials).get_content())
            return cls(
                provider=relation.app.name,
                persistence=Database(told.persistence, login['persistence-username'], login['persistence-password']),
                visibility=Database(told.visibility, login['visibility-username'], login['visibility-password']),
            )
        except (ops.ModelError, KeyError):
            # The URI can arrive before the grant.
            return cls(provider=relation.app.name)

    @property
    def pair(self) -> tuple[Database, Database] | None:
        """Both, once both are there."""
        return (self.persistence, self.visibility) if self.persistence and self.visibility else None


def wanted_database(model: ops.Model, endpoint: str) -> str:
    """The name of the database that is asked for on an endpoint."""
    suffix = 'visibility' if endpoint.startswith('visibility') else ''
    return database_name(model.name, model.app.name, suffix)


def secret_uris(model: ops.Model) -> list[str]:
    """The secrets in which the databases' providers hand over what clients need."""
    related = (relation_of(model, endpoint) for endpoint in CURRENT)
    return [uri for relation in related if relation for uri in postgresql_client.secret_uris(relation)]


def relation_of(model: ops.Model, name: str) -> ops.Relation | None:
    """The relation of an endpoint with limit 1; None if there is none, or if it is just going."""
    return next((relation for relation in model.relations[name] if relation.active and relation.app), None)


def _database(model: ops.Model, relation: ops.Relation | None, endpoint: str, secrets: SecretCache) -> Database | None:
    assert relation is not None
    if endpoint in CURRENT:

        def secret(uri: str) -> dict[str, str]:
            return secrets.get(uri, lambda: model.get_secret(id=uri).get_content())

        return postgresql_client.database(relation, secret)
    # Imported here: most hooks of most deployments never need it.
    from temporal_charms import pgsql

    return pgsql.database(relation, model.unit, wanted_database(model, endpoint))
