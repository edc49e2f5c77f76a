"""Actions on the life of a server: restart, wait, upgrade and removal, and one sentence where they fail."""

from __future__ import annotations

import dataclasses
import json
import typing

import pytest
import world
from fake_server import EXECUTION, FakeServer, fits
from ops import pebble, testing
from temporal_charms.versions import SchemaVersions

from client import Refused, Running
from probe import Health

AWAY = Refused('127.0.0.1:7233 does not answer: connection refused', 'Unavailable')


@pytest.fixture
def server(monkeypatch, health) -> FakeServer:
    """A server that serves."""
    health.answer = Health(True, 'serving')
    return FakeServer().install(monkeypatch)


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


def test_given_more_workflows_that_run_than_a_result_can_hold_then_removal_is_refused_all_the_same(act, ctx, server):
    server.found = tuple(Running(f'name-{n:05}', 20, (EXECUTION,) * 20) for n in range(9000))

    with pytest.raises(testing.ActionFailed) as failed:
        act('prepare-removal')

    assert '20 in name-00009, 179800 in 8990 more)' in failed.value.message
    assert fits(ctx.action_results)
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
