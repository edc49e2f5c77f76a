"""Whatever the event: files, Pebble layer, databags, ports and secrets look like the plan afterwards."""

from __future__ import annotations

import dataclasses
import pathlib

import ops
import pytest
import world
import yaml
from ops import pebble, testing

import layer
from probe import Health

CONFIG, PASSWORD_FILE = '/etc/temporal/config.yaml', '/etc/temporal/secrets/default-password'
CA_FILE = '/etc/temporal/secrets/default-ca.pem'


@pytest.mark.parametrize('databases', ['legacy', 'current'])
def test_given_everything_in_place_when_pebble_is_ready_then_the_server_is_configured_and_started(ctx, run, databases):
    out = run(world.state(databases=databases))

    config = yaml.safe_load(world.file(ctx, out, CONFIG))
    store = config['persistence']['datastores']['default']['sql']
    assert store['connectAddr'] == f'{world.HOST}:5432'
    assert store['databaseName'] == 'm_temporal_k8s'
    assert store['user'] == 'relation_id_1'
    assert store['passwordCommand'] == {'command': '/bin/cat', 'args': [PASSWORD_FILE]}
    assert config['persistence']['datastores']['visibility']['sql']['databaseName'] == 'm_temporal_k8s_visibility'
    assert config['persistence']['numHistoryShards'] == 512
    assert config['global']['membership']['broadcastAddress'] == '10.1.2.3'
    assert config['publicClient'] == {}
    assert set(config['services']) == {'frontend', 'history', 'matching', 'worker'}
    assert world.file(ctx, out, PASSWORD_FILE) == world.PASSWORD
    container = out.get_container('temporal')
    assert container.service_statuses['temporal'] == pebble.ServiceStatus.ACTIVE
    assert container.service_statuses['temporal-health'] == pebble.ServiceStatus.ACTIVE
    assert out.opened_ports == {testing.TCPPort(7233)}
    assert out.workload_version == '1.32.2'


@pytest.mark.parametrize('databases', ['legacy', 'current'])
def test_given_a_password_when_the_server_starts_then_it_stands_nowhere_but_in_a_file_of_its_own(ctx, run, databases):
    out = run(world.state(databases=databases))

    container = out.get_container('temporal')
    assert world.PASSWORD not in str(container.plan.to_yaml())
    assert world.PASSWORD not in world.file(ctx, out, CONFIG)
    assert not [line for line in ctx.juju_log if world.PASSWORD in line.message]
    for relation in out.relations:
        # The legacy interface carries it by its design, in the databag of the provider; never in ours.
        assert world.PASSWORD not in str(relation.local_app_data) + str(relation.local_unit_data)
    path = container.get_filesystem(ctx) / PASSWORD_FILE.lstrip('/')
    assert path.stat().st_mode & 0o777 == 0o600


def test_given_the_same_world_when_reconciled_again_then_nothing_is_restarted(ctx, run):
    first = run(world.state())
    layers = first.get_container('temporal').plan.to_yaml()

    second = ctx.run(ctx.on.config_changed(), first)

    assert second.get_container('temporal').plan.to_yaml() == layers


@pytest.mark.parametrize(
    ('changes', 'restarts'),
    [
        ({'config': {'external-hostname': 'temporal.example.com'}}, False),
        ({'leader': False}, False),
    ],
)
def test_given_a_running_server_when_something_it_does_not_read_changes_then_it_goes_on(ctx, run, changes, restarts):
    first = run(world.state())
    before = first.get_container('temporal').plan.services['temporal'].environment

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, **changes))

    after = second.get_container('temporal').plan.services['temporal'].environment
    assert (before != after) is restarts


def test_given_a_running_server_when_the_password_rotates_then_its_file_changes_and_it_goes_on(ctx, run):
    first = run(world.state(databases='current'))
    before = first.get_container('temporal').plan.services['temporal'].environment
    uri = world.only(first, 'database').remote_app_data['secret-user']
    new = {'username': 'relation_id_1', 'password': 'new'}
    changed = dataclasses.replace(first.get_secret(id=uri), latest_content=new)
    secrets = [changed, *(secret for secret in first.secrets if secret.id != uri)]

    second = ctx.run(ctx.on.secret_changed(changed), dataclasses.replace(first, secrets=secrets))

    assert world.file(ctx, second, PASSWORD_FILE) == 'new'
    assert second.get_container('temporal').plan.services['temporal'].environment == before
    shared = second.get_secret(id=world.only(second, 'admin').local_app_data['credentials'])
    assert shared.latest_content['persistence-password'] == 'new'
    # The next event still knows it.
    third = ctx.run(ctx.on.config_changed(), second)
    assert world.file(ctx, third, PASSWORD_FILE) == 'new'


