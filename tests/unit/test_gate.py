"""What stops a server, what does not start it again, and what a wrong option leaves as it is."""

from __future__ import annotations

import dataclasses

import ops
import pytest
import world
from ops import pebble, testing

from probe import Health


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
