"""The unit's status: one sentence that names what to do, for everything that can be missing or wrong."""

from __future__ import annotations

import dataclasses

import ops
import pytest
import world
from ops import testing
from temporal_charms import admin
from temporal_charms.versions import SchemaVersions

from probe import Health


def _relations(*endpoints: str, databases: str = 'legacy') -> list[testing.RelationBase]:
    """The usual relations but for those of some endpoints."""
    return world.without(world.state(databases=databases).relations, *endpoints)


def _with_admin(data: dict[str, str]) -> list[testing.RelationBase]:
    return [*_relations('admin'), world.admin_relation(data)]


_LEGACY_PENDING = [
    *_relations('db', 'visibility'),
    world.legacy('db'),
    world.legacy('visibility', provided=False),
]
_BOTH = [*_relations(), world.current('database', provided=False)[0]]
_SHARDS = [*_relations('peer'), testing.PeerRelation('peer', local_app_data={'shards': '512'})]
_IMAGE = 'juju attach-resource temporal-k8s temporal-server-image=IMAGE'


@pytest.mark.parametrize(
    ('changes', 'status'),
    [
        pytest.param(
            {'config': {'num-history-shards': 0}},
            ops.BlockedStatus('num-history-shards must be between 1 and 16384, not 0'),
            id='no shards',
        ),
        pytest.param(
            {'config': {'num-history-shards': -4}},
            ops.BlockedStatus('num-history-shards must be between 1 and 16384, not -4'),
            id='fewer than no shards',
        ),
        pytest.param(
            {'config': {'external-hostname': 'no such; name'}},
            ops.BlockedStatus(
                'external-hostname is no DNS name (lower case letters, digits and "-", at most 63 between dots, no '
                'address): no such; name'
            ),
            id='hostname',
        ),
        pytest.param(
            {'relations': _relations('db', 'visibility')},
            ops.BlockedStatus(
                'no database: juju integrate temporal-k8s:database postgresql-k8s:database, '
                'and temporal-k8s:visibility-database likewise'
            ),
            id='no database',
        ),
        pytest.param(
            {'relations': _relations('visibility')},
            ops.BlockedStatus('half a pair of databases: juju integrate temporal-k8s:visibility with PostgreSQL, too'),
            id='half a legacy pair',
        ),
        pytest.param(
            {'relations': _relations('database', databases='current')},
            ops.BlockedStatus('half a pair of databases: juju integrate temporal-k8s:database with PostgreSQL, too'),
            id='half a current pair',
        ),
        pytest.param(
            {'relations': _BOTH},
            ops.BlockedStatus(
                'two kinds of database relation (db, visibility, database), remove those of one kind: '
                'juju remove-relation temporal-k8s:database postgresql-k8s'
            ),
            id='both pairs',
        ),
        pytest.param(
            {'relations': _relations('admin')},
            ops.BlockedStatus('no admin tools: juju integrate temporal-k8s:admin temporal-admin-k8s:admin'),
            id='no admin',
        ),
        pytest.param(
            {'relations': _SHARDS, 'config': {'num-history-shards': 1024}},
            ops.BlockedStatus(
                'num-history-shards is 1024, but fixed at 512 since the first start: '
                'juju config temporal-k8s num-history-shards=512'
            ),
            id='another number of shards',
        ),
        pytest.param(
            {'containers': {world.container(can_connect=False)}},
            ops.WaitingStatus('waiting for the container to start'),
            id='no container',
        ),
        pytest.param(
            {'containers': {world.container(execs={testing.Exec(['temporal-server', '--version'], return_code=137)})}},
            ops.WaitingStatus('waiting for the container to start'),
            id='a server that is killed when it is asked for its version',
        ),
        pytest.param(
            {'containers': {world.container('')}},
            ops.BlockedStatus(f'temporal-server-image has no temporal-server: {_IMAGE}'),
            id='an image that is not Temporal',
        ),
        pytest.param(
            {'containers': {world.container('1.30.4')}},
            ops.BlockedStatus(f'temporal-server-image is 1.30.4, this charm runs 1.31 and 1.32: {_IMAGE}'),
            id='an old image',
        ),
        pytest.param(
            {'containers': {world.container('2.0.0')}},
            ops.BlockedStatus(f'temporal-server-image is 2.0.0, this charm runs 1.31 and 1.32: {_IMAGE}'),
            id='an image from the future',
        ),
        pytest.param(
            {'relations': _LEGACY_PENDING},
            ops.WaitingStatus('waiting for postgresql-k8s to provide the databases'),
            id='databases not provided yet',
        ),
        pytest.param(
            {'relations': _with_admin({})},
            ops.WaitingStatus('waiting for the admin charm to report the schema'),
            id='admin silent',
        ),
        pytest.param(
            {'relations': _with_admin(world.schema(admin.MIGRATING))},
            ops.WaitingStatus('waiting for the admin charm, which is migrating the schema'),
            id='migrating',
        ),
        pytest.param(
            {'relations': _with_admin(world.schema(admin.FAILED, reason='update-schema of x failed: y'))},
            ops.BlockedStatus('schema: update-schema of x failed: y'),
            id='migration failed',
        ),
        pytest.param(
            {'relations': _with_admin(world.schema(admin.FAILED, versions=None))},
            ops.BlockedStatus('schema: the admin charm failed; see its status'),
            id='failed without a reason',
        ),
        pytest.param(
            {'relations': _with_admin(world.schema(of='another pair of databases'))},
            ops.WaitingStatus('waiting for the admin charm to report the schema'),
            id='a schema of other databases',
        ),
        pytest.param(
            {'relations': _with_admin(world.schema(versions=SchemaVersions('1.18', '1.14')))},
            ops.WaitingStatus('waiting for the admin charm to report the schema'),
            id='an old schema',
        ),
        pytest.param(
            {'relations': _with_admin({**world.schema(), 'schema_versions': 'garbage'})},
            ops.WaitingStatus('waiting for the admin charm to report the schema'),
            id='an answer that cannot be read',
        ),
        pytest.param({}, ops.WaitingStatus('waiting for history'), id='starting'),
    ],
)
def test_given_something_missing_or_wrong_then_the_status_names_it(run, changes, status):
    out = run(world.state(**changes))

    assert out.unit_status == status


