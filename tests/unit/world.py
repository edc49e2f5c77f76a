"""States of the world around the server charm, for tests: everything in place unless a test says otherwise."""

from __future__ import annotations

import dataclasses
import json
import typing
from typing import Any

from ops import testing
from temporal_charms import admin
from temporal_charms.databases import Endpoint
from temporal_charms.versions import SchemaVersions

from probe import Health

APP = 'temporal-k8s'
MODEL = 'm'
PASSWORD = "p&s'w%rd"
HOST = 'postgresql.m.svc'
NAMES = {
    'db': 'm_temporal_k8s',
    'visibility': 'm_temporal_k8s_visibility',
    'database': 'm_temporal_k8s',
    'visibility-database': 'm_temporal_k8s_visibility',
}


@dataclasses.dataclass
class FakeHealth:
    """What the server answers."""

    answer: Health


def legacy(endpoint: str, *, provided: bool = True, **changes: Any) -> testing.Relation:
    """A relation of the interface `pgsql`."""
    name = NAMES[endpoint]
    data = {
        'database': name,
        'allowed-subnets': '10.0.0.0/8',
        'master': f"dbname={name} host={HOST} password='{_escaped(PASSWORD)}' port=5432 user=relation_id_1",
    }
    values = {
        'endpoint': endpoint,
        'interface': 'pgsql',
        'remote_app_name': 'postgresql-k8s',
        'remote_app_data': data if provided else {},
        'remote_units_data': {0: data if provided else {}},
        'local_unit_data': {'egress-subnets': '10.0.0.0/8'},
    }
    return testing.Relation(**(values | changes))


def _escaped(text: str) -> str:
    return text.replace('\\', '\\\\').replace("'", "\\'")


def current(endpoint: str, *, provided: bool = True) -> tuple[testing.Relation, list[testing.Secret]]:
    """A relation of the interface `postgresql_client`, with its secrets."""
    user = testing.Secret({'username': 'relation_id_1', 'password': PASSWORD})
    tls = testing.Secret({'tls': 'False'})
    data = {
        'database': NAMES[endpoint],
        'endpoints': f'{HOST}:5432,other:5432',
        'secret-user': user.id,
        'secret-tls': tls.id,
    }
    relation = testing.Relation(
        endpoint,
        'postgresql_client',
        remote_app_name='postgresql-k8s',
        remote_app_data=data if provided else {},
    )
    return relation, [user, tls] if provided else []


def schema(status: str = admin.READY, **changes: Any) -> dict[str, str]:
    """What the admin charm says."""
    of = admin.fingerprint(Endpoint(HOST, 5432, NAMES['db']), Endpoint(HOST, 5432, NAMES['visibility']))
    values = {'status': status, 'versions': SchemaVersions('1.19', '1.14'), 'of': of}
    return admin.Schema(**(values | changes)).dump()


def admin_relation(data: dict[str, str] | None = None, **changes: Any) -> testing.Relation:
    """The relation `admin`, with a schema that is ready unless told otherwise."""
    return testing.Relation(
        'admin',
        'temporal',
        remote_app_name='temporal-admin-k8s',
        remote_app_data=schema() if data is None else data,
        **changes,
    )


def container(version: str = '1.32.2', **changes: Any) -> testing.Container:
    """The container, with a server of this version; none if it is empty."""
    found = testing.Exec(['temporal-server', '--version'], stdout=f'temporal version {version}')
    missing = testing.Exec(['temporal-server', '--version'], return_code=127, stderr='not found')
    values = {'name': 'temporal', 'can_connect': True, 'execs': {found if version else missing}}
    return testing.Container(**(values | changes))


def state(*, databases: str = 'legacy', **changes: Any) -> testing.State:
    """Everything in place, with one pair of databases or the other.

    Args:
        databases: `legacy` or `current`.
        changes: fields of the state that replace the usual ones; `relations` and `secrets` are added to.
    """
    relations: list[testing.RelationBase] = [testing.PeerRelation('peer'), admin_relation()]
    secrets: list[testing.Secret] = []
    if databases == 'legacy':
        relations += [legacy('db'), legacy('visibility')]
    elif databases == 'current':
        for endpoint in ('database', 'visibility-database'):
            relation, its_secrets = current(endpoint)
            relations.append(relation)
            secrets += its_secrets
    return testing.State(
        **{
            'model': testing.Model(MODEL, type='kubernetes'),
            'leader': True,
            'containers': {container()},
            'relations': relations,
            'secrets': secrets,
        }
        | changes
    )


def among_peers(state: testing.State, *, told: dict[str, str], mine: str = '', others: dict[int, str]) -> testing.State:
    """The same world, with other units.

    Args:
        state: the world.
        told: what the leader has written for all, besides the shard count.
        mine: why this unit wants to restart; empty if it does not.
        others: numbers of the other units, likewise.
    """
    peer = testing.PeerRelation(
        'peer',
        local_app_data={'shards': '512'} | told,
        local_unit_data={'restart': mine} if mine else {},
        peers_data={number: {'restart': reason} if reason else {} for number, reason in others.items()},
    )
    return dataclasses.replace(state, relations=[*without(state.relations, 'peer'), peer])


def without(relations: Any, *endpoints: str) -> list[testing.RelationBase]:
    """Relations but for those of some endpoints."""
    return [relation for relation in relations if relation.endpoint not in endpoints]


def only(state: testing.State, endpoint: str) -> testing.Relation:
    """The one relation of an endpoint."""
    (relation,) = state.get_relations(endpoint)
    return typing.cast('testing.Relation', relation)


def file(context: testing.Context, state: testing.State, path: str) -> str:
    """A file in the container."""
    root = state.get_container('temporal').get_filesystem(context)
    return (root / path.lstrip('/')).read_text()


def answered(relation: testing.RelationBase, key: str) -> Any:
    """A JSON value that our application has written."""
    return json.loads(relation.local_app_data[key])