@pytest.mark.parametrize(
    ('told', 'tls'),
    [
        ({'tls': 'True', 'tls-ca': 'PEM'}, {'enabled': True, 'enableHostVerification': True, 'caFile': CA_FILE}),
        ({'tls': 'True'}, {'enabled': True, 'enableHostVerification': False}),
    ],
)
def test_given_a_database_without_tls_when_it_begins_to_speak_it_then_the_server_is_restarted_with_it(
    ctx, run, told, tls
):
    first = run(world.state(databases='current'))
    before = yaml.safe_load(world.file(ctx, first, CONFIG))['persistence']['datastores']['default']['sql']
    environment = first.get_container('temporal').plan.services['temporal'].environment
    uris = [world.only(first, e).remote_app_data['secret-tls'] for e in ('database', 'visibility-database')]
    changed = [dataclasses.replace(first.get_secret(id=uri), latest_content=told) for uri in uris]
    secrets = [*changed, *(secret for secret in first.secrets if secret.id not in uris)]

    # Both have changed, and the first event is enough for both.
    second = ctx.run(ctx.on.secret_changed(changed[0]), dataclasses.replace(first, secrets=secrets))

    stores = yaml.safe_load(world.file(ctx, second, CONFIG))['persistence']['datastores']
    after = stores['default']['sql']
    assert stores['visibility']['sql']['tls']['enabled']
    # Before it has said so, TLS is taken where it is offered.
    assert before['connectAttributes'] == {'sslmode': 'prefer'} and 'tls' not in before
    assert after['tls'] == tls and 'connectAttributes' not in after
    assert 'tls-ca' not in told or world.file(ctx, second, CA_FILE) == 'PEM'
    assert second.get_container('temporal').plan.services['temporal'].environment != environment
    endpoint = world.answered(world.only(second, 'admin'), 'databases')['persistence']
    assert (endpoint['tls'], endpoint['ca']) == (True, told.get('tls-ca', ''))


def test_given_secrets_that_were_read_when_reconciled_again_then_they_are_not_read_again(ctx, run, monkeypatch):
    first = run(world.state(databases='current'))
    second = ctx.run(ctx.on.config_changed(), first)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError('a secret was read')

    monkeypatch.setattr(ops.Model, 'get_secret', fail)
    third = ctx.run(ctx.on.config_changed(), second)

    assert world.file(ctx, third, PASSWORD_FILE) == world.PASSWORD


def test_given_a_running_server_when_the_pod_moves_then_it_is_restarted_with_its_new_address(ctx, run, monkeypatch):
    first = run(world.state())
    before = first.get_container('temporal').plan.services['temporal'].environment
    monkeypatch.setattr('facts.pod_address', lambda: ('10.9.9.9', 'x'))

    second = ctx.run(ctx.on.config_changed(), first)

    assert second.get_container('temporal').plan.services['temporal'].environment != before


def test_given_a_leader_when_databases_are_related_then_it_asks_for_one_each(ctx):
    relations = [world.legacy('db', provided=False), world.legacy('visibility', provided=False)]
    out = ctx.run(ctx.on.relation_created(relations[0]), world.state(databases='', relations=relations))

    assert world.only(out, 'db').local_app_data['database'] == 'm_temporal_k8s'
    assert world.only(out, 'visibility').local_app_data['database'] == 'm_temporal_k8s_visibility'
    assert world.only(out, 'db').local_unit_data['database'] == 'm_temporal_k8s'


def test_given_a_follower_when_legacy_databases_are_related_then_it_repeats_what_the_leader_asked_for(ctx):
    relations = [world.legacy('db', provided=False), world.legacy('visibility', provided=False)]
    state = world.state(databases='', relations=relations, leader=False)

    out = ctx.run(ctx.on.relation_created(relations[0]), state)

    assert world.only(out, 'db').local_unit_data['database'] == 'm_temporal_k8s'
    assert world.only(out, 'db').local_app_data == {}


