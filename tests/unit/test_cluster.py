"""One cluster in several applications: what its provider tells, what its members make of it, what is refused."""

from __future__ import annotations

import dataclasses
import json

import pytest
import world
import yaml
from ops import testing
from temporal_charms import admin
from temporal_charms.cluster import Cluster, Member
from temporal_charms.databases import Endpoint

from probe import Health

PAIR = Endpoint(world.HOST, 5432, 'm_front'), Endpoint(world.HOST, 5432, 'm_front_visibility')
LOGIN = {
    'persistence-username': 'u',
    'persistence-password': world.PASSWORD,
    'visibility-username': 'u',
    'visibility-password': world.PASSWORD,
}


def _schema(**changes) -> admin.Schema:
    data = world.schema(of=admin.fingerprint(*PAIR), **changes)
    schema = admin.Schema.load(data)
    assert schema
    return schema


def _offer(uri: str, **changes) -> dict[str, str]:
    frontend = admin.Frontend('front.m.svc.cluster.local', 7233)
    values = {
        'persistence': PAIR[0], 'visibility': PAIR[1], 'credentials': uri, 'frontend': frontend,
        'server_version': '1.32.2', 'shards': 64, 'schema': _schema(), 'dynamic_config': 'a: [{value: 1}]\n',
    }  # fmt: skip
    return Cluster(**(values | changes)).dump()


def _member(services: str = 'history', *, granted: bool = True, state: dict | None = None, **changes) -> testing.State:
    """A world in which this application is a member of the cluster of `front`."""
    secret = testing.Secret(LOGIN)
    relation = testing.Relation(
        'join-cluster',
        'temporal_cluster',
        remote_app_name='front',
        remote_app_data=_offer(secret.id, **changes) if changes.pop('told', True) else {},
    )
    return world.state(
        databases='',
        **{
            'relations': [testing.PeerRelation('peer'), relation],
            'secrets': [secret] if granted else [],
            'config': {'services': services},
            **(state or {}),
        },
    )


def _offering(*members: Member, **changes) -> testing.State:
    """A world in which this application has members."""
    state = world.state(**changes)
    relations = [
        testing.Relation('cluster', 'temporal_cluster', remote_app_name=member.app, remote_app_data=member.dump())
        for member in members
    ]
    return dataclasses.replace(state, relations=[*state.relations, *relations])


def test_given_a_cluster_when_a_member_starts_then_it_runs_its_roles_on_the_clusters_databases(ctx, run):
    out = run(_member('history,matching'))

    config = yaml.safe_load(world.file(ctx, out, '/etc/temporal/config.yaml'))
    # The ports of the others, too; what runs is in the command.
    assert set(config['services']) == {'frontend', 'history', 'matching', 'worker'}
    command = out.get_container('temporal').plan.services['temporal'].command
    assert command.endswith('start --service history --service matching')
    assert config['persistence']['numHistoryShards'] == 64
    assert config['persistence']['datastores']['visibility']['sql']['databaseName'] == 'm_front_visibility'
    assert config['clusterMetadata']['clusterInformation']['active']['rpcAddress'] == 'front.m.svc.cluster.local:7233'
    assert world.file(ctx, out, '/etc/temporal/secrets/default-password') == world.PASSWORD
    assert world.file(ctx, out, '/etc/temporal/dynamic-config.yaml') == 'a: [{value: 1}]\n'
    assert out.opened_ports == frozenset()
    assert world.only(out, 'join-cluster').local_app_data == {
        'services': 'history,matching', 'units': '1', 'connections': '14', 'server_version': '1.32.2',
    }  # fmt: skip
    assert not [secret for secret in out.secrets if secret.owner]


def test_given_a_member_that_serves_then_its_status_says_what_it_runs(run, health):
    health.answer = Health(True)

    assert run(_member('history')).unit_status == testing.ActiveStatus('1.32.2: history')


def test_given_members_when_reconciled_then_they_are_told_everything_but_the_passwords(run):
    state = _offering(Member('h', ('history',), 2, 14), Member('w', ('worker',), 1, 7))

    out = run(state)

    told = {r.remote_app_name: r.local_app_data for r in out.get_relations('cluster')}
    cluster = Cluster.load(told['h'])
    assert cluster
    assert cluster.connections_elsewhere == 28 + 7
    assert cluster.shards == 512
    assert cluster.schema and cluster.schema.status == 'ready'
    # One of them has a unit to hand over to.
    assert 'history.shutdownDrainDuration' in cluster.dynamic_config
    (secret,) = (secret for secret in out.secrets if secret.owner == 'app')
    assert set(secret.remote_grants) == {r.id for r in out.relations if r.endpoint in ('cluster', 'admin')}
    assert world.PASSWORD not in json.dumps(told)


