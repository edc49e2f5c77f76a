"""What stops a server, what does not start it again, and what a wrong option leaves as it is."""

from __future__ import annotations

import dataclasses

import ops
import pytest
import world
from ops import pebble, testing
from temporal_charms.cluster import Member

from probe import Health

_MEMBER = Member('h', ('history',), 1, 7).dump()


def _status(state: testing.State) -> object:
    return state.get_container('temporal').service_statuses['temporal']


@pytest.mark.parametrize('others', [{}, {1: ''}], ids=['alone', 'among others'])
def test_given_a_server_that_was_stopped_when_its_schema_is_not_known_yet_then_nothing_starts_it(
    ctx, run, health, others
):
    health.answer = Health(True, 'serving')
    first = run(world.among_peers(world.state(), told={}, others=others))
    gone = ctx.run(ctx.on.relation_broken(world.only(first, 'db')), first)
    assert _status(gone) == pebble.ServiceStatus.INACTIVE

    health.answer = Health(False, 'frontend')
    other = dataclasses.replace(world.legacy('db'), remote_app_name='another')
    relations = [*world.without(gone.relations, 'admin', 'db'), other, world.admin_relation({})]
    back = ctx.run(ctx.on.relation_changed(other), dataclasses.replace(gone, relations=relations))

    assert _status(back) == pebble.ServiceStatus.INACTIVE
    assert back.unit_status == ops.WaitingStatus('waiting for the admin charm to report the schema')


def test_given_a_server_that_crashes_when_a_database_goes_then_it_is_started_no_more(ctx, run, monkeypatch):
    """ops.testing does not know what Pebble says between two starts."""
    first = run(world.state())
    services, stop, stopped = ops.Container.get_services, ops.Container.stop, []

    def between_starts(container: ops.Container, *names: str) -> dict[str, pebble.ServiceInfo]:
        waiting = pebble.ServiceInfo('temporal', pebble.ServiceStartup.ENABLED, 'backoff')
        return {**services(container, *names), 'temporal': waiting}

    def count(container: ops.Container, *names: str) -> None:
        stopped.extend(names)
        stop(container, *names)

    monkeypatch.setattr(ops.Container, 'get_services', between_starts)
    monkeypatch.setattr(ops.Container, 'stop', count)

    ctx.run(ctx.on.relation_broken(world.only(first, 'db')), first)

    assert set(stopped) == {'temporal', 'temporal-health'}


@pytest.mark.parametrize(
    'config',
    [{'services': 'frontnd,history,matching,worker'}, {'external-hostname': 'Bad Host'}, {'log-level': 'loud'}],
)
def test_given_a_wrong_option_then_nothing_is_taken_from_those_who_use_the_server(ctx, run, health, config):
    health.answer = Health(True, 'serving')
    endpoints = {'ingress': 'nginx', 'nginx-route': 'nginx', 'temporal-host-info': 'worker'}
    users = [testing.Relation(name, remote_app_name=app) for name, app in endpoints.items()]
    state = world.state()
    first = run(dataclasses.replace(state, relations=[*state.relations, *users]))

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config=config))

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.opened_ports == first.opened_ports == {testing.TCPPort(7233)}
    for name in endpoints:
        assert world.only(out, name).local_app_data == world.only(first, name).local_app_data != {}


@pytest.mark.parametrize('call', ['can_connect', 'get_services'])
def test_given_a_server_that_runs_when_pebble_fails_to_answer_once_then_it_goes_on(ctx, run, health, monkeypatch, call):
    health.answer = Health(True, 'serving')
    first = run(world.state())
    answers, failures = getattr(ops.Container, call), iter([True])

    def fail_once(container: ops.Container, *names: str) -> object:
        if next(failures, False):
            if call == 'can_connect':
                return False
            raise pebble.ConnectionError('no answer')
        return answers(container, *names)

    monkeypatch.setattr(ops.Container, call, fail_once)

    out = ctx.run(ctx.on.update_status(), first)

    assert _status(out) == pebble.ServiceStatus.ACTIVE
    assert out.unit_status == ops.WaitingStatus('waiting for the container to start')


def test_given_a_secret_that_juju_cannot_read_now_when_it_has_changed_then_the_hook_is_to_be_run_again(
    ctx, run, health, monkeypatch
):
    health.answer = Health(True, 'serving')
    first = run(world.state(databases='current'))

    def fail(*_: object, **__: object) -> None:
        raise ops.ModelError('ERROR connection is shut down')

    with monkeypatch.context() as patched:
        patched.setattr(ops.Secret, 'get_content', fail)
        with pytest.raises(testing.errors.UncaughtCharmError):
            ctx.run(ctx.on.secret_changed(next(each for each in first.secrets if not each.owner)), first)
        out = ctx.run(ctx.on.update_status(), first)

    assert _status(out) == pebble.ServiceStatus.ACTIVE
    assert out.unit_status == ops.ActiveStatus()


def _join(state: testing.State) -> testing.Relation:
    return testing.Relation('join-cluster', 'temporal_cluster', remote_app_name='front')


def _other_kind(state: testing.State) -> testing.Relation:
    return world.current('database')[0]


@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (
            _other_kind,
            'two kinds of database relation (db, visibility, database), remove those of one kind: '
            'juju remove-relation temporal-k8s:database postgresql-k8s',
        ),
        (
            _join,
            'temporal-k8s is itself a member of the cluster of front: juju remove-relation '
            'h:join-cluster temporal-k8s:cluster, and integrate it with front:cluster',
        ),
    ],
)
def test_given_a_server_that_runs_when_a_relation_too_many_comes_then_it_goes_on_and_nobody_is_told_otherwise(
    ctx, run, health, make, message
):
    health.answer = Health(True, 'serving')
    member = testing.Relation('cluster', 'temporal_cluster', remote_app_name='h', remote_app_data=_MEMBER)
    state = world.state()
    first = run(dataclasses.replace(state, relations=[*state.relations, member]))
    more = make(first)

    out = ctx.run(ctx.on.relation_created(more), dataclasses.replace(first, relations=[*first.relations, more]))

    assert (out.unit_status.name, out.unit_status.message) == ('blocked', message)
    assert _status(out) == pebble.ServiceStatus.ACTIVE
    for endpoint in ('admin', 'cluster'):
        assert world.only(out, endpoint).local_app_data == world.only(first, endpoint).local_app_data != {}


def test_given_a_server_that_takes_long_to_stop_then_pebble_is_left_to_it(ctx, run, health, monkeypatch):
    health.answer = Health(True, 'serving')
    first = run(world.state())

    def wait_in_vain(*_: object, **__: object) -> None:
        raise pebble.TimeoutError('timed out waiting for change')

    monkeypatch.setattr(ops.Container, 'replan', wait_in_vain)
    monkeypatch.setattr(ops.Container, 'stop', wait_in_vain)
    health.answer = Health(False, 'frontend')

    restarts = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'log-level': 'debug'}))
    stops = ctx.run(ctx.on.relation_broken(world.only(first, 'db')), first)

    assert restarts.unit_status == ops.WaitingStatus('waiting for frontend')
    assert stops.unit_status.name == 'blocked'
