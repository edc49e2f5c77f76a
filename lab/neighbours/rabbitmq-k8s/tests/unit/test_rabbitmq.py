"""What clients of RabbitMQ are told, and which users and virtual hosts are made for them."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import ops
import pytest
from ops import testing

import broker
from charm import RabbitmqCharm

CONTROL = ['/usr/lib/rabbitmq/bin/rabbitmqctl', '--quiet']
ASKED = {'username': 'm-worker', 'vhost': 'm-worker'}


@pytest.fixture(autouse=True)
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A port that can be connected to."""
    with socket.create_server(('127.0.0.1', 0)) as listening:
        monkeypatch.setattr(broker, 'PORT', listening.getsockname()[1])
        yield


@pytest.fixture
def ctx() -> testing.Context[RabbitmqCharm]:
    """Runs events on the charm."""
    return testing.Context(RabbitmqCharm)


def _state(*clients: testing.Relation, users: tuple[str, ...] = ('guest',), **changes) -> testing.State:
    listed = json.dumps([{'user': user, 'tags': []} for user in users])
    execs = {testing.Exec(['install']), testing.Exec(CONTROL), testing.Exec([*CONTROL, 'list_users'], stdout=listed)}
    container = testing.Container('rabbitmq', can_connect=True, execs=execs)
    values = {'leader': True, 'containers': {container}, 'relations': clients, 'model': testing.Model('m')}
    return testing.State(**(values | changes))


def _client(told: dict[str, str] | None = None, **asked: str) -> testing.Relation:
    return testing.Relation('amqp', 'rabbitmq', remote_app_data=ASKED | asked, local_app_data=told or {})


def _done(ctx: testing.Context[RabbitmqCharm]) -> list[tuple[str, ...]]:
    """What rabbitmqctl was run with, but for questions."""
    ran = (tuple(each.command[2:]) for each in ctx.exec_history['rabbitmq'] if each.command[:2] == CONTROL)
    return [command for command in ran if command[0] != 'list_users']


def _passwords(ctx: testing.Context[RabbitmqCharm]) -> list[str]:
    """What was given by standard input."""
    return [str(each.stdin) for each in ctx.exec_history['rabbitmq'] if each.stdin]


def test_given_a_client_then_it_has_a_user_and_a_virtual_host_and_is_told_in_clear(ctx):
    client = _client()

    out = ctx.run(ctx.on.relation_changed(client), _state(client))

    told = out.get_relation(client.id).local_app_data
    assert told == {'hostname': 'rabbitmq-k8s-endpoints.m.svc.cluster.local', 'password': told['password']}
    assert _done(ctx) == [
        ('delete_user', 'guest'),
        ('add_user', 'm-worker'),
        ('add_vhost', 'm-worker'),
        ('set_permissions', '--vhost', 'm-worker', 'm-worker', '.*', '.*', '.*'),
    ]
    assert _passwords(ctx) == [told['password']]
    assert (out.unit_status, out.opened_ports) == (ops.ActiveStatus(), {testing.TCPPort(5672)})


def test_given_a_client_that_has_been_told_then_nothing_is_done(ctx):
    client = _client({'hostname': 'h', 'password': 'hush'}, vhost='another')

    out = ctx.run(ctx.on.relation_changed(client), _state(client, users=('m-worker',)))

    assert _done(ctx) == []
    assert out.get_relation(client.id).local_app_data == {'hostname': 'h', 'password': 'hush'}


def test_given_a_user_that_rabbitmq_has_lost_then_it_is_made_again_with_its_password(ctx):
    client = _client({'hostname': 'h', 'password': 'hush'})
    state = _state(client)

    ctx.run(ctx.on.pebble_ready(state.get_container('rabbitmq')), state)

    assert ('add_user', 'm-worker') in _done(ctx)
    assert _passwords(ctx) == ['hush']


def test_given_two_clients_that_ask_for_one_user_then_they_share_it(ctx):
    one, two = _client({'hostname': 'h', 'password': 'hush'}), _client(vhost='two')

    out = ctx.run(ctx.on.relation_changed(two), _state(one, two, users=('m-worker',)))

    assert _done(ctx) == [('add_vhost', 'two'), ('set_permissions', '--vhost', 'two', 'm-worker', '.*', '.*', '.*')]
    assert out.get_relation(two.id).local_app_data['password'] == 'hush'


def test_given_a_client_when_it_goes_then_its_user_goes(ctx):
    client = _client({'hostname': 'h', 'password': 'hush'})

    ctx.run(ctx.on.relation_broken(client), _state(client, users=('m-worker', 'other')))

    assert sorted(_done(ctx)) == [('delete_user', 'm-worker'), ('delete_user', 'other')]


@pytest.mark.parametrize('asked', [{}, {'username': 'u'}, {'vhost': 'v'}])
def test_given_a_client_that_has_not_said_all_then_nothing_is_told(ctx, asked):
    client = testing.Relation('amqp', 'rabbitmq', remote_app_data=asked)

    out = ctx.run(ctx.on.relation_changed(client), _state(client, users=()))

    assert _done(ctx) == []
    assert out.get_relation(client.id).local_app_data == {}


def test_given_no_container_yet_then_clients_wait(ctx):
    client = _client()
    container = testing.Container('rabbitmq', can_connect=False)

    out = ctx.run(ctx.on.relation_changed(client), _state(client, containers={container}))

    assert out.unit_status == ops.WaitingStatus('waiting for RabbitMQ')
    assert out.get_relation(client.id).local_app_data == {}


def test_given_another_unit_then_it_says_that_there_is_one_only():
    ctx = testing.Context(RabbitmqCharm, unit_id=1)

    out = ctx.run(ctx.on.config_changed(), _state())

    assert out.unit_status.message == 'this miniature has one unit: juju scale-application rabbitmq-k8s 1'


def test_given_nobody_who_can_log_in_then_that_is_no_mistake(ctx):
    ctx.run(ctx.on.config_changed(), _state(users=()))

    assert _done(ctx) == []
