"""The workflows on a real server: one consumer, whoever runs it; a dead letter, until a person has dealt with it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import echo
import pytest
from fakes import Source, message
from temporal_events import workflows
from temporal_events.model import Ending, Letter, Outcome, Progress
from temporal_events.workflows import DeadLetter
from temporalio import activity
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

pytestmark = pytest.mark.lab
T = TypeVar('T')


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(work, 60))


async def begin(client: Client, *args: Any, name: str = 'consume') -> WorkflowHandle[Any, Any]:
    return await client.start_workflow('ConsumeEvents', args=args, id=name, task_queue=echo.QUEUE)


class Slow(Source):
    """One message, and then none."""

    async def take(self) -> Any:
        await asyncio.sleep(0.05)
        return await super().take()


@pytest.mark.parametrize(
    ('wanted', 'said'),
    [
        ({}, 'no topic is named'),
        ({'topics': [], 'group': 'g'}, 'no topic is named'),
        ({'topics': [''], 'group': 'g'}, 'no topic is named'),
        ({'topics': 'base', 'group': 'g'}, 'topics is no list'),
        ({'topics': ['t']}, 'no consumer group is named'),
    ],
)
def test_what_cannot_be_consumed_is_said(wanted: dict[str, Any], said: str) -> None:
    async def main() -> None:
        async with echo.server() as client, echo.worker(client, Slow(), echo.Deciding()):
            with pytest.raises(WorkflowFailureError) as caught:
                await (await begin(client, wanted)).result()
            assert isinstance(caught.value.cause, ApplicationError) and said in caught.value.cause.message

    run(main())


def test_a_consumer_runs_until_it_is_cancelled() -> None:
    source = Slow([message(value=b'x')])

    async def main() -> None:
        async with echo.server() as client, echo.worker(client, source, echo.Deciding()):
            handle = await begin(client, {'topics': ['base'], 'group': 'g'})
            while not source.acknowledged:
                await asyncio.sleep(0.05)
            assert await client.get_workflow_handle('act-x').result() == 'x'
            await handle.cancel()
            with pytest.raises(WorkflowFailureError):
                await handle.result()
            assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
            assert source.closed

    run(main())


def test_a_consumer_whose_worker_ends_goes_on_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Slow([message(0, value=b'a')]), Slow([message(1, value=b'b')])

    async def main() -> None:
        async with echo.server() as client:
            async with echo.worker(client, first, echo.Deciding()):
                handle = await begin(client, {'topics': ['base'], 'group': 'g'})
                while not first.acknowledged:
                    await asyncio.sleep(0.05)
            assert first.closed
            async with echo.worker(client, second, echo.Deciding()):
                while not second.acknowledged:
                    await asyncio.sleep(0.05)
                assert (await handle.describe()).history_length == 5
                await handle.cancel()
                with pytest.raises(WorkflowFailureError):
                    await handle.result()

    run(main())


def test_a_consumer_with_a_long_history_goes_on_as_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, 'HISTORY', 20)

    @activity.defn(name='consume_events')
    async def brief(_: Any) -> Progress:
        return Progress()

    async def main() -> None:
        async with echo.server() as client:
            async with Worker(
                client,
                task_queue=echo.QUEUE,
                workflows=[workflows.ConsumeEvents],
                activities=[brief],
                workflow_runner=UnsandboxedWorkflowRunner(),
            ):
                handle = await begin(client, {'topics': ['base'], 'group': 'g'})
                first = (await handle.describe()).run_id
                while (await handle.describe()).run_id == first:
                    await asyncio.sleep(0.05)
            await handle.terminate()
            history = await client.get_workflow_handle(handle.id, run_id=first).fetch_history()
            assert history.events[-1].HasField('workflow_execution_continued_as_new_event_attributes')

    run(main())


async def post(client: Client, said: bytes = b'bad') -> WorkflowHandle[DeadLetter, Ending]:
    letter = Letter.of(message(value=said), 'g', 'it was bad')
    return await client.start_workflow(DeadLetter.run, letter, id=letter.id, task_queue=echo.QUEUE)


async def reason(handle: WorkflowHandle[DeadLetter, Ending]) -> str:
    return (await handle.query(DeadLetter.letter)).reason


def test_a_dead_letter_is_tried_again_until_it_can_be_acted_upon() -> None:
    decide = echo.Deciding()

    async def main() -> None:
        async with echo.server() as client, echo.worker(client, Slow(), decide):
            handle = await post(client)
            assert await reason(handle) == 'it was bad'
            await handle.signal(DeadLetter.replay)
            while await reason(handle) != 'bad is bad':
                await asyncio.sleep(0.05)
            assert await (await handle.describe()).memo() == {'reason': 'bad is bad'}
            decide.mended = True
            await handle.signal(DeadLetter.replay)
            assert await handle.result() == Ending('started', 'act-bad')
            assert await client.get_workflow_handle('act-bad').result() == 'bad'

    run(main())


def test_a_dead_letter_can_be_discarded_while_it_is_tried() -> None:
    async def main() -> None:
        async with echo.server() as client:

            @activity.defn(name='retry_letter')
            async def away(_: Any) -> None:
                raise ApplicationError('no registry')

            async with Worker(client, task_queue=echo.QUEUE, workflows=[DeadLetter], activities=[away]):
                handle = await post(client)
                await handle.signal(DeadLetter.replay)
                await asyncio.sleep(0.5)
                await handle.signal(DeadLetter.discard, 'known')
                assert await handle.result() == Ending('discarded', 'known')

    run(main())


def test_a_dead_letter_that_is_discarded_too_late_says_what_was_started() -> None:
    async def main() -> None:
        async with echo.server() as client:

            @activity.defn(name='retry_letter')
            async def slow(_: Any) -> Outcome:
                await asyncio.sleep(2)
                return Outcome(workflow='act-x')

            async with Worker(client, task_queue=echo.QUEUE, workflows=[DeadLetter], activities=[slow]):
                handle = await post(client)
                await handle.signal(DeadLetter.replay)
                await asyncio.sleep(0.5)
                await handle.signal(DeadLetter.discard, 'known')
                assert await handle.result() == Ending('started', 'act-x')

    run(main())


def test_a_dead_letter_that_was_tried_often_goes_on_as_a_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workflows, 'HISTORY', 30)

    async def main() -> None:
        bare = UnsandboxedWorkflowRunner()
        async with echo.server() as client, echo.worker(client, Slow(), echo.Deciding(), workflow_runner=bare):
            handle = await post(client)
            run_id = first = (await handle.describe()).run_id
            while run_id == first:
                await handle.signal(DeadLetter.replay)
                await asyncio.sleep(0.1)
                run_id = (await handle.describe()).run_id
            assert await reason(handle) == 'bad is bad'
            await handle.signal(DeadLetter.discard)
            assert await client.get_workflow_handle(handle.id).result() == {'fate': 'discarded', 'detail': ''}

    run(main())
