"""What the server must see of the pollers, and when they count as stuck."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from served import CODE, FakeClient, refusal, settings, until
from temporalio.service import RPCStatusCode

from loader import pollers
from loader.discovery import Code
from loader.health import State
from loader.pollers import ACTIVITY, WORKFLOW, Watch
from loader.watchdog import Stuck


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """A server that sees this process poll `q` for all."""
    monkeypatch.setattr(pollers, '_LOOK_EVERY', 0.005)
    monkeypatch.setattr(pollers, '_STALE', 0.05)
    client = FakeClient()
    client.clock = 5
    client.seen = {('q', kind): [client.identity] for kind in (WORKFLOW, ACTIVITY)}
    return client


def _watch(client: FakeClient, state: State, *, busy: bool = False, problem: str = '', **changes: Any) -> Watch:
    async def why() -> str:
        return problem

    wanted: Any = settings(**changes)
    fake: Any = client
    return Watch(fake, wanted, CODE, state, lambda: ('nobody', True), lambda _: busy, why)


@pytest.mark.parametrize(
    ('code', 'kinds'),
    [
        (CODE, [WORKFLOW, ACTIVITY]),
        (Code(CODE.workflows, {}), [WORKFLOW]),
        (Code({}, CODE.activities), [ACTIVITY]),
    ],
)
def test_given_code_then_the_pollers_that_it_needs_are_looked_for(code, kinds):
    assert pollers.kinds(code) == kinds


def test_given_new_polls_then_the_worker_polls_for_as_long_as_they_come(client):
    async def scenario() -> None:
        state = State()
        watching = asyncio.create_task(_watch(client, state).run())
        end = time.monotonic() + 0.3
        while time.monotonic() < end:
            client.clock += 1
            await asyncio.sleep(0.01)
        assert state.polling
        assert not watching.done()
        watching.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize('seen', [True, False])
def test_given_no_new_poll_for_long_then_the_worker_is_stuck(client, seen):
    if not seen:
        client.seen = {}

    with pytest.raises(Stuck, match='no new poll of queue q'):
        asyncio.run(asyncio.wait_for(_watch(client, State()).run(), 5))


def test_given_a_worker_that_polls_other_partitions_only_then_it_is_not_stuck(client):
    client.elsewhere = client.seen
    client.seen = {('q', WORKFLOW): ['2@other']}

    async def scenario() -> None:
        watching = asyncio.create_task(_watch(client, State()).run())
        end = time.monotonic() + 0.4
        while time.monotonic() < end:
            client.clock += 1
            await asyncio.sleep(0.01)
        assert not watching.done()
        watching.cancel()

    asyncio.run(scenario())


def test_given_as_many_activities_as_it_may_run_then_a_worker_need_not_poll_for_more(client):
    del client.seen['q', ACTIVITY]

    async def scenario() -> None:
        state = State()
        watching = asyncio.create_task(_watch(client, state, busy=True).run())
        await until(lambda: state.polling)
        watching.cancel()

    asyncio.run(scenario())


def test_given_a_server_that_was_away_then_the_time_does_not_count(client):
    async def scenario() -> None:
        state = State()
        watching = asyncio.create_task(_watch(client, state).run())
        await until(lambda: state.polling)
        client.error = refusal(RPCStatusCode.UNAVAILABLE)
        await asyncio.sleep(0.3)
        assert not watching.done()
        assert state.problem == 'h:1 to answer (unavailable)'
        watching.cancel()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ('status', 'told'),
    [
        (RPCStatusCode.UNKNOWN, 'h:1 refuses the certificate'),
        (RPCStatusCode.PERMISSION_DENIED, 'nobody'),
    ],
)
def test_given_a_connection_that_cannot_be_made_again_then_a_person_is_told_why(client, status, told):
    async def scenario() -> None:
        state = State()
        watching = asyncio.create_task(_watch(client, state, problem='h:1 refuses the certificate').run())
        await until(lambda: state.polling)
        client.error = refusal(status)
        await until(lambda: state.operator)
        assert (state.polling, state.problem) == (False, told)
        watching.cancel()

    asyncio.run(scenario())


def test_given_a_worker_that_may_start_few_activities_then_it_may_be_silent_for_longer(client):
    async def scenario() -> None:
        watching = asyncio.create_task(_watch(client, State(), limits={'max_activities_per_second': 0.01}).run())
        await asyncio.sleep(0.4)
        assert not watching.done()
        watching.cancel()

    asyncio.run(scenario())


def test_given_a_server_that_tells_no_times_then_the_poller_is_there(client):
    client.clock = 0

    async def scenario() -> None:
        state = State()
        watching = asyncio.create_task(_watch(client, state).run())
        await until(lambda: state.polling)
        watching.cancel()

    asyncio.run(scenario())