def test_given_every_role_serving_then_the_unit_is_active(run, health):
    health.answer = Health(True, 'serving')

    assert run(world.state()).unit_status == ops.ActiveStatus()


def test_given_roles_that_serve_without_their_databases_then_the_unit_says_which(run, health):
    health.answer = Health(True, 'serving', 'database, visibility')

    assert run(world.state()).unit_status == ops.WaitingStatus(
        'PostgreSQL does not answer the server (database, visibility)'
    )


def test_given_a_newer_schema_than_needed_then_the_server_runs(run, health):
    health.answer = Health(True, 'serving')
    relations = _with_admin(world.schema(versions=SchemaVersions('1.20', '1.14')))

    assert run(world.state(relations=relations)).unit_status == ops.ActiveStatus()


def test_given_a_running_server_when_the_schema_is_put_back_then_it_stops(ctx, run):
    first = run(world.state())
    relations = [
        *world.without(first.relations, 'admin'),
        world.admin_relation(world.schema(versions=SchemaVersions('1.18', '1.14'))),
    ]

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, relations=relations))

    assert out.get_container('temporal').service_statuses['temporal'] == ops.pebble.ServiceStatus.INACTIVE


def test_given_a_running_server_when_an_option_becomes_wrong_then_it_goes_on(ctx, run):
    first = run(world.state())

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'num-history-shards': 0}))

    assert out.get_container('temporal').service_statuses['temporal'] == ops.pebble.ServiceStatus.ACTIVE
    assert isinstance(out.unit_status, ops.BlockedStatus)


@pytest.mark.parametrize('event', ['install', 'start', 'stop', 'remove', 'update_status', 'upgrade_charm'])
def test_given_a_bare_world_when_any_event_comes_then_there_is_a_status_and_no_error(ctx, event):
    state = testing.State(
        model=testing.Model(world.MODEL, type='kubernetes'), containers={world.container(can_connect=False)}
    )

    out = ctx.run(getattr(ctx.on, event)(), state)

    assert isinstance(out.unit_status, ops.BlockedStatus)