@pytest.mark.parametrize('leader', [True, False])
def test_given_current_databases_when_related_then_only_the_leader_asks(ctx, leader):
    relations = [world.current(name, provided=False)[0] for name in ('database', 'visibility-database')]
    state = world.state(databases='', relations=relations, leader=leader)

    out = ctx.run(ctx.on.relation_created(relations[0]), state)

    asked = world.only(out, 'visibility-database').local_app_data.get('database')
    assert asked == ('m_temporal_k8s_visibility' if leader else None)


def test_given_ingress_when_related_then_it_is_told_where_the_server_is(ctx, run):
    ingress, route = testing.Relation('ingress', 'ingress'), testing.Relation('nginx-route', 'nginx-route')
    info = testing.Relation('temporal-host-info', 'temporal-host-info')
    state = world.state(config={'external-hostname': 'temporal.example.com'})

    out = run(dataclasses.replace(state, relations=[*state.relations, ingress, route, info]))

    told = world.only(out, 'ingress')
    assert told.local_app_data == {'model': '"m"', 'name': '"temporal-k8s"', 'port': '7233', 'scheme': '"h2c"'}
    assert told.local_unit_data['host'] == '"temporal-k8s-0.endpoints"'
    assert told.local_unit_data['ip'] == '"10.1.2.3"'
    assert world.only(out, 'nginx-route').local_app_data == {
        'service-namespace': 'm',
        'service-name': 'temporal-k8s',
        'service-port': '7233',
        'service-hostname': 'temporal.example.com',
        'backend-protocol': 'GRPC',
    }
    assert world.only(out, 'temporal-host-info').local_app_data == {
        'host': 'temporal-k8s.m.svc.cluster.local',
        'port': '7233',
    }


def test_given_a_follower_when_reconciled_then_it_writes_nothing_for_the_application(ctx, run):
    out = run(world.state(leader=False))

    assert world.only(out, 'admin').local_app_data == {}
    assert world.only(out, 'peer').local_app_data == {}
    assert not [s for s in out.secrets if s.owner == 'app']


def test_given_a_first_start_when_reconciled_then_the_shard_count_is_remembered(run):
    out = run(world.state(config={'num-history-shards': 128}))

    told = world.only(out, 'peer').local_app_data
    assert told == {'shards': '128', 'shards-of': world.schema()['schema_of']}


def test_given_databases_that_have_taken_the_place_of_others_then_the_shard_count_is_the_operators_again(run):
    peer = testing.PeerRelation('peer', local_app_data={'shards': '512', 'shards-of': 'others'})
    state = world.state(config={'num-history-shards': 128})

    out = run(dataclasses.replace(state, relations=[*world.without(state.relations, 'peer'), peer]))

    assert world.only(out, 'peer').local_app_data['shards'] == '128'
    assert out.get_container('temporal').service_statuses['temporal'] == pebble.ServiceStatus.ACTIVE


def test_given_a_server_that_serves_when_the_notice_arrives_then_pebble_watches_it(ctx, run, health):
    first = run(world.state())
    health.answer = Health(True, 'serving')
    notice = testing.Notice(layer.NOTICE)
    container = dataclasses.replace(
        first.get_container('temporal'), notices=[notice], check_infos={_check(pebble.CheckStatus.INACTIVE)}
    )

    second = ctx.run(
        ctx.on.pebble_custom_notice(container, notice=notice), dataclasses.replace(first, containers={container})
    )

    (check,) = (c for c in second.get_container('temporal').check_infos if c.name == layer.SERVING)
    assert check.status == pebble.CheckStatus.UP
    assert second.unit_status == ops.ActiveStatus()


def _check(status: pebble.CheckStatus) -> testing.CheckInfo:
    return testing.CheckInfo(
        layer.SERVING, level=pebble.CheckLevel.READY, startup=pebble.CheckStartup.DISABLED, status=status, threshold=2
    )


