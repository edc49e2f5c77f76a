"""Stuck workers: noticed, counted, and what they ran handed over to the server."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import threading

import pytest
from served import FakeClient
from temporalio import activity
from temporalio.testing import ActivityEnvironment
from temporalio.worker import ActivityInboundInterceptor, ActivityOutboundInterceptor, ExecuteActivityInput

from loader import activities, watchdog
from loader.activities import Activities, Running, hand_over
from loader.apart import Loops
from loader.watchdog import Restarts, Watchdog


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    """Where the count is kept."""
    return tmp_path / 'restarts.json'


def test_given_a_worker_that_gave_up_when_started_anew_then_it_knows_how_often_and_why(file):
    for reason in ('first', 'second'):
        restarts = Restarts(str(file))
        restarts.begin()
        restarts.note(reason)
        restarts.end()

    found = Restarts(str(file))

    assert found.count == 2
    assert found.reason.endswith(' UTC: second')


def test_given_a_worker_that_was_stopped_when_started_anew_then_that_does_not_count(file):
    restarts = Restarts(str(file))
    restarts.begin()
    restarts.end()
    restarts.end()

    found = Restarts(str(file))
    found.begin()

    assert (found.count, found.reason) == (0, '')


def test_given_a_worker_that_ended_without_a_word_when_started_anew_then_it_counts(file):
    Restarts(str(file)).begin()

    found = Restarts(str(file))
    found.begin()

    assert found.count == 1
    assert found.reason.endswith('its process was killed')


@pytest.mark.parametrize('content', ['', '[]', '{"count": 1}', '{"count": "x", "reason": ""}'])
def test_given_a_file_that_cannot_be_read_then_counting_begins_anew(file, content):
    file.write_text(content)

    assert Restarts(str(file)).count == 0


def test_given_a_loop_that_turns_when_it_is_blocked_then_the_watchdog_gives_up(monkeypatch):
    monkeypatch.setattr(watchdog, '_BEAT', 0.01)
    monkeypatch.setattr(watchdog, '_BLOCKED', 1.0)
    monkeypatch.setattr(watchdog.faulthandler, 'dump_traceback', lambda *_, **__: None)
    reasons: list[str] = []

    async def scenario() -> None:
        dog = Watchdog(reasons.append)
        beating = asyncio.create_task(dog.beat())
        thread = dog.watch()
        await asyncio.sleep(0.2)
        assert reasons == []
        # Blocks the loop.
        thread.join(10)
        beating.cancel()

    asyncio.run(scenario())

    assert reasons == ['its event loop was blocked for 1 s']


class _Last(ActivityInboundInterceptor):
    """The end of the chain: runs the function, with what activities say."""

    def __init__(self) -> None:
        self.outbound: ActivityOutboundInterceptor | None = None

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        self.outbound = outbound

    async def execute_activity(self, input: ExecuteActivityInput) -> object:
        return await input.fn(self.outbound)


class _Said(ActivityOutboundInterceptor):
    def __init__(self) -> None:
        self.said: list[object] = []

    def info(self) -> activity.Info:
        return activity.info()

    def heartbeat(self, *details: object) -> None:
        self.said.append(details)


@pytest.mark.parametrize('local', [False, True])
def test_given_an_activity_when_it_runs_then_its_last_heartbeat_is_known_until_it_ends(local):
    known = Activities(Loops())
    said = _Said()
    chain = known.intercept_activity(_Last())
    seen: list[object] = []

    async def body(outbound: ActivityOutboundInterceptor) -> None:
        seen.extend(running.details for running in known.running.values())
        outbound.heartbeat('a', 1)
        outbound.heartbeat('b', 2)
        seen.extend(running.details for running in known.running.values())
        raise ValueError

    async def run() -> None:
        chain.init(said)
        with pytest.raises(ValueError):
            await chain.execute_activity(ExecuteActivityInput(fn=body, args=[], executor=None, headers={}))

    environment = ActivityEnvironment()
    environment.info = activity_info(local)
    asyncio.run(environment.run(run))

    assert seen == ([] if local else [['before'], ('b', 2)])
    assert said.said == [('a', 1), ('b', 2)]
    assert known.running == {}


@pytest.mark.parametrize(
    ('wait', 'happens'),
    [
        (activity.wait_for_worker_shutdown, ActivityEnvironment.worker_shutdown),
        (activity.wait_for_cancelled, ActivityEnvironment.cancel),
    ],
)
def test_given_two_activities_on_loops_apart_when_what_they_wait_for_happens_then_both_hear_of_it(wait, happens):
    async def body(_: object) -> bool:
        try:
            await wait()
        except asyncio.CancelledError:
            # Being cancelled is heard of in two ways at once.
            await wait()
        return activity.is_worker_shutdown() or activity.is_cancelled()

    async def scenario() -> None:
        environment = ActivityEnvironment()

        async def run(known: Activities) -> object:
            chain = known.intercept_activity(_Last())
            chain.init(_Said())
            return await chain.execute_activity(ExecuteActivityInput(fn=body, args=[], executor=None, headers={}))

        tasks = [asyncio.create_task(environment.run(run, Activities(Loops()))) for _ in range(2)]
        await asyncio.sleep(0.3)
        happens(environment)
        assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == [True, True]

    asyncio.run(scenario())


def test_given_an_sdk_of_another_make_when_async_activities_run_then_in_the_workers_loop_and_the_log_says_so_once(
    monkeypatch, caplog
):
    monkeypatch.setattr(activity._Context, 'current', lambda: object())
    activities._tell_of_the_sdk.cache_clear()
    chain = Activities(Loops()).intercept_activity(_Last())

    async def body(_: object) -> int:
        return threading.get_ident()

    async def run() -> object:
        chain.init(_Said())
        return await chain.execute_activity(ExecuteActivityInput(fn=body, args=[], executor=None, headers={}))

    async def scenario() -> list[object]:
        return [await ActivityEnvironment().run(run) for _ in range(2)]

    monkeypatch.setattr(activity, 'info', lambda: activity_info(local=True))
    assert asyncio.run(scenario()) == [threading.get_ident()] * 2
    assert [record.message for record in caplog.records if record.name == 'temporal-worker'] == [
        'async activities share the event loop of the worker: its temporalio is not the one of the image'
    ]


def activity_info(local: bool) -> activity.Info:
    """Of a second attempt; the first one had said something."""
    return dataclasses.replace(ActivityEnvironment().info, is_local=local, heartbeat_details=['before'])


def test_given_activities_that_run_when_handed_over_then_each_is_tried_within_the_time(monkeypatch):
    client = FakeClient()
    client.refuses = {b'2'}
    real = activities._fail

    async def fail(handle, details):
        if details == ('slow',):
            await asyncio.Event().wait()
        return await real(handle, details)

    monkeypatch.setattr(activities, '_fail', fail)
    running = [Running(b'1', ('a',)), Running(b'2'), Running(b'3', ('slow',))]

    taken = asyncio.run(hand_over(client, running, 0.05))  # type: ignore[arg-type]

    assert taken == 1
    assert client.failed == [(b'1', ('a',))]


def test_given_no_activity_then_there_is_nothing_to_hand_over():
    assert asyncio.run(hand_over(FakeClient(), [], 1)) == 0  # type: ignore[arg-type]
