"""What a change restarts, why, and whose turn it is."""

from __future__ import annotations

import dataclasses
import json

import pytest
import world
import yaml
from ops import pebble, testing
from temporal_charms import turns

import conditions
import facts
from probe import Health

DYNAMIC = '/etc/temporal/dynamic-config.yaml'
JOURNAL = '/etc/temporal-charm/restarts.jsonl'


def _server(state: testing.State) -> pebble.Service:
    return state.get_container('temporal').plan.services['temporal']


def _journal(ctx: testing.Context, state: testing.State) -> list[tuple[str, list[str]]]:
    lines = world.file(ctx, state, JOURNAL).splitlines()
    return [(entry['what'], entry['why']) for entry in map(json.loads, lines)]


def _judge(ctx: testing.Context, state: testing.State, output: str = '') -> testing.State:
    """The same world, with a validator of dynamic configurations that says something."""
    command = ['temporal-server', 'validate-dynamic-config']
    container = state.get_container('temporal')
    judge = testing.Exec(command, stdout=f'/some/file\n{output}')
    return dataclasses.replace(state, containers={dataclasses.replace(container, execs={*container.execs, judge})})


@pytest.mark.parametrize(
    ('option', 'value', 'why'),
    [
        ('log-level', 'debug', ['log-level']),
        ('persistence-max-conns', 6, ['persistence-max-conns']),
        ('visibility-max-conns', 3, ['visibility-max-conns']),
        ('global-rps-limit', 10, None),
        ('namespace-rps-limit', 'orders:10', None),
        ('dynamic-config', 'limit.blobSize.error: [{value: 1}]', None),
        ('external-hostname', 'temporal.example.com', None),
    ],
)
def test_given_a_running_server_when_an_option_changes_then_it_is_restarted_or_not_and_the_journal_says_why(
    ctx, run, health, option, value, why
):
    health.answer = Health(True)
    first = _judge(ctx, run(world.state()))

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={option: value}))

    assert (_server(first) != _server(second)) is (why is not None)
    done = _journal(ctx, second)[1:]
    if option == 'external-hostname':
        assert done == []
    else:
        assert done == [('restart', why) if why else ('reload', ['dynamic configuration'])]


def test_given_a_running_cluster_when_services_change_then_the_server_is_restarted_with_its_roles(ctx, run):
    member = testing.Relation(
        'cluster', 'temporal_cluster', remote_app_name='more',
        remote_app_data={'services': 'history', 'units': '1', 'connections': '7'},
    )  # fmt: skip
    state = world.state()
    first = run(dataclasses.replace(state, relations=[*state.relations, member]))

    second = ctx.run(
        ctx.on.config_changed(), dataclasses.replace(first, config={'services': 'worker,frontend,matching'})
    )

    assert _server(second).command.endswith('start --service frontend --service matching --service worker')
    assert _journal(ctx, second)[-1] == ('restart', ['services'])


def test_given_a_charm_that_configures_otherwise_when_refreshed_then_it_is_the_reason(ctx, run, monkeypatch):
    first = run(world.state())
    monkeypatch.setattr('settings.CONFIG_FILE', '/etc/temporal/other.yaml')

    second = ctx.run(ctx.on.upgrade_charm(), first)

    assert _journal(ctx, second)[-1] == ('restart', ['charm'])


def test_given_limits_then_the_dynamic_configuration_has_them(ctx, run):
    config = {'namespace-rps-limit': 'orders:10', 'global-rps-limit': 77}
    content = yaml.safe_load(world.file(ctx, run(world.state(config=config)), DYNAMIC))

    assert content['frontend.namespaceRPS'] == [
        {'value': 10, 'constraints': {'namespace': 'orders'}},
        {'value': 77},
    ]
    assert content['limit.maxIDLength'] == [{'value': 255}]
    assert 'history.shutdownDrainDuration' not in content


@pytest.mark.parametrize('key', ['frontend.namespaceRPS', 'Frontend.NamespaceRps', 'frontend.namespacerps'])
def test_given_a_dynamic_configuration_of_the_operators_then_it_wins_in_any_case(ctx, run, key):
    state = _judge(ctx, world.state(config={'dynamic-config': f'{key}: [{{value: 5}}]'}))

    content = yaml.safe_load(world.file(ctx, run(state), DYNAMIC))

    limits = {name: values for name, values in content.items() if name.lower() == 'frontend.namespacerps'}
    assert limits == {key: [{'value': 5}]}
    assert 'limit.maxIDLength' in content


def test_given_a_dynamic_configuration_when_the_validator_objects_then_the_old_one_stays_and_it_is_asked_once(ctx, run):
    state = _judge(ctx, run(world.state()), '  warning: unregistered key "a"\n  error: b\n')
    before = world.file(ctx, state, DYNAMIC)

    first = ctx.run(ctx.on.config_changed(), dataclasses.replace(state, config={'dynamic-config': 'a: [{value: 1}]'}))
    second = ctx.run(ctx.on.update_status(), first)

    assert second.unit_status.message == 'dynamic-config: unregistered key "a"; b'
    assert second.unit_status.name == 'blocked'
    assert world.file(ctx, second, DYNAMIC) == before
    asked = [e for e in ctx.exec_history['temporal'] if e.command[1] == 'validate-dynamic-config']
    assert len(asked) == 1


