"""Actions: what they do, what they tell, and one sentence where they fail."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import typing
from typing import Any

import pytest
import world
import yaml
from fake_server import EXECUTION, FakeServer
from ops import pebble, testing
from temporal_charms.admin import Frontend
from temporal_charms.versions import SchemaVersions

from client import Namespace, Refused, Running
from probe import Health

_DESCRIBED = yaml.safe_load((pathlib.Path(__file__).parents[2] / 'actions.yaml').read_text())
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


@pytest.fixture
def act(ctx, run):
    """Runs an action in a world in which everything is in place, or in another one."""

    def _act(action: str, state: testing.State | None = None, /, **params: Any) -> dict[str, Any]:
        # ops.testing leaves to tests what Juju does.
        described = _DESCRIBED[action].get('params', {})
        values = {name: parameter['default'] for name, parameter in described.items() if 'default' in parameter}
        values |= {name.replace('_', '-'): value for name, value in params.items()}
        before = run(state or world.state())
        ctx.run(ctx.on.action(action, params=values), before)
        return ctx.action_results or {}

    return _act


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


def test_given_a_running_server_when_restarted_then_the_workload_is_told_why(act, server, monkeypatch):
    reasons: list[str] = []
    monkeypatch.setattr('workload.Workload.restart', lambda _, reason: reasons.append(reason))

    assert act('restart') == {'restarted': 'temporal-k8s/0'}
    assert reasons == ['action restart']


def test_given_a_server_that_does_not_start_when_restarted_then_the_action_says_so(act, server, monkeypatch):
    def restart(_: object, reason: str) -> None:
        raise pebble.ChangeError('exited quickly', typing.cast('pebble.Change', None))

    monkeypatch.setattr('workload.Workload.restart', restart)

    with pytest.raises(testing.ActionFailed, match='the server ended as it started'):
        act('restart')


def test_given_a_server_that_takes_long_to_stop_when_restarted_then_the_action_says_so(act, server, monkeypatch):
    def wait_in_vain(*_: object) -> None:
        raise pebble.TimeoutError('timed out waiting for change')

    monkeypatch.setattr('ops.Container.restart', wait_in_vain)

    with pytest.raises(testing.ActionFailed, match='the server takes long to stop, and is started after that'):
        act('restart')


def test_given_no_server_when_restarted_then_the_action_says_what_is_missing(act, server):
    with pytest.raises(testing.ActionFailed) as failed:
        act('restart', world.state(databases='none'))

    assert failed.value.message.startswith('the server does not run (blocked: no database: juju integrate')


def test_given_a_server_that_starts_then_wait_ready_waits_for_it(act, server, health, monkeypatch):
    health.answer = Health(False, 'history')
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        health.answer = Health(True, 'serving')

    monkeypatch.setattr('time.sleep', sleep)

    assert act('wait-ready')['ready'] == 'true'
    assert slept == [0.5]


@pytest.mark.parametrize('answer', [Health(False, 'history'), Health(True, 'serving', 'history')])
def test_given_a_server_that_does_not_come_to_serve_then_wait_ready_names_what_is_missing(act, server, health, answer):
    health.answer = answer

    with pytest.raises(testing.ActionFailed) as failed:
        act('wait-ready', timeout=0)

    assert failed.value.message == 'not ready after 0 s: waiting for history'


@pytest.mark.parametrize(
    ('state', 'sentence'),
    [
        (world.state(databases='none'), 'blocked: no database: juju integrate'),
        (
            world.state(containers={world.container(can_connect=False)}),
            'waiting: waiting for the container to start; this action would keep it from coming: try again',
        ),
    ],
)
def test_given_something_that_needs_a_hook_then_wait_ready_fails_at_once(act, server, state, sentence):
    with pytest.raises(testing.ActionFailed) as failed:
        act('wait-ready', state)

    assert failed.value.message.startswith(sentence)


def test_given_a_server_that_serves_then_it_may_be_upgraded_to_a_release_of_the_same_minor(act, server):
    versions = '{"persistence": "1.19", "visibility": "1.14"}'

    assert act('pre-upgrade-check', version='1.32.3') == {
        'from': '1.32.2',
        'to': '1.32.3',
        'schema-found': versions,
        'schema-needed': versions,
    }


@pytest.mark.parametrize(
    ('version', 'sentence'),
    [
        ('', 'version must be like 1.32.2, not empty'),
        ('latest', 'version must be like 1.32.2, not latest'),
        ('1.32', 'version must be like 1.32.2, not 1.32'),
        ('1.32.2.7', 'version must be like 1.32.2, not 1.32.2.7'),
        (f'{"9" * 5000}.1.1', f'version must be like 1.32.2, not {"9" * 40}'),
        ('1.99.0', 'this charm runs 1.31 and 1.32, not 1.99.0'),
    ],
)
def test_given_a_version_that_cannot_be_run_then_the_check_says_so(act, server, version, sentence):
    with pytest.raises(testing.ActionFailed) as failed:
        act('pre-upgrade-check', version=version)

    assert failed.value.message == sentence


def test_given_a_version_that_may_not_follow_then_the_check_says_so(act, server, monkeypatch):
    monkeypatch.setattr('temporal_charms.versions.check_upgrade', lambda from_, to: 'one minor at a time')

    with pytest.raises(testing.ActionFailed, match='one minor at a time'):
        act('pre-upgrade-check', world.state(), version='1.31.2')


def test_given_a_server_that_does_not_serve_then_it_is_not_to_be_upgraded(act, server, health):
    health.answer = Health(False, 'history')

    with pytest.raises(testing.ActionFailed) as failed:
        act('pre-upgrade-check', version='1.32.3')

    assert failed.value.message == 'the server is to be upgraded while it serves (waiting: waiting for history)'


def test_given_a_schema_that_is_too_old_for_the_version_then_the_check_names_the_admin_charm(act, server, monkeypatch):
    needed = {(1, 31): SchemaVersions('1.19', '1.14'), (1, 32): SchemaVersions('1.20', '1.14')}
    state = world.state(containers={world.container('1.31.2')})
    monkeypatch.setattr('temporal_charms.versions.REQUIRED_SCHEMA', needed)

    with pytest.raises(testing.ActionFailed) as failed:
        act('pre-upgrade-check', state, version='1.32.2')

    assert failed.value.message == (
        'the schema is older than 1.32.2 needs: give the admin charm an image of 1.32.2 first'
    )


def _running(*counts: tuple[str, int]) -> tuple[Running, ...]:
    return tuple(Running(name, count, (EXECUTION,) if count else ()) for name, count in counts)


def _fits(results: dict[str, str]) -> bool:
    return all(len(value.encode()) < 128 * 1024 for value in results.values())


def test_given_more_namespaces_than_a_result_can_hold_then_all_are_counted_and_the_first_are_shown(act, server):
    server.known = {
        name: Namespace(name, 'j', description='x' * 200, retention=DAY)
        for name in (f'name-{n:05}' for n in range(9000))
    }

    found = act('list-namespaces')

    assert _fits(found)
    assert found['count'] == '9000'
    assert found['names'].startswith('name-00000,name-00001,')
    assert json.loads(found['namespaces'])[0]['name'] == 'name-00000'
    assert found['names-note'].endswith('of 9000: more cannot be shown')
    assert found['namespaces-note'].endswith('of 9000: more cannot be shown')
    for form in ('text', 'json'):
        report = act('status-report', format=form)
        assert _fits(report)
        assert report['report-note']
        assert form == 'text' or json.loads(report['report'])['unit'] == 'temporal-k8s/0'


def test_given_more_workflows_that_run_than_a_result_can_hold_then_removal_is_refused_all_the_same(act, ctx, server):
    server.found = tuple(Running(f'name-{n:05}', 20, (EXECUTION,) * 20) for n in range(9000))

    with pytest.raises(testing.ActionFailed) as failed:
        act('prepare-removal')

    assert '20 in name-00009, 179800 in 8990 more)' in failed.value.message
    assert _fits(ctx.action_results)
    assert ctx.action_results['running'] == '180000'
    assert json.loads(ctx.action_results['executions'])[0]['namespace'] == 'name-00000'
    assert ctx.action_results['executions-note'].endswith('of 180000: more cannot be shown')


def test_given_nothing_that_runs_then_the_server_may_be_removed(act, server):
    server.found = _running(('orders', 0))

    assert act('prepare-removal') == {'running': '0', 'namespaces': '{}', 'executions': '[]'}


def test_given_workflows_that_run_then_removal_is_refused_and_they_are_named(act, ctx, server):
    server.found = _running(('jobs', 2), ('orders', 0), ('stock', 1))

    with pytest.raises(testing.ActionFailed) as failed:
        act('prepare-removal')

    assert failed.value.message == (
        'workflows are running (2 in jobs, 1 in stock): end them, or give them up with force=true'
    )
    results = ctx.action_results
    assert (results['running'], results['namespaces']) == ('3', '{"jobs": 2, "stock": 1}')
    assert json.loads(results['executions'])[0] == {'namespace': 'jobs'} | dataclasses.asdict(EXECUTION)


def test_given_workflows_that_run_when_forced_then_they_are_only_named(act, server):
    server.found = _running(('jobs', 2))

    assert act('prepare-removal', force=True)['running'] == '2'


def test_given_a_server_that_cannot_tell_what_runs_then_removal_needs_force(act, server):
    server.refusals['running'] = AWAY

    with pytest.raises(testing.ActionFailed, match='cannot tell what is running, unless with force=true'):
        act('prepare-removal')
    assert act('prepare-removal', force=True) == {'running': 'unknown', 'reason': AWAY.sentence}
