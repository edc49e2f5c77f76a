"""Consumers on a real Temporal server: a worker for them, their beginning and end, and what has become of events."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import datetime
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

from oci_factory import consume
from temporalio import workflow
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

T = TypeVar('T')
QUEUE = 'oci-factory'


@workflow.defn(name='RebuildForRelease')
class Rebuilt:
    """In the place of the rebuild."""

    @workflow.run
    async def run(self, version: str) -> str:
        return version


def run(work: Awaitable[T], seconds: float = 120) -> T:
    async def main() -> T:
        return await asyncio.wait_for(work, seconds)

    return asyncio.run(main())


@contextlib.asynccontextmanager
async def working(client: Client) -> AsyncIterator[Worker]:
    """A worker as the charm runs one."""
    worker = Worker(
        client,
        task_queue=QUEUE,
        workflows=[Rebuilt, consume.ConsumeEvents, consume.DeadLetter],
        activities=[consume.consume_events, consume.retry_letter],
        workflow_runner=UnsandboxedWorkflowRunner(),
        graceful_shutdown_timeout=datetime.timedelta(seconds=20),
    )
    async with worker:
        yield worker


async def begin(client: Client, topic: str, name: str = '') -> WorkflowHandle[Any, Any]:
    """Have a topic consumed, as the worker charm does."""
    wanted = {'topics': [topic], 'group': 'g'}
    return await client.start_workflow('ConsumeEvents', wanted, id=f'consume-events/{topic}/g{name}', task_queue=QUEUE)


async def acted_upon(client: Client, topic: str) -> collections.Counter[str]:
    """How many runs there are of each event's workflow."""
    query = f'WorkflowType = "RebuildForRelease" AND WorkflowId STARTS_WITH "rebuild-{topic}"'
    return collections.Counter([one.id async for one in client.list_workflows(query)])


async def letters(client: Client, topic: str) -> list[WorkflowHandle[Any, Any]]:
    """The dead letters that wait, as a person lists them."""
    query = 'WorkflowType = "DeadLetter" AND ExecutionStatus = "Running"'
    found = [one async for one in client.list_workflows(query) if f'/{topic}/' in one.id]
    return [client.get_workflow_handle(one.id) for one in sorted(found, key=lambda one: one.start_time)]


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < end, f'not so after {seconds} s'
        await asyncio.sleep(0.2)


async def all_there(client: Client, topic: str, count: int, seconds: float = 60) -> None:
    """Wait for the workflows of so many events, and see that each is there once, also a moment later."""

    async def enough() -> bool:
        return len(await acted_upon(client, topic)) >= count

    await until(enough, seconds)
    await asyncio.sleep(1)
    assert await acted_upon(client, topic) == {f'rebuild-{topic}-{one}': 1 for one in range(count)}


async def progress(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """What the activity's last heartbeat says, which people see in Temporal's web interface."""
    pending = (await handle.describe()).raw_description.pending_activities
    details = [json.loads(payload.data) for one in pending for payload in one.heartbeat_details.payloads]
    return details[0] if details else {}


async def end(*handles: WorkflowHandle[Any, Any]) -> None:
    """Cancel consumers, and wait until they have left."""
    for handle in handles:
        await handle.cancel()
    for handle in handles:

        async def over(handle: WorkflowHandle[Any, Any] = handle) -> bool:
            return (await handle.describe()).status == WorkflowExecutionStatus.CANCELED

        await until(over, 30)