def test_given_a_validator_that_comes_to_no_end_then_the_configuration_stays_and_it_is_asked_again(ctx, run):
    state = run(world.state())
    container = state.get_container('temporal')
    killed = testing.Exec(['temporal-server', 'validate-dynamic-config'], return_code=137)
    containers = {dataclasses.replace(container, execs={*container.execs, killed})}
    before = world.file(ctx, state, DYNAMIC)

    config = {'dynamic-config': 'a: [{value: 1}]'}
    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(state, containers=containers, config=config))

    assert out.unit_status.message.startswith('dynamic-config: not checked yet, ')
    assert world.file(ctx, out, DYNAMIC) == before
    assert 'again' in out.get_container('temporal').service_statuses


def test_given_names_that_look_like_numbers_then_the_server_reads_texts(ctx, run):
    """Its parser takes "12e45" for a number, and PyYAML sees no need to quote it."""
    out = run(world.state(config={'namespace-rps-limit': '12e45:100|0o17:5'}))

    content = world.file(ctx, out, DYNAMIC)
    assert '"12e45"' in content
    assert '"0o17"' in content


def test_given_an_image_without_a_server_when_it_cannot_judge_then_the_image_is_what_is_wrong(run):
    missing = testing.Exec(['temporal-server'], return_code=127, stderr='not found')
    state = world.state(config={'dynamic-config': 'a: [{value: 1}]'}, containers={world.container(execs={missing})})

    assert run(state).unit_status.message.startswith('temporal-server-image has no temporal-server')


@pytest.mark.parametrize(
    ('requests', 'turn', 'granted'),
    [
        ({}, '', ''),
        ({}, 'a/1', ''),
        ({'a/10': 'x', 'a/9': 'x'}, '', 'a/9'),
        ({'a/0': 'x', 'a/1': 'x'}, 'a/1', 'a/1'),
        ({'a/0': 'x'}, 'a/7', 'a/0'),
    ],
)
def test_given_requests_then_one_unit_has_the_turn_until_it_wants_nothing_more(requests, turn, granted):
    assert turns.grant(requests, turn) == granted


def _changed(state: testing.State) -> testing.State:
    return dataclasses.replace(state, config={'log-level': 'debug'})


def test_given_several_units_when_a_restart_is_owed_then_a_follower_asks_and_goes_on_as_it_is(ctx, run, health):
    health.answer = Health(True)
    first = run(world.among_peers(world.state(leader=False), told={}, others={1: '', 2: ''}))
    before = world.file(ctx, first, '/etc/temporal/config.yaml')

    second = ctx.run(ctx.on.config_changed(), _changed(first))

    assert _server(first) == _server(second)
    assert world.file(ctx, second, '/etc/temporal/config.yaml') == before
    assert world.only(second, 'peer').local_unit_data['restart'] == 'log-level'
    assert second.unit_status == testing.ActiveStatus('restarts after the leader (log-level)')


def test_given_a_request_of_a_unit_when_it_is_alone_then_it_takes_that_back(ctx, run):
    state = world.among_peers(run(world.state()), told={}, mine='log-level', others={})

    assert not world.only(run(state), 'peer').local_unit_data.get('restart')


def test_given_its_turn_when_told_then_a_follower_restarts_and_gives_the_turn_back_when_it_serves(ctx, run, health):
    first = _changed(run(world.among_peers(world.state(leader=False), told={}, others={1: ''})))
    told = world.among_peers(first, told={'turn': 'temporal-k8s/0'}, mine='log-level', others={1: ''})

    second = ctx.run(ctx.on.relation_changed(world.only(told, 'peer')), told)

    assert _server(first) != _server(second)
    assert world.only(second, 'peer').local_unit_data['restart'] == 'log-level'
    health.answer = Health(True)
    third = ctx.run(ctx.on.update_status(), second)
    assert 'restart' not in world.only(third, 'peer').local_unit_data


def test_given_another_units_turn_when_a_restart_is_owed_then_the_leader_waits_for_it(ctx, run, health):
    health.answer = Health(True)
    first = _changed(run(world.among_peers(world.state(), told={}, others={1: ''})))
    busy = world.among_peers(first, told={'turn': 'temporal-k8s/1'}, others={1: 'log-level'})

    second = ctx.run(ctx.on.config_changed(), busy)

    assert _server(first) == _server(second)
    assert second.unit_status == testing.ActiveStatus('restarts after temporal-k8s/1 (log-level)')
    done = world.among_peers(second, told={'turn': 'temporal-k8s/1'}, mine='log-level', others={1: ''})
    third = ctx.run(ctx.on.relation_changed(world.only(done, 'peer')), done)
    assert world.only(third, 'peer').local_app_data['turn'] == 'temporal-k8s/0'
    assert _server(third) != _server(second)


