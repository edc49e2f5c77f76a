"""Actions on namespaces: what they do and show, and one sentence where they fail."""

from __future__ import annotations

import json

import pytest
import world
from fake_server import FakeServer, fits
from ops import testing
from temporal_charms.admin import Frontend

from client import Namespace, Refused
from probe import Health

DAY = 86400
ORDERS = Namespace('orders', 'o', 'registered', 3 * DAY, 'Orders', 'me', {'team': 'shop'}, {'A': 'Int'})
AWAY = Refused('127.0.0.1:7233 does not answer: connection refused', 'Unavailable')
SHOWN = {
    'name': 'orders',
    'id': 'o',
    'state': 'registered',
    'retention': '3d',
    'description': 'Orders',
    'owner': 'me',
    'data': '{"team": "shop"}',
    'search-attributes': '{"A": "Int"}',
}


@pytest.fixture
def server(monkeypatch, health) -> FakeServer:
    """A server that serves, and has one namespace."""
    health.answer = Health(True, 'serving')
    return FakeServer(ORDERS).install(monkeypatch)


def test_given_a_new_namespace_when_registered_then_it_is_there_and_shown(act, server):
    found = act('register-namespace', name='jobs', search_attributes='A=Int', data='a=b')

    assert server.known['jobs'].retention == 3 * DAY
    assert found['changed'] == 'true'
    assert (found['data'], found['search-attributes']) == ('{"a": "b"}', '{"A": "Int"}')
    assert server.conversations == [(Frontend('127.0.0.1', 7233), 10.0)]


@pytest.mark.parametrize('settings', [{}, {'retention': '72h', 'search_attributes': 'A=Int'}])
def test_given_a_namespace_when_registered_with_the_same_settings_then_nothing_happens(act, server, settings):
    assert act('register-namespace', name='orders', **settings) == SHOWN | {'changed': 'false'}
    assert server.asked == []


def test_given_a_namespace_when_registered_with_others_then_update_is_named(act, server):
    with pytest.raises(testing.ActionFailed) as failed:
        act('register-namespace', name='orders', retention='7d', owner='you')

    assert failed.value.message == (
        'there is another orders already: use update-namespace for namespace orders: retention 7d, not 3d; '
        "owner 'you', not 'me'"
    )
    assert server.asked == []


@pytest.mark.parametrize(
    ('name', 'settings', 'sentence'),
    [
        ('temporal-system', {}, 'temporal-system is where Temporal keeps its own workflows'),
        ('a b', {}, 'the name must have no spaces, and no letters outside ASCII'),
        ('jobs', {'retention': '3'}, 'retention must be hours or days, like 72h or 3d, not 3'),
        ('jobs', {'search_attributes': 'A'}, 'search-attributes must be like NAME=TYPE,..., not A'),
    ],
)
@pytest.mark.parametrize('action', ['register-namespace', 'update-namespace'])
def test_given_nonsense_then_one_sentence_says_so_and_the_server_is_not_asked(
    act, server, action, name, settings, sentence
):
    with pytest.raises(testing.ActionFailed) as failed:
        act(action, name=name, **settings)

    assert failed.value.message == sentence
    assert server.conversations == []


@pytest.mark.parametrize(
    ('action', 'command'), [('register-namespace', 'describe'), ('register-namespace', 'register')]
)
def test_given_a_server_that_refuses_then_its_sentence_is_told(act, server, action, command):
    server.refusals[command] = Refused('Request unauthorized.', 'PermissionDenied')

    with pytest.raises(testing.ActionFailed, match='Request unauthorized'):
        act(action, name='jobs')


def test_given_a_server_that_does_not_answer_then_the_units_status_is_told(act, server, health):
    health.answer = Health(False, 'history')
    server.refusals['namespaces'] = AWAY

    with pytest.raises(testing.ActionFailed) as failed:
        act('list-namespaces')

    assert failed.value.message == 'the server does not serve (waiting: waiting for history)'


def test_given_a_namespace_when_updated_then_what_is_given_changes_and_nothing_else(act, server):
    found = act('update-namespace', name='orders', retention='7d', search_attributes='{"B": "Text"}')

    assert found == SHOWN | {
        'retention': '7d',
        'search-attributes': '{"A": "Int", "B": "Text"}',
        'changed': 'true',
    }


def test_given_a_namespace_when_updated_to_what_it_is_then_nothing_happens(act, server):
    assert act('update-namespace', name='orders', retention='3d')['changed'] == 'false'
    assert server.asked == []


def test_given_a_search_attribute_of_another_type_when_updated_then_it_is_refused(act, server):
    with pytest.raises(testing.ActionFailed, match='search attribute A of namespace orders is Int, not Text'):
        act('update-namespace', name='orders', search_attributes='A=Text')


