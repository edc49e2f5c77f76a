"""Both database interfaces: what counts as provided, and what as not yet."""

from __future__ import annotations

import dataclasses

import pytest
import world
from ops import testing

import databases


def _databases(ctx, relations, secrets=()) -> databases.Databases:
    state = world.state(databases='', relations=relations, secrets=secrets)
    with ctx(ctx.on.update_status(), state) as manager:
        return databases.Databases.load(manager.charm.model, manager.charm._secrets)


@pytest.mark.parametrize(
    'change',
    [
        {'master': ''},
        {'database': 'another'},
        {'allowed-subnets': '192.168.0.0/16'},
        {'master': 'dbname=x user=u password=p'},
        {'master': 'dbname=x host=h user=u'},
    ],
)
def test_given_a_legacy_provider_that_is_not_done_then_there_is_no_database_yet(ctx, change):
    relation = world.legacy('db')
    data = {**relation.remote_units_data[0], **change}
    unfinished = dataclasses.replace(relation, remote_units_data={0: data}, remote_app_data=data)

    assert _databases(ctx, [unfinished, world.legacy('visibility')]).pair is None


def test_given_a_legacy_provider_that_names_no_port_then_it_is_the_usual_one(ctx):
    relation = world.legacy('db')
    data = {**relation.remote_units_data[0], 'master': 'dbname=x host=h user=u password=p'}
    without_port = dataclasses.replace(relation, remote_units_data={0: data}, remote_app_data=data)

    databases = _databases(ctx, [without_port, world.legacy('visibility')])

    assert databases.persistence is not None
    assert databases.persistence.endpoint.port == 5432


@pytest.mark.parametrize('missing', ['endpoints', 'database', 'secret-user'])
def test_given_a_provider_that_is_not_done_then_there_is_no_database_yet(ctx, missing):
    relation, secrets = world.current('database')
    visibility, its_secrets = world.current('visibility-database')
    data = {k: v for k, v in relation.remote_app_data.items() if k != missing}
    unfinished = dataclasses.replace(relation, remote_app_data=data)

    assert _databases(ctx, [unfinished, visibility], [*secrets, *its_secrets]).pair is None


def test_given_a_secret_that_is_not_granted_yet_then_there_is_no_database_yet(ctx):
    relation, _ = world.current('database')
    visibility, its_secrets = world.current('visibility-database')

    assert _databases(ctx, [relation, visibility], its_secrets).pair is None


def test_given_a_provider_that_knows_no_secrets_then_its_databag_is_read(ctx):
    data = {'database': 'x', 'endpoints': 'h:6432', 'username': 'u', 'password': 'p', 'tls': 'True', 'tls-ca': 'PEM'}
    relations = [
        testing.Relation(name, 'postgresql_client', remote_app_data=data)
        for name in ('database', 'visibility-database')
    ]

    databases = _databases(ctx, relations)

    assert databases.persistence is not None
    assert (databases.persistence.endpoint.port, databases.persistence.endpoint.tls) == (6432, True)
    assert databases.persistence.endpoint.ca == 'PEM'