@pytest.mark.parametrize('status', [pebble.CheckStatus.UP, pebble.CheckStatus.DOWN])
def test_given_a_watched_server_when_a_check_changes_then_the_status_is_what_the_server_answers(
    ctx, run, health, status
):
    first = run(world.state())
    health.answer = Health(status == pebble.CheckStatus.UP, 'matching')
    failures = 0 if status == pebble.CheckStatus.UP else 2
    info = dataclasses.replace(_check(status), failures=failures, successes=1)
    container = dataclasses.replace(first.get_container('temporal'), check_infos={info})
    event = ctx.on.pebble_check_recovered if status == pebble.CheckStatus.UP else ctx.on.pebble_check_failed

    out = ctx.run(event(container, info=info), dataclasses.replace(first, containers={container}))

    expected = ops.ActiveStatus() if failures == 0 else ops.WaitingStatus('waiting for matching')
    assert out.unit_status == expected


@pytest.mark.parametrize('endpoint', ['db', 'visibility'])
def test_given_a_running_server_when_a_database_goes_then_it_stops(ctx, run, endpoint):
    first = run(world.state())

    out = ctx.run(ctx.on.relation_broken(world.only(first, endpoint)), first)

    statuses = out.get_container('temporal').service_statuses
    assert statuses['temporal'] == statuses['temporal-health'] == pebble.ServiceStatus.INACTIVE
    assert isinstance(out.unit_status, ops.BlockedStatus)


def test_given_a_running_server_when_the_admin_charm_goes_then_it_goes_on_and_the_status_says_so(ctx, run):
    first = run(world.state())

    out = ctx.run(ctx.on.relation_broken(world.only(first, 'admin')), first)

    assert out.get_container('temporal').service_statuses['temporal'] == pebble.ServiceStatus.ACTIVE
    assert out.unit_status == ops.BlockedStatus(
        'no admin tools: juju integrate temporal-k8s:admin temporal-admin-k8s:admin'
    )


def test_given_a_restarted_pod_when_pebble_is_ready_then_everything_is_pushed_again(ctx, run):
    first = run(world.state())
    fresh = dataclasses.replace(first, containers={world.container()})

    out = run(fresh)

    assert out.get_container('temporal').service_statuses['temporal'] == pebble.ServiceStatus.ACTIVE
    assert yaml.safe_load(world.file(ctx, out, CONFIG))


def test_given_an_image_asked_before_when_reconciled_then_its_version_is_read_back(ctx, run):
    first = run(world.state())

    ctx.run(ctx.on.config_changed(), first)

    asked = [e for e in ctx.exec_history['temporal'] if e.command == ['temporal-server', '--version']]
    assert len(asked) == 1


def test_given_a_health_client_of_another_size_when_reconciled_then_it_is_pushed(ctx, run, tmp_path):
    first = run(world.state())
    (tmp_path / 'temporal-health').write_bytes(b'another ELF')

    out = ctx.run(ctx.on.config_changed(), first)

    path = pathlib.Path(out.get_container('temporal').get_filesystem(ctx)) / 'usr/local/bin/temporal-health'
    assert path.read_bytes() == b'another ELF'


def test_given_the_admin_charm_gone_when_a_password_rotates_then_the_running_server_gets_it(ctx, run):
    before = run(world.state(databases='current'))
    uri = world.only(before, 'database').remote_app_data['secret-user']
    new = {'username': 'relation_id_1', 'password': 'new'}
    changed = dataclasses.replace(before.get_secret(id=uri), latest_content=new)
    secrets = [changed, *(secret for secret in before.secrets if secret.id != uri)]
    relations = world.without(before.relations, 'admin')

    out = ctx.run(ctx.on.secret_changed(changed), dataclasses.replace(before, secrets=secrets, relations=relations))

    assert world.file(ctx, out, PASSWORD_FILE) == 'new'
    assert out.get_container('temporal').service_statuses['temporal'] == pebble.ServiceStatus.ACTIVE


def test_given_a_container_that_is_being_replaced_when_reconciled_then_the_request_for_a_schema_stands(ctx, run):
    before = run(world.state())
    asked = world.only(before, 'admin').local_app_data
    assert asked

    out = ctx.run(ctx.on.update_status(), dataclasses.replace(before, containers={world.container(can_connect=False)}))

    assert world.only(out, 'admin').local_app_data == asked
