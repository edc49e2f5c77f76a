"""Several units: what restarts one waits for the others, and what repairs one does not."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
import world
from ops import pebble, testing

import plan
from loader.layout import Settings
from loader.standing import Standing
from workload import Health

UNIT = f'{world.APP}/0'
OTHER = f'{world.APP}/1'


def _service(state: testing.State) -> pebble.Service:
    return state.get_container('temporal-worker').plan.services[plan.SERVICE]


def _peer(state: testing.State) -> testing.PeerRelation:
    (relation,) = state.get_relations('peer')
    assert isinstance(relation, testing.PeerRelation)
    return relation


def _changed(state: testing.State, **config) -> testing.State:
    return dataclasses.replace(state, config={'queue': 'q', **(config or {'log-level': 'debug'})})


@pytest.fixture
def first(run, disk, archive, worker):
    """A worker that polls, as one of two units; this one does not lead unless it is told to."""

    def _first(*, leader: bool = False, **changes) -> testing.State:
        state = world.among_peers(world.state(disk, archive, leader=leader, **changes), others={1: ''})
        found = run(state)
        worker.health = Health(True)
        return found

    return _first


def test_given_a_worker_that_polls_when_an_option_changes_then_it_asks_for_its_turn_and_goes_on(ctx, disk, first):
    before = first()

    out = ctx.run(ctx.on.config_changed(), _changed(before))

    assert _service(out) == _service(before)
    assert Settings.load((disk / 'settings.json').read_text()).log_level == 'info'
    assert _peer(out).local_unit_data['restart'] == 'configuration'
    assert out.unit_status == ops.ActiveStatus('restarts after the leader (configuration)')


def test_given_its_turn_when_told_then_a_worker_restarts_and_gives_the_turn_back_when_it_polls(ctx, worker, first):
    before = first()
    told = world.among_peers(_changed(before), turn=UNIT, mine='configuration', others={1: ''})

    restarted = ctx.run(ctx.on.relation_changed(_peer(told), remote_unit=1), told)

    assert _service(restarted) != _service(before)
    assert _peer(restarted).local_unit_data['restart'] == 'configuration'
    worker.health = Health(False, 'h:7233 to answer')
    waiting = ctx.run(ctx.on.update_status(), restarted)
    assert _peer(waiting).local_unit_data['restart'] == 'configuration'
    worker.health = Health(True)
    done = ctx.run(ctx.on.update_status(), waiting)
    assert 'restart' not in _peer(done).local_unit_data
    assert done.unit_status == ops.ActiveStatus()


def test_given_the_turn_of_another_unit_then_the_leader_waits_and_restarts_when_that_one_polls(ctx, first):
    before = first(leader=True)
    busy = world.among_peers(_changed(before), turn=OTHER, others={1: 'configuration'})

    waiting = ctx.run(ctx.on.config_changed(), busy)

    assert _service(waiting) == _service(before)
    assert waiting.unit_status == ops.ActiveStatus(f'restarts after {OTHER} (configuration)')
    done = world.among_peers(waiting, turn=OTHER, mine='configuration', others={1: ''})
    out = ctx.run(ctx.on.relation_changed(_peer(done), remote_unit=1), done)
    assert _peer(out).local_app_data['turn'] == UNIT
    assert _service(out) != _service(before)


def test_given_a_restarted_worker_that_does_not_come_to_poll_then_its_unit_keeps_the_turn(ctx, worker, first):
    told = world.among_peers(first(leader=True), turn=UNIT, mine='code', others={1: 'code'})
    worker.health = Health(False, 'workflows-file cannot be imported', operator=True)

    out = ctx.run(ctx.on.update_status(), told)

    assert _peer(out).local_app_data['turn'] == UNIT


def test_given_a_unit_whose_container_is_away_then_it_keeps_the_turn(ctx, first):
    told = world.among_peers(first(leader=True), turn=UNIT, mine='code', others={1: 'code'})
    away = dataclasses.replace(told.get_container('temporal-worker'), can_connect=False)

    out = ctx.run(ctx.on.update_status(), dataclasses.replace(told, containers={away}))

    assert _peer(out).local_app_data['turn'] == UNIT
    assert _peer(out).local_unit_data['restart'] == 'code'


@pytest.mark.parametrize('config', [{'log-level': 'loud'}, {'queue': ''}])
def test_given_a_unit_that_may_not_be_restarted_any_more_then_it_gives_its_turn_back(ctx, first, config):
    told = world.among_peers(first(leader=True), turn=UNIT, mine='configuration', others={1: 'configuration'})

    out = ctx.run(ctx.on.config_changed(), _changed(told, **config))

    assert _peer(out).local_app_data['turn'] == OTHER
    assert 'restart' not in _peer(out).local_unit_data


def test_given_the_turn_of_a_unit_that_is_gone_when_it_departs_then_the_next_one_gets_it(ctx, first):
    gone = world.among_peers(first(leader=True), turn=f'{world.APP}/9', others={1: 'configuration'})

    out = ctx.run(ctx.on.relation_departed(_peer(gone), remote_unit=9), gone)

    assert _peer(out).local_app_data['turn'] == OTHER


@pytest.mark.parametrize(
    'health', [Health(False, 'the namespace does not exist', operator=True), Health(False, 'h:7233 to answer')]
)
def test_given_a_worker_that_does_not_poll_when_an_option_changes_then_it_waits_for_nobody(ctx, worker, first, health):
    before = first()
    worker.health = health

    out = ctx.run(ctx.on.config_changed(), _changed(before))

    assert _service(out) != _service(before)
    assert 'restart' not in _peer(out).local_unit_data


def test_given_a_worker_that_was_stopped_when_it_may_run_again_then_it_waits_for_nobody(ctx, first):
    before = first()
    (server,) = before.get_relations('temporal-host-info')
    stopped = ctx.run(ctx.on.relation_broken(server), before)
    assert stopped.get_container('temporal-worker').service_statuses[plan.SERVICE] == pebble.ServiceStatus.INACTIVE

    out = ctx.run(ctx.on.config_changed(), _changed(stopped, host='h:7233'))

    gone = [relation for relation in out.relations if relation.id != server.id]
    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(out, relations=gone))
    assert out.get_container('temporal-worker').service_statuses[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert 'restart' not in _peer(out).local_unit_data


@pytest.mark.parametrize('mine', ['', 'configuration'])
def test_given_a_unit_that_is_alone_then_it_restarts_at_once_and_asks_for_nothing(ctx, first, mine):
    before = first()
    alone = world.among_peers(_changed(before), mine=mine, others={})

    out = ctx.run(ctx.on.config_changed(), alone)

    assert _service(out) != _service(before)
    assert 'restart' not in _peer(out).local_unit_data


def test_given_new_code_when_attached_then_it_is_installed_at_once_and_the_old_one_removed_after_the_turn(
    ctx, disk, first, tmp_path
):
    before = first()
    other = world.tar(tmp_path / 'other.tar', world.wheel(tmp_path, 'other'))
    attached = dataclasses.replace(before, resources=world.resources(other))

    waiting = ctx.run(ctx.on.upgrade_charm(), attached)

    assert waiting.unit_status == ops.ActiveStatus('restarts after the leader (code)')
    assert len(list(disk.glob('code-*/workflows-file'))) == 2
    told = world.among_peers(waiting, turn=UNIT, mine='code', others={1: ''})
    tries = len(ctx.exec_history['temporal-worker'])
    out = ctx.run(ctx.on.relation_changed(_peer(told), remote_unit=1), told)
    assert _service(out) != _service(before)
    assert len(ctx.exec_history['temporal-worker']) == tries
    assert len(list(disk.glob('code-*/workflows-file'))) == 1


def test_given_a_unit_that_waits_when_its_token_rotates_then_the_worker_has_it_at_once(ctx, disk, first):
    uri = 'secret:9m4e2mr0ui3e8a215n4g'
    config = {'queue': 'q', 'auth-provider': 'token', 'auth-secret-id': uri}
    before = first(config=config, secrets={testing.Secret({'token': 'one'}, id=uri)})
    waiting = ctx.run(ctx.on.config_changed(), dataclasses.replace(before, config={**config, 'log-level': 'debug'}))
    rotated = testing.Secret({'token': 'one'}, latest_content={'token': 'two'}, id=uri)

    out = ctx.run(ctx.on.secret_changed(rotated), dataclasses.replace(waiting, secrets={rotated}))

    assert _service(out) == _service(before)
    assert json.loads((disk / 'credentials.json').read_text()) == {'token': 'two'}


def test_given_a_leader_that_waits_then_what_is_kept_running_changes_with_its_restart(ctx, disk, first):
    before = first(leader=True)

    def told() -> Standing:
        return Standing.load((disk / 'standing.json').read_text())

    config = {'queue': 'new', 'schedules': 'x: {workflow: Hello, every: 2d}'}
    busy = world.among_peers(_changed(before, **config), turn=OTHER, others={1: 'configuration'})
    waiting = ctx.run(ctx.on.config_changed(), busy)

    assert told().queues == ('q',)
    assert waiting.unit_status == ops.ActiveStatus(f'restarts after {OTHER} (configuration)')
    done = world.among_peers(waiting, turn=OTHER, mine='configuration', others={1: ''})
    ctx.run(ctx.on.relation_changed(_peer(done), remote_unit=1), done)
    assert (told().queues, [one.id for one in told().schedules]) == (('new',), ['x'])


def test_given_an_image_with_its_own_worker_then_its_units_take_turns_as_well(ctx, first):
    config = {'queue': 'q', 'worker-command': '/app/start'}
    before = first(config=config)

    out = ctx.run(ctx.on.config_changed(), _changed(before, **{**config, 'worker-command': '/app/other'}))

    assert _service(out) == _service(before)
    assert out.unit_status == ops.ActiveStatus('restarts after the leader (configuration)')
