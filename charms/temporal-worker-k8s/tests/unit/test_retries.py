"""Preparing the code again after what may pass by itself: after pauses that grow, and never most of the time."""

from __future__ import annotations

import dataclasses

import ops
import pytest
import world
from ops import testing

import plan
from loader.layout import Prepared

_STILL = ops.BlockedStatus('the index does not answer: attach one')


@pytest.fixture
def silent(worker):
    """An index that does not answer."""
    worker.problem, worker.remedied, worker.passing = 'the index does not answer: attach one', True, True
    return worker


def _tries(ctx: testing.Context) -> int:
    return len(ctx.exec_history['temporal-worker'])


def _command(state: testing.State) -> str:
    return state.get_container('temporal-worker').plan.services[plan.RETRY].command


def _told(disk) -> Prepared:
    return Prepared.load((disk / 'prepared.json').read_text())


@pytest.mark.usefixtures('silent')
def test_given_a_problem_that_may_pass_then_each_pause_is_longer_until_they_are_long(ctx, run, disk, archive, clock):
    state = run(world.state(disk, archive))
    pauses = []
    for number in range(8):
        assert state.unit_status == _STILL
        assert set(state.get_container('temporal-worker').service_statuses) == {plan.RETRY}
        pause = _told(disk).pause
        assert f'sleep {pause + 1};' in _command(state)
        pauses.append(pause)

        clock.now += pause - 1
        early = ctx.run(ctx.on.config_changed(), state)
        assert (_tries(ctx), early.unit_status) == (number + 1, _STILL)
        clock.now += 1
        state = ctx.run(ctx.on.update_status(), early)
        assert _tries(ctx) == number + 2

    assert pauses == [10, 20, 40, 80, 160, 300, 300, 300]


@pytest.mark.usefixtures('silent')
@pytest.mark.parametrize(('took', 'pause'), [(0.4, 10), (30, 300), (600, 3600)])
def test_given_a_try_that_takes_long_then_the_pause_is_much_longer(run, disk, archive, clock, took, pause):
    clock.took = took

    run(world.state(disk, archive))

    assert _told(disk).pause == pause


def test_given_an_index_that_answers_again_when_the_charm_is_woken_then_the_code_runs(
    ctx, run, disk, archive, silent, clock
):
    first = run(world.state(disk, archive))
    silent.problem, silent.passing = '', False
    notice = testing.Notice(plan.layout.NOTICE)
    container = dataclasses.replace(first.get_container('temporal-worker'), notices=[notice])
    clock.now += 11

    out = ctx.run(
        ctx.on.pebble_custom_notice(container, notice=notice), dataclasses.replace(first, containers={container})
    )

    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')
    assert _told(disk).pause == 0


@pytest.mark.usefixtures('silent')
@pytest.mark.parametrize('config', [{'index-url': 'https://other.example/simple'}, {'supported-workflows': 'Hello'}])
def test_given_another_option_during_a_long_pause_then_it_is_tried_at_once_and_pauses_begin_anew(
    ctx, run, disk, archive, clock, config
):
    state = run(world.state(disk, archive))
    for _ in range(5):
        clock.now += _told(disk).pause
        state = ctx.run(ctx.on.update_status(), state)
    before = _tries(ctx)

    state = ctx.run(ctx.on.config_changed(), dataclasses.replace(state, config={'queue': 'q', **config}))

    assert _tries(ctx) == before + 1
    assert (_told(disk).tries, _told(disk).pause) == (1, 10)
    assert 'sleep 11;' in _command(state)


def test_given_a_problem_that_does_not_pass_then_nothing_is_repeated(ctx, run, disk, archive, worker, clock):
    worker.problem = 'workflows-file cannot be imported: a: KeyError: 1'
    first = run(world.state(disk, archive))
    clock.now += 10_000

    out = ctx.run(ctx.on.update_status(), first)

    assert _tries(ctx) == 1
    assert out.get_container('temporal-worker').service_statuses == {}