def test_given_wrong_options_or_no_image_then_members_keep_what_they_were_told(ctx, run):
    first = run(_offering(Member('h', ('history',), 2, 14)))
    before = world.only(first, 'cluster').local_app_data
    assert before

    wrong = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'log-level': 'loud'}))
    away = ctx.run(ctx.on.update_status(), dataclasses.replace(first, containers={world.container(can_connect=False)}))

    assert world.only(wrong, 'cluster').local_app_data == before
    assert world.only(away, 'cluster').local_app_data == before


def test_given_a_dynamic_configuration_that_the_validator_refuses_then_members_do_not_get_it(ctx, run, health):
    health.answer = Health(True)
    first = run(_offering(Member('h', ('history',), 2, 14)))
    judge = testing.Exec(['temporal-server', 'validate-dynamic-config'], stdout='/some/file\n  error: no\n')
    container = first.get_container('temporal')
    containers = {dataclasses.replace(container, execs={*container.execs, judge})}
    config = {'dynamic-config': 'history.foo: [{value: 1}]'}

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, containers=containers, config=config))

    assert out.unit_status == testing.BlockedStatus('dynamic-config: no')
    assert world.only(out, 'cluster').local_app_data == world.only(first, 'cluster').local_app_data


def test_given_databases_that_go_then_members_are_told_so(ctx, run):
    first = run(_offering(Member('h', ('history',), 2, 14)))

    out = ctx.run(ctx.on.relation_broken(world.only(first, 'db')), first)

    assert world.only(out, 'cluster').local_app_data == {}


_OTHER = testing.Relation('cluster', 'temporal_cluster', remote_app_name='other')


@pytest.mark.parametrize(
    ('state', 'status'),
    [
        pytest.param(
            world.state(databases='', relations=[], config={'services': 'history'}),
            'services has no frontend: add it, or juju integrate temporal-k8s:join-cluster FRONTEND:cluster',
            id='neither frontend nor cluster',
        ),
        pytest.param(_member(told=False), 'waiting for front to provide the databases', id='a silent provider'),
        pytest.param(_member(granted=False), 'waiting for front to provide the databases', id='a secret not granted'),
        pytest.param(
            _member(schema=None), 'waiting for front to have its schema ready', id='no schema yet'
        ),
        pytest.param(
            _member(schema=_schema(status='failed', reason='no')), 'schema: no', id='a schema that failed'
        ),
        pytest.param(
            _member(server_version='1.31.2'),
            'temporal-server-image is 1.32.2, but front runs 1.31.2: '
            'juju attach-resource temporal-k8s temporal-server-image=IMAGE',
            id='another version',
        ),
        pytest.param(
            _member(schema=_schema(limits=admin.ConnectionLimits(97, 97)), connections_elsewhere=91),
            'units x roles x connections is 1 x 1 x (5 + 2) + 91 elsewhere = 98, PostgreSQL allows 97: lower '
            'persistence-max-conns, visibility-max-conns or the number of units, or raise max_connections',
            id='too many connections',
        ),
        pytest.param(
            _member(state={'config': {
                'services': 'history', 'declared-namespaces': '{orders: {}}', 'namespace-rps-limit': 'orders:1',
                'dynamic-config': 'limit.blobSize.error: [{value: 9}]',
            }}),
            'declared-namespaces, dynamic-config, namespace-rps-limit: to be set on front, whose cluster this is: juju '
            'config temporal-k8s --reset declared-namespaces,dynamic-config,namespace-rps-limit',
            id='options of the whole cluster',
        ),
        pytest.param(
            dataclasses.replace(_member(), relations=[*_member().relations, *(
                testing.Relation(name, remote_app_name='other') for name in ('temporal-host-info', 'ingress')
            )]),
            'services has no frontend, which ingress, temporal-host-info need: relate the application that has it, and '
            'juju remove-relation temporal-k8s:ingress OTHER',
            id='clients of an application without a frontend',
        ),
        pytest.param(
            dataclasses.replace(_member(), relations=[*_member().relations, world.legacy('db')]),
            'temporal-k8s is a member of the cluster of front and needs no database of its own: '
            'juju remove-relation temporal-k8s:db PROVIDER',
            id='a database of its own',
        ),
        pytest.param(
            dataclasses.replace(_member(), relations=[*_member().relations, _OTHER]),
            'temporal-k8s is itself a member of the cluster of front: juju remove-relation other:join-cluster '
            'temporal-k8s:cluster, and integrate it with front:cluster',
            id='a member with members',
        ),
        pytest.param(
            world.state(config={'services': 'frontend,worker'}),
            'nobody runs history, matching: add it to services, or juju integrate '
            'OTHER:join-cluster temporal-k8s:cluster',
            id='roles that nobody runs',
        ),
    ],
)  # fmt: skip
def test_given_a_cluster_that_is_not_in_order_then_the_status_says_so_and_no_server_is_started(run, state, status):
    out = run(state)

    assert out.unit_status.message == status
    assert not out.get_container('temporal').plan.services


