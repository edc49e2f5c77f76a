"""Async activities on a real server: those that block do no harm, and the others are as the SDK has them."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Sequence
from typing import Any

import pytest
from async_code import Run, beat, block, last
from temporal_server import Server
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import Client, WorkflowHandle
from working import QUEUE, until, working

from loader.discovery import Code

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures('files')]
CODE = Code({'Run': Run}, {'block': block, 'beat': beat, 'last': last})


async def _start(client: Client, name: str, *arguments: float) -> WorkflowHandle[Any, str]:
    return await client.start_workflow(Run.run, args=[name, list(arguments)], id=str(uuid.uuid4()), task_queue=QUEUE)


async def _pending(handle: WorkflowHandle[Any, str]) -> Sequence[PendingActivityInfo]:
    return (await handle.describe()).raw_description.pending_activities


async def _said(handle: WorkflowHandle[Any, str]) -> int:
    """What the activity said last, as the server knows it."""
    payloads = [payload for each in await _pending(handle) for payload in each.heartbeat_details.payloads]
    return int(payloads[0].data) if payloads else 0


def test_given_activities_that_block_then_the_worker_polls_on_and_what_begins_meanwhile_has_its_heartbeats(
    open_server: Server,
):
    async def scenario() -> None:
        client = await open_server.admin()
        async with working(open_server.address, code=CODE) as state:
            await until(lambda: state.polling, state)
            began = time.monotonic()
            blocked = await asyncio.gather(*(_start(client, 'block', 12.0) for _ in range(2)))
            await asyncio.sleep(1)
            beats = await _start(client, 'beat')
            said = 0
            while time.monotonic() - began < 10:
                await asyncio.sleep(0.2)
                assert state.polling, state
                said = await _said(beats)
            assert said > 10
            # They have not waited for each other.
            assert await asyncio.gather(*(each.result() for each in blocked)) == ['blocked'] * 2
            assert time.monotonic() - began < 20
            await beats.cancel()
            assert await beats.result() == 'cleaned up: True'

    asyncio.run(scenario())


def test_given_an_activity_when_it_is_cancelled_then_it_cleans_up_and_its_result_counts(open_server: Server):
    async def scenario() -> None:
        client = await open_server.admin()
        async with working(open_server.address, code=CODE) as state:
            await until(lambda: state.polling, state)
            handle = await _start(client, 'beat')
            async with asyncio.timeout(20):
                while await _said(handle) < 2:
                    await asyncio.sleep(0.1)
            await handle.cancel()
            assert await asyncio.wait_for(handle.result(), 20) == 'cleaned up: True'

    asyncio.run(scenario())


def test_given_an_activity_that_waits_for_the_workers_end_then_it_hears_of_it(open_server: Server):
    async def scenario() -> None:
        client = await open_server.admin()
        async with working(open_server.address, code=CODE) as state:
            await until(lambda: state.polling, state)
            handle = await _start(client, 'last')
            async with asyncio.timeout(20):
                while not any(each.last_started_time.seconds for each in await _pending(handle)):
                    await asyncio.sleep(0.1)
        async with working(open_server.address, code=CODE) as state:
            assert await asyncio.wait_for(handle.result(), 20) == 'shut down'

    asyncio.run(scenario())
