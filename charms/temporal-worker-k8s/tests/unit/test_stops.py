"""Two restarts soon after each other: Pebble's timer of the first stop must not end the drain of the second one."""

from __future__ import annotations

import dataclasses
import types

import pytest
import world

import workload
from loader import layout


class Clock:
    """The time as the charm sees it, which goes on only when it sleeps."""

    def __init__(self) -> None:
        self.now, self.slept = 1000.0, []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(workload, 'time', types.SimpleNamespace(time=lambda: clock.now, sleep=clock.sleep))
    return clock


def test_given_a_worker_that_was_just_restarted_when_it_is_again_then_the_charm_waits(ctx, run, disk, archive, clock):
    first = run(world.state(disk, archive))
    assert clock.slept == []
    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'queue': 'other'}))
    assert clock.slept == [0]
    clock.now += 10

    third = ctx.run(ctx.on.config_changed(), dataclasses.replace(second, config={'queue': 'third'}))

    assert clock.slept == [0, layout.KILL_DELAY + 1 - 10]
    assert (disk / 'stopped').read_text() == str(clock.now)

    # What restarts nothing waits for nothing.
    ctx.run(ctx.on.update_status(), third)
    assert len(clock.slept) == 2


def test_given_a_worker_that_was_just_restarted_when_it_must_stop_then_the_charm_waits(ctx, run, disk, archive, clock):
    first = run(world.state(disk, archive))
    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'queue': 'other'}))
    # A clock that was put back makes nobody wait for long.
    clock.now -= 1000

    ctx.run(ctx.on.update_status(), dataclasses.replace(second, relations=[]))

    assert clock.slept == [0, layout.KILL_DELAY + 1]
