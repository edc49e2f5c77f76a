"""Namespaces: what is planned, what comes of it, and what the leader does about them in a hook."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
import world
from fake_server import FakeServer
from ops import testing
from temporal_charms.admin import Frontend

import layer
import namespaces
from client import Namespace, Refused
from declared import Wanted
from namespaces import AddSearchAttributes, Conflict, Register, Update
from probe import Health

DAY = 86400
ORDERS = Namespace('orders', 'o', retention=3 * DAY, description='Orders', data={'team': 'shop'})
LATER = Refused('Not enough hosts to serve the request', 'Unavailable')
NEVER = Refused('Request unauthorized.', 'PermissionDenied')


@pytest.mark.parametrize(
    ('wanted', 'steps'),
    [
        pytest.param([], (), id='nothing'),
        pytest.param([Wanted('orders')], (), id='there already'),
        pytest.param([Wanted('orders', 3 * DAY, 'Orders', data={'team': 'shop'})], (), id='as it is'),
        pytest.param([Wanted('stock')], (Register(Wanted('stock')),), id='new'),
        pytest.param(
            [Wanted('stock', search_attributes={'A': 'Int'})],
            (Register(Wanted('stock', search_attributes={'A': 'Int'})), AddSearchAttributes('stock', {'A': 'Int'})),
            id='new with search attributes',
        ),
        pytest.param(
            [Wanted('orders', DAY)],
            (Update('orders', {'retention': DAY}, {'retention': 3 * DAY}),),
            id='another retention',
        ),
        pytest.param(
            [Wanted('orders', description='New', owner='me', data={'team': 'shop', 'a': 'b'})],
            (
                Update(
                    'orders',
                    {'description': 'New', 'owner': 'me', 'data': {'a': 'b'}},
                    {'description': 'Orders', 'owner': '', 'data': {}},
                ),
            ),
            id='other words',
        ),
        pytest.param([Wanted('orders', DAY, managed=False)], (), id='only to be there'),
        pytest.param(
            [Wanted('orders', DAY), Wanted('orders', 2 * DAY)],
            (Update('orders', {'retention': DAY}, {'retention': 3 * DAY}),),
            id='twice',
        ),
    ],
)
def test_given_namespaces_then_the_plan_makes_them_as_wanted(wanted, steps):
    assert namespaces.plan([ORDERS], wanted) == steps


@pytest.mark.parametrize(
    ('wanted', 'steps'),
    [
        ({'A': 'Int'}, ()),
        ({'A': 'Int', 'B': 'Text'}, (AddSearchAttributes('orders', {'B': 'Text'}),)),
        (
            {'A': 'Text', 'B': 'Text'},
            (
                Conflict(
                    'orders', 'search attribute A of namespace orders is Int, not Text, and its type cannot be changed'
                ),
                AddSearchAttributes('orders', {'B': 'Text'}),
            ),
        ),
    ],
)
def test_given_search_attributes_then_they_are_added_and_never_changed(wanted, steps):
    observed = dataclasses.replace(ORDERS, search_attributes={'A': 'Int', 'Other': 'Bool'})

    assert namespaces.plan([observed], [Wanted('orders', search_attributes=wanted)]) == steps


@pytest.mark.parametrize(
    ('step', 'text'),
    [
        (Register(Wanted('orders')), 'namespace orders: registered'),
        (
            Update('orders', {'retention': DAY, 'owner': 'me'}, {'retention': 3 * DAY, 'owner': ''}),
            "namespace orders: retention 1d, not 3d; owner 'me', not ''",
        ),
        (AddSearchAttributes('orders', {'B': 'Int', 'A': 'Text'}), 'namespace orders: with search attributes A (Text)'),
        (Conflict('orders', 'impossible'), 'impossible'),
    ],
)
def test_given_a_step_then_it_says_what_it_does(step, text):
    assert str(step).startswith(text)


def test_given_a_plan_when_carried_out_then_nothing_is_left_to_do():
    server = FakeServer(ORDERS)
    wanted = [Wanted('orders', DAY, data={'a': 'b'}), Wanted('stock', search_attributes={'A': 'Int'})]

    assert namespaces.carry_out(server, namespaces.plan(server.namespaces(), wanted)) == {}

    assert namespaces.plan(server.namespaces(), wanted) == ()
    assert server.known['stock'].retention == 3 * DAY
    assert server.known['orders'].data == {'team': 'shop', 'a': 'b'}


def test_given_a_namespace_that_somebody_else_has_just_made_when_registered_then_it_is_no_failure():
    assert namespaces.carry_out(FakeServer(ORDERS), [Register(Wanted('orders'))]) == {}


def test_given_a_refused_step_then_others_are_done_as_far_as_they_can_be():
    server = FakeServer(ORDERS)
    server.refusals['register'] = NEVER
    wanted = [Wanted('stock', search_attributes={'A': 'Int'}), Wanted('orders', DAY)]

    problems = namespaces.carry_out(server, namespaces.plan(server.namespaces(), wanted))

    assert problems == {'stock': namespaces.Problem('namespace stock: Request unauthorized.', missing=True)}
    assert server.asked == [('update', 'orders')]


# In the charm.


@pytest.fixture
def server(monkeypatch, health) -> FakeServer:
    """A server that serves, and has one namespace."""
    health.answer = Health(True, 'serving')
    return FakeServer(ORDERS).install(monkeypatch)


def _config(**wanted: object) -> dict[str, str]:
    return {'declared-namespaces': json.dumps(wanted)}


def _client(**changes) -> testing.Relation:
    return testing.Relation('temporal-host-info', remote_app_name='worker', **changes)


def _with(relation: testing.Relation, **changes) -> testing.State:
    state = world.state(**changes)
    return dataclasses.replace(state, relations=[*state.relations, relation])


def test_given_nothing_declared_and_nothing_asked_for_then_the_server_is_not_asked(run, server):
    out = run(_with(_client()))

    assert server.conversations == []
    assert world.only(out, 'temporal-host-info').local_app_data == {
        'host': 'temporal-k8s.m.svc.cluster.local',
        'port': '7233',
    }
    assert out.unit_status == ops.ActiveStatus()


def test_given_declared_namespaces_then_they_are_made_and_changed_by_one_conversation(run, server):
    config = _config(orders={'retention': '1d'}, stock={'search-attributes': {'A': 'Int'}})

    out = run(world.state(config=config))

    assert server.conversations == [(Frontend('127.0.0.1', 7233), 10.0)]
    assert server.known['orders'].retention == DAY
    assert server.known['stock'].search_attributes == {'A': 'Int'}
    assert json.loads(world.only(out, 'peer').local_app_data['declared']) == {'orders': True, 'stock': True}
    assert out.unit_status == ops.ActiveStatus()


@pytest.mark.parametrize('why', ['a follower', 'a server that does not serve', 'a wrong option'])
def test_given_declared_namespaces_when_this_unit_cannot_make_them_then_the_server_is_not_asked(
    run, server, health, why
):
    config = _config(stock={})
    if why == 'a wrong option':
        config['log-level'] = 'loud'
    if why == 'a server that does not serve':
        health.answer = Health(False, 'history')

    run(world.state(config=config, leader=why != 'a follower'))

    assert server.conversations == []


def test_given_a_declared_namespace_when_no_longer_declared_then_it_is_logged_once_and_stays(ctx, run, server):
    first = run(world.state(config=_config(orders={})))

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={}))
    ctx.run(ctx.on.config_changed(), second)

    said = 'namespace orders is no longer declared: it stays as it is'
    assert [line.message for line in ctx.juju_log].count(said) == 1
    assert 'orders' in server.known
    assert json.loads(world.only(second, 'peer').local_app_data['declared']) == {'orders': False}


def test_given_a_declared_namespace_when_the_option_becomes_wrong_then_it_still_counts_as_declared(ctx, run, server):
    first = run(world.state(config=_config(orders={})))

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'declared-namespaces': 'a: b: c'}))

    assert json.loads(world.only(out, 'peer').local_app_data['declared']) == {'orders': True}
    assert isinstance(out.unit_status, ops.BlockedStatus)


def test_given_a_search_attribute_of_another_type_then_blocked_names_the_option(run, server):
    server.known['orders'] = dataclasses.replace(ORDERS, search_attributes={'A': 'Int'})

    out = run(world.state(config=_config(orders={'search-attributes': {'A': 'Text'}})))

    assert out.unit_status == ops.BlockedStatus(
        'declared-namespaces: search attribute A of namespace orders is Int, not Text, and its type cannot be changed'
    )


@pytest.mark.parametrize('command', ['namespaces', 'register'])
def test_given_a_server_that_refuses_for_now_then_it_is_asked_again_in_a_moment(run, server, command):
    server.refusals[command] = LATER

    out = run(world.state(config=_config(stock={})))

    assert isinstance(out.unit_status, ops.WaitingStatus)
    assert 'Not enough hosts' in out.unit_status.message
    services = out.get_container('temporal').service_statuses
    assert services['again'] == ops.pebble.ServiceStatus.ACTIVE
    assert layer.NOTICE not in out.get_container('temporal').plan.services['again'].command


def test_given_a_server_that_goes_on_refusing_then_it_is_asked_again_each_time(ctx, run, server):
    server.refusals['register'] = LATER
    first = run(world.state(config=_config(stock={})))
    second = ctx.run(ctx.on.update_status(), first)
    del server.refusals['register']

    third = ctx.run(ctx.on.update_status(), second)

    assert second.unit_status == first.unit_status
    assert third.unit_status == ops.ActiveStatus()
    assert 'stock' in server.known


def test_given_a_problem_when_an_action_runs_then_the_status_stays(ctx, run, server):
    server.refusals['register'] = NEVER
    first = run(world.state(config=_config(stock={})))
    assert isinstance(first.unit_status, ops.BlockedStatus)

    out = ctx.run(ctx.on.action('list-namespaces'), first)

    assert out.unit_status == first.unit_status


# On temporal-host-info.


def _told(out: testing.State) -> dict[str, str]:
    data = world.only(out, 'temporal-host-info').local_app_data
    return {key: value for key, value in data.items() if key.startswith('namespace')}


def test_given_a_client_that_asks_for_a_namespace_then_it_is_made_and_granted(run, server):
    out = run(_with(_client(remote_app_data={'namespace': 'jobs', 'retention': '7d'})))

    assert server.known['jobs'].retention == 7 * DAY
    assert _told(out) == {'namespace': 'jobs', 'namespace_status': 'granted'}


def test_given_a_client_that_asks_for_a_namespace_that_is_there_then_it_is_granted_as_it_is(run, server):
    out = run(_with(_client(remote_app_data={'namespace': 'orders', 'retention': '7d'})))

    assert server.known['orders'] == ORDERS
    assert _told(out) == {'namespace': 'orders', 'namespace_status': 'granted'}


def test_given_a_granted_namespace_when_it_is_deleted_then_it_does_not_come_back(ctx, run, server):
    first = run(_with(_client(remote_app_data={'namespace': 'jobs'})))
    del server.known['jobs']

    out = ctx.run(ctx.on.update_status(), first)

    assert len(server.conversations) == 1
    assert _told(out) == {'namespace': 'jobs', 'namespace_status': 'granted'}


@pytest.mark.parametrize(
    ('asked', 'reason'),
    [
        (
            {'namespace': 'temporal-system'},
            'namespace temporal-system: temporal-system is where Temporal keeps its own workflows',
        ),
        (
            {'namespace': 'jobs', 'retention': 'long'},
            'namespace jobs: retention must be hours or days, like 72h or 3d, not long',
        ),
    ],
)
def test_given_a_client_that_asks_for_nonsense_then_it_is_told_so_and_the_server_is_not_asked(
    run, server, asked, reason
):
    out = run(_with(_client(remote_app_data=asked)))

    assert _told(out) == {'namespace_status': 'refused', 'namespace_reason': reason}
    assert server.conversations == []
    assert out.unit_status == ops.ActiveStatus()


@pytest.mark.parametrize(
    ('refusal', 'told'),
    [
        (LATER, {'namespace_status': 'pending'}),
        (NEVER, {'namespace_status': 'refused', 'namespace_reason': 'namespace jobs: Request unauthorized.'}),
    ],
)
def test_given_a_server_that_refuses_then_the_client_is_told_whether_to_wait(run, server, refusal, told):
    server.refusals['register'] = refusal

    out = run(_with(_client(remote_app_data={'namespace': 'jobs'})))

    assert _told(out) == told


def test_given_a_server_that_does_not_serve_yet_then_the_client_waits_for_its_namespace(ctx, run, server, health):
    health.answer = Health(False, 'history')
    first = run(_with(_client(remote_app_data={'namespace': 'jobs'})))
    assert _told(first) == {'namespace_status': 'pending'}
    health.answer = Health(True, 'serving')

    assert _told(ctx.run(ctx.on.update_status(), first)) == {'namespace': 'jobs', 'namespace_status': 'granted'}


def test_given_a_conflict_in_what_is_declared_then_a_client_of_that_namespace_gets_it_all_the_same(run, server):
    server.known['orders'] = dataclasses.replace(ORDERS, search_attributes={'A': 'Int'})
    config = _config(orders={'search-attributes': {'A': 'Text'}})

    out = run(_with(_client(remote_app_data={'namespace': 'orders'}), config=config))

    assert _told(out) == {'namespace': 'orders', 'namespace_status': 'granted'}


def test_given_an_application_without_a_frontend_then_it_tells_clients_nothing(run, server):
    out = run(_with(_client(remote_app_data={'namespace': 'jobs'}), config={'services': 'history'}))

    assert world.only(out, 'temporal-host-info').local_app_data == {}
    assert server.conversations == []
