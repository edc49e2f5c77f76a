"""What is kept running, on a real Temporal server: once, whoever sees to it and whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import pathlib
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from loader import consumers, keeper, layout, one_schedule, schedules, standing
from loader.health import State
from loader.standing import Consumer, Schedule, Standing

pytestmark = pytest.mark.lab

_T = TypeVar('_T')
_LATE = (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED)
"""What the SDK makes of an answer that has not come within the limit of a call."""

A, B = Consumer('a', 'g'), Consumer('b', 'g')
HOURLY = Schedule('hourly', 'Report', ('*', 1), 'q', 'skip', 3600)
WEEKLY = Schedule('weekly', 'Report', ('*', 1), 'q', 'skip', cron=('0 2 * * 1',), time_zone='Europe/London')


@workflow.defn
class ConsumeEvents:
    """Goes on until it is cancelled, by a new run now and then."""

    @workflow.run
    async def run(self, what: dict[str, Any]) -> None:
        await workflow.sleep(2)
        workflow.continue_as_new(what)


@workflow.defn(name='ConsumeEvents')
class Fails:
    """Cannot consume."""

    @workflow.run
    async def run(self, what: dict[str, Any]) -> None:
        raise ApplicationError('no broker', type='Kafka')


@workflow.defn
class Report:
    """Ends."""

    @workflow.run
    async def run(self, text: str, number: int) -> str:
        return f'{text}{number}'


def _wanted(*consumers: Consumer, owner: str = 'm/app', queue: str = 'q') -> Standing:
    return Standing(True, owner, (queue,), consumers)


@contextlib.asynccontextmanager
async def _server(*extra: str, port: int | None = None) -> AsyncIterator[Client]:
    program = shutil.which('temporal')
    assert program, 'there is no program temporal on the PATH: eval "$(make -s env)"'
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=program, dev_server_extra_args=list(extra), port=port
    ) as server:
        yield server.client


@contextlib.asynccontextmanager
async def _worker(client: Client, queue: str = 'q') -> AsyncIterator[None]:
    async with Worker(
        client, task_queue=queue, workflows=[ConsumeEvents, Report], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        yield


@contextlib.asynccontextmanager
async def _unit(client: Client) -> AsyncIterator[State]:
    """The keeper of a unit; all units of a test read one file, as if they thought that they lead."""
    state = State()
    task = asyncio.create_task(keeper.Keeper(client, state).run())
    try:
        yield state
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.2)


async def _answered(ask: Callable[[], Awaitable[_T]]) -> _T:
    """What the server answers: on a busy machine not always in time, and then it is asked again, as the keeper does."""
    for _ in range(10):
        try:
            return await ask()
        except RPCError as error:
            if error.status not in _LATE:
                raise
    return await ask()


async def _running(client: Client) -> list[str]:
    found = client.list_workflows("ExecutionStatus = 'Running'")
    return sorted([one.id async for one in found if one.workflow_type == 'ConsumeEvents'])


async def _runs(client: Client, identifier: str) -> int:
    """How many chains of runs there have been: each but the running one has ended otherwise than by another run."""
    found = client.list_workflows(f"WorkflowId = '{identifier}'")
    return len([one.run_id async for one in found if one.status != WorkflowExecutionStatus.CONTINUED_AS_NEW])


@pytest.fixture
def tell(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Standing], str]:
    """Does as the charm does; gives back what the worker answers when it is done."""
    monkeypatch.setattr(standing, 'FILE', str(tmp_path / 'standing.json'))
    (tmp_path / 'environment.json').write_text('{}')
    monkeypatch.setattr(layout, 'ENVIRONMENT', str(tmp_path / 'environment.json'))
    monkeypatch.setattr(keeper, '_READ_EVERY', 0.1)
    monkeypatch.setattr(keeper, '_SOON', 0.5)
    monkeypatch.setattr(keeper, '_REGULARLY', 2.0)
    monkeypatch.setattr(keeper, '_TROUBLED', 1.0)

    def _tell(wanted: Standing) -> str:
        scratch = tmp_path / 'new'
        scratch.write_text(wanted.dump())
        scratch.rename(standing.FILE)
        return wanted.key

    return _tell


def test_given_several_leaders_and_changes_to_and_fro_then_what_is_wanted_runs_once(tell):
    async def scenario() -> None:
        async with _server() as client, _worker(client), _unit(client) as state, _unit(client) as other:
            others = await client.start_workflow(
                'ConsumeEvents', {}, id='consume-events/c/g', task_queue='q', memo={'temporal-worker-k8s': 'm/other'}
            )
            key = tell(_wanted(A, B))
            await _until(lambda: _answer(state.standing == key and other.standing == key))
            assert await _running(client) == [A.id, B.id, others.id]

            for wanted in (_wanted(B), _wanted(), _wanted(A), _wanted(B), _wanted(A)):
                key = tell(wanted)
                await asyncio.sleep(0.3)
            await _until(lambda: _answer(state.standing == key and other.standing == key))
            await _until(lambda: _is(_running(client), [A.id, others.id]))
            # And it stays so, although each of both looks again and again.
            runs = await _runs(client, A.id)
            await asyncio.sleep(5)
            assert await _running(client) == [A.id, others.id]
            assert await _runs(client, A.id) == runs

            # Who ends it by hand does not end it.
            await client.get_workflow_handle(A.id).terminate()
            await _until(lambda: _is(_running(client), [A.id, others.id]))

            tell(_wanted())
            await _until(lambda: _is(_running(client), [others.id]))
            assert (await client.get_workflow_handle(A.id).describe()).status == WorkflowExecutionStatus.CANCELED

    asyncio.run(scenario())


def test_given_another_queue_then_what_ran_on_the_old_one_goes_without_being_polled_for(tell):
    async def scenario() -> None:
        async with _server() as client, _unit(client) as state:
            async with _worker(client, 'old'):
                key = tell(_wanted(A, B, queue='old'))
                await _until(lambda: _answer(state.standing == key))
            key = tell(_wanted(A, queue='new'))
            async with _worker(client, 'new'):
                await _until(lambda: _answer(state.standing == key))
                await _until(lambda: _is(_running(client), [A.id]))
                assert (await client.get_workflow_handle(A.id).describe()).task_queue == 'new'

    asyncio.run(scenario())


def test_given_a_server_that_is_away_then_it_is_waited_for(tell, tmp_path):
    database = str(tmp_path / 'temporal.db')
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]

    async def scenario() -> None:
        state = State()
        async with _server('--db-filename', database, port=port) as client:
            keeping = asyncio.create_task(keeper.Keeper(client, state).run())
            key = tell(_wanted(A))
            await _until(lambda: _answer(state.standing == key))
        key = tell(_wanted(B))
        await _until(lambda: _answer('the server to do what consume needs' in state.trouble))
        assert not state.troubles_operator
        async with _server('--db-filename', database, port=port) as client, _worker(client):
            await _until(lambda: _answer(state.standing == key and not state.trouble))
            await _until(lambda: _is(_running(client), [B.id]))
            keeping.cancel()

    asyncio.run(scenario())


def test_given_schedules_then_the_server_has_them_as_wanted_and_what_it_adds_is_no_difference():
    async def scenario() -> None:
        async with _server() as client, _worker(client):
            kept = schedules.Keeper(client)

            async def keep(*wanted: Schedule) -> list[str]:
                standing = Standing(True, 'm/app', ('q',), (), wanted)
                return [str(each) for each in await _answered(lambda: kept.keep(standing))]

            async def updated(name: str) -> object:
                return (await _answered(client.get_schedule_handle(name).describe)).info.last_updated_at

            async def act(what: str) -> dict[str, str]:
                return await _answered(lambda: one_schedule.act(client.get_schedule_handle('hourly'), what))

            assert await keep(HOURLY, WEEKLY) == []
            before = [await updated('hourly'), await updated('weekly')]
            assert await keep(HOURLY, WEEKLY) == []
            assert [await updated('hourly'), await updated('weekly')] == before

            await _answered(lambda: client.get_schedule_handle('hourly').pause(note='by a person'))
            for change in ({'every': 7200}, {'offset': 60}, {'arguments': ('x', 2)}, {'overlap': 'buffer-one'}):
                before = [await updated('hourly')]
                changed = dataclasses.replace(HOURLY, **change)
                assert await keep(changed, WEEKLY) == []
                assert [await updated('hourly')] != before
                before = [await updated('hourly')]
                assert await keep(changed, WEEKLY) == []
                assert [await updated('hourly')] == before
            assert (await act('show'))['paused'] == 'true'

            (said,) = await keep(HOURLY, dataclasses.replace(WEEKLY, cron=('nonsense',)))
            assert said.startswith('schedules: weekly: the server does not take it: ')

            assert (await act('resume'))['paused'] == 'false'
            await act('trigger')

            async def reported() -> bool:
                last = (await act('show'))['last']
                return bool(last) and await client.get_workflow_handle(last).result() == '*1'

            await _until(reported)

            async def removed() -> bool:
                await keep()
                return [one.id async for one in await client.list_schedules()] == []

            await _until(removed)

    asyncio.run(scenario())


def test_given_code_that_ends_then_it_is_told_why(monkeypatch):
    monkeypatch.setattr(consumers, '_ANEW', 3.0)

    async def scenario() -> None:
        async with (
            _server() as client,
            Worker(client, task_queue='q', workflows=[Fails], workflow_runner=UnsandboxedWorkflowRunner()),
        ):
            kept = consumers.Keeper(client)
            begun = time.monotonic()
            while not (found := await _answered(lambda: kept.keep(_wanted(A)))):
                assert time.monotonic() - begun < 20
                await asyncio.sleep(0.1)
            assert [str(each) for each in found] == [
                f'consume: workflow {A.id} has ended (failed: Kafka: no broker): it is started anew every minute'
            ]

    asyncio.run(scenario())


async def _answer(value: bool) -> bool:
    return value


async def _is(found: Awaitable[object], value: object) -> bool:
    return await found == value