def test_given_a_restarted_server_that_crashes_then_its_unit_keeps_the_turn(ctx, run, health):
    """Between two crashes Pebble calls the service neither active nor inactive."""
    first = _changed(run(world.among_peers(world.state(), told={}, others={1: ''})))
    told = {'turn': 'temporal-k8s/0'}
    crashed = world.among_peers(first, told=told, mine='log-level', others={1: 'log-level'})
    container = crashed.get_container('temporal')
    statuses = {**container.service_statuses, 'temporal': pebble.ServiceStatus.ERROR}
    crashed = dataclasses.replace(crashed, containers={dataclasses.replace(container, service_statuses=statuses)})

    out = ctx.run(ctx.on.update_status(), crashed)

    assert world.only(out, 'peer').local_app_data['turn'] == 'temporal-k8s/0'
    assert world.only(out, 'peer').local_unit_data['restart'] == 'log-level'


def test_given_a_unit_that_may_not_run_any_more_then_it_gives_its_turn_back(ctx, run, health):
    first = _changed(run(world.among_peers(world.state(), told={}, others={1: ''})))
    state = world.among_peers(first, told={'turn': 'temporal-k8s/0'}, mine='log-level', others={1: 'log-level'})
    relations = world.without(state.relations, 'admin')

    out = ctx.run(ctx.on.update_status(), dataclasses.replace(state, relations=relations))

    assert world.only(out, 'peer').local_app_data['turn'] == 'temporal-k8s/1'


def test_given_the_turn_of_a_unit_that_is_gone_when_it_departs_then_the_next_one_gets_it(ctx, run, health):
    health.answer = Health(True)
    first = run(world.among_peers(world.state(), told={}, others={1: ''}))
    gone = world.among_peers(first, told={'turn': 'temporal-k8s/9'}, others={1: 'log-level'})

    out = ctx.run(ctx.on.relation_departed(world.only(gone, 'peer'), remote_unit=9), gone)

    assert world.only(out, 'peer').local_app_data['turn'] == 'temporal-k8s/1'


def test_given_several_units_then_a_server_that_stops_hands_over(ctx, run):
    out = run(world.among_peers(world.state(), told={}, others={1: ''}))

    assert yaml.safe_load(world.file(ctx, out, DYNAMIC))['history.shutdownDrainDuration'] == [{'value': '2s'}]


def test_given_a_blocked_unit_among_others_then_kubernetes_sends_no_client_to_it(ctx, run):
    state = world.among_peers(world.state(), told={}, others={1: ''})
    relations = world.without(state.relations, 'admin')

    out = run(dataclasses.replace(state, relations=relations))

    container = out.get_container('temporal')
    assert set(container.plan.checks) == {'started'}
    assert not container.plan.services


def test_given_a_container_that_goes_away_while_it_is_looked_at_then_it_is_as_good_as_none(monkeypatch, ctx, run):
    def gone(*_: object) -> None:
        raise pebble.ConnectionError('gone')

    monkeypatch.setattr(facts, 'image_version', gone)

    out = ctx.run(ctx.on.update_status(), world.state())

    assert out.unit_status.message == 'waiting for the container to start'


def test_given_the_lists_then_each_condition_has_a_name_of_its_own():
    names = [condition.name for condition in (*conditions.CONDITIONS, *conditions.OUTCOMES)]

    assert len(names) == len(set(names))


def test_given_a_server_that_ends_as_it_starts_then_the_status_says_so_and_no_hook_fails(run, monkeypatch):
    def fail(*_: object) -> None:
        text = 'exited quickly with code 1, will restart'
        raise pebble.ChangeError(text, pebble.Change.from_dict({
            'id': '1', 'kind': 'replan', 'summary': '', 'status': 'Error', 'ready': True, 'tasks': [], 'err': text,
            'spawn-time': '2026-01-01T00:00:00Z',
        }))  # fmt: skip

    monkeypatch.setattr('workload.workload.replan', fail)

    assert run(world.state()).unit_status == testing.WaitingStatus(
        'the server ended as it started and is started again; juju debug-log has its words'
    )


def test_given_a_unit_whose_container_is_away_then_it_keeps_the_turn(ctx, run, health):
    health.answer = Health(False, 'frontend')
    told = world.among_peers(run(world.state()), told={'turn': 'temporal-k8s/0'}, mine='image', others={1: 'image'})
    away = dataclasses.replace(told, containers={world.container(can_connect=False)})

    peer = world.only(ctx.run(ctx.on.update_status(), away), 'peer')

    assert peer.local_app_data['turn'] == 'temporal-k8s/0'
    assert peer.local_unit_data['restart'] == 'image'