def test_given_a_member_that_has_served_when_its_cluster_is_upgraded_then_it_goes_on_until_its_turn(run, health):
    health.answer = Health(True)
    peer = testing.PeerRelation('peer', local_app_data={'version': '1.31.2'})
    state = _member(server_version='1.32.2', state={'containers': {world.container('1.31.2')}})
    state = dataclasses.replace(state, relations=[*world.without(state.relations, 'peer'), peer])

    assert run(state).unit_status == testing.ActiveStatus('1.31.2: history')


@pytest.mark.parametrize('key', ['databases', 'credentials', 'frontend', 'server_version', 'shards'])
def test_given_a_provider_that_has_not_said_everything_then_it_has_said_nothing(key):
    told = _offer('secret:x')

    assert Cluster.load(told)
    assert Cluster.load({k: v for k, v in told.items() if k != key}) is None
    assert Cluster.load(told | {'shards': 'many'}) is None


@pytest.mark.parametrize('change', [{'services': ''}, {'units': ''}, {'connections': 'x'}])
def test_given_a_member_that_has_not_said_everything_then_it_is_none_yet(change):
    told = Member('m', ('history',), 1, 7).dump()

    assert Member.load('m', told) == Member('m', ('history',), 1, 7)
    assert Member.load('m', told | change) is None


def test_given_a_cluster_without_a_schema_then_it_is_told_without(ctx):
    told = _offer('secret:x', schema=None)

    cluster = Cluster.load(told | {'schema': ''})
    assert cluster and cluster.schema is None


@pytest.mark.parametrize(
    ('peer', 'answer', 'status'),
    [
        (
            {'shards': '512'},
            {'shards': 4},
            'num-history-shards is 512, but fixed at 4 in the database: juju config temporal-k8s num-history-shards=4',
        ),
        (
            {'version': '1.29.1'},
            {},
            'juju attach-resource temporal-k8s temporal-server-image=IMAGE',
        ),
        (
            {},
            {'limits': admin.ConnectionLimits(97, 20)},
            'units x roles x connections is 1 x 4 x (5 + 2) = 28, PostgreSQL allows 20: lower '
            'persistence-max-conns, visibility-max-conns or the number of units, or raise max_connections',
        ),
    ],
)
def test_given_a_contradiction_with_what_was_before_then_the_server_is_not_started(run, peer, answer, status):
    state = world.state()
    relations = [
        *world.without(state.relations, 'peer', 'admin'),
        testing.PeerRelation('peer', local_app_data=peer),
        world.admin_relation(world.schema(**answer)),
    ]

    out = run(dataclasses.replace(state, relations=relations))

    assert out.unit_status.name == 'blocked'
    assert out.unit_status.message.endswith(status)
    assert not out.get_container('temporal').plan.services


def test_given_a_password_that_rotates_then_what_is_handed_over_is_not_remembered_before_the_hook_has_succeeded(
    ctx, run
):
    before = run(_offering(Member('back', ('history',), 1, 35), databases='current'))
    uri = world.only(before, 'database').remote_app_data['secret-user']
    new = {'username': 'relation_id_1', 'password': 'new'}
    changed = dataclasses.replace(before.get_secret(id=uri), latest_content=new)
    secrets = [changed, *(secret for secret in before.secrets if secret.id != uri)]

    out = ctx.run(ctx.on.secret_changed(changed), dataclasses.replace(before, secrets=secrets))

    handed_over = world.only(out, 'cluster').local_app_data['credentials']
    assert handed_over == world.only(out, 'admin').local_app_data['credentials']
    assert (out.get_secret(id=handed_over).latest_content or {})['persistence-password'] == 'new'
    assert 'admin-credentials' not in json.loads(world.file(ctx, out, '/etc/temporal-charm/secrets.json'))