@pytest.mark.parametrize('action', ['update-namespace', 'delete-namespace'])
def test_given_a_declared_namespace_then_it_is_changed_by_the_option_only(act, server, action):
    state = world.state(config={'declared-namespaces': 'orders: {}'})
    params = {'confirm': 'orders'} if action == 'delete-namespace' else {'retention': '7d'}

    with pytest.raises(testing.ActionFailed) as failed:
        act(action, state, name='orders', **params)

    assert failed.value.message == 'orders is declared: change it in the option declared-namespaces'


@pytest.mark.parametrize('action', ['update-namespace', 'delete-namespace'])
def test_given_an_option_that_is_wrong_then_no_namespace_is_touched_that_may_be_declared(act, server, action):
    state = world.state(config={'declared-namespaces': 'orders: {retention: 3x}'})
    params = {'confirm': 'orders'} if action == 'delete-namespace' else {'retention': '7d'}

    with pytest.raises(testing.ActionFailed) as failed:
        act(action, state, name='orders', **params)

    assert failed.value.message.startswith('which namespaces are declared cannot be told: declared-namespaces')


@pytest.mark.parametrize('action', ['update-namespace', 'delete-namespace'])
def test_given_a_member_of_a_cluster_then_it_touches_no_namespace(act, server, action):
    joined = testing.Relation('join-cluster', remote_app_name='front')
    state = world.state(relations=[testing.PeerRelation('peer'), joined])
    params = {'confirm': 'orders'} if action == 'delete-namespace' else {'retention': '7d'}

    with pytest.raises(testing.ActionFailed) as failed:
        act(action, state, name='orders', **params)

    assert failed.value.message == 'namespaces belong to front: run the action there'


@pytest.mark.parametrize(
    ('action', 'params'),
    [('update-namespace', {}), ('describe-namespace', {}), ('delete-namespace', {'confirm': 'nope'})],
)
def test_given_no_such_namespace_then_the_action_says_so(act, server, action, params):
    with pytest.raises(testing.ActionFailed, match='there is no namespace nope'):
        act(action, name='nope', **params)


def test_given_a_namespace_that_cannot_be_looked_at_then_the_servers_sentence_is_told(act, server):
    server.refusals['describe'] = Refused('Request unauthorized.', 'PermissionDenied')

    with pytest.raises(testing.ActionFailed, match='Request unauthorized'):
        act('describe-namespace', name='orders')


def test_given_namespaces_then_they_are_described_and_listed(act, server):
    server.known['jobs'] = Namespace('jobs', 'j', retention=DAY)

    assert act('describe-namespace', name='orders') == SHOWN
    found = act('list-namespaces')
    assert (found['count'], found['names']) == ('2', 'jobs,orders')
    assert [each['retention'] for each in json.loads(found['namespaces'])] == ['1d', '3d']


def test_given_a_namespace_when_deleted_with_its_name_repeated_then_it_is_gone(act, server):
    assert act('delete-namespace', name='orders', confirm='orders') == {
        'name': 'orders',
        'deleting-as': 'orders-deleted-1234',
    }
    assert server.known == {}
    assert server.conversations == [(Frontend('127.0.0.1', 7233), 60.0)]


@pytest.mark.parametrize('params', [{}, {'confirm': 'order'}, {'confirm': 'yes'}])
def test_given_a_namespace_when_deleted_without_its_name_repeated_then_it_stays(act, server, params):
    with pytest.raises(testing.ActionFailed) as failed:
        act('delete-namespace', name='orders', **params)

    assert failed.value.message == 'this deletes orders with all its workflows: repeat the name with confirm=orders'
    assert server.conversations == []


def test_given_temporals_own_namespace_when_deleted_then_it_stays(act, server):
    with pytest.raises(testing.ActionFailed, match='temporal-system is where Temporal keeps its own workflows'):
        act('delete-namespace', name='temporal-system', confirm='temporal-system')


def test_given_more_namespaces_than_a_result_can_hold_then_all_are_counted_and_the_first_are_shown(act, server):
    server.known = {
        name: Namespace(name, 'j', description='x' * 200, retention=DAY)
        for name in (f'name-{n:05}' for n in range(9000))
    }

    found = act('list-namespaces')

    assert fits(found)
    assert found['count'] == '9000'
    assert found['names'].startswith('name-00000,name-00001,')
    assert json.loads(found['namespaces'])[0]['name'] == 'name-00000'
    assert found['names-note'].endswith('of 9000: more cannot be shown')
    assert found['namespaces-note'].endswith('of 9000: more cannot be shown')
    for form in ('text', 'json'):
        report = act('status-report', format=form)
        assert fits(report)
        assert report['report-note']
        assert form == 'text' or json.loads(report['report'])['unit'] == 'temporal-k8s/0'
