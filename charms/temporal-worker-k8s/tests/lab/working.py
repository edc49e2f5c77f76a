"""The loader's worker against a real server, in the test's own process."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from code_under_test import Fail, Greet, fail, greet
from served import settings
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter
from temporalio.worker import Interceptor

from loader.codec import Codec
from loader.crew import Crew
from loader.discovery import Code
from loader.health import State
from loader.layout import Keys

CODE = Code({'Greet': Greet, 'Fail': Fail}, {'greet': greet, 'fail': fail})
QUEUE = 'q'


@contextlib.asynccontextmanager
async def working(
    address: str, keys: Keys | None = None, interceptors: Sequence[Interceptor] = (), code: Code = CODE, **changes: Any
) -> AsyncIterator[State]:
    """A worker; yields what it answers."""
    wanted = settings(address=address, namespace='default', queues=(QUEUE,), secret='abc', **changes)
    state = State()
    crew = Crew(wanted, code, state, keys, interceptors)
    task = asyncio.create_task(crew.work())
    try:
        yield state
    finally:
        crew.stop()
        await asyncio.wait_for(task, 30)


async def until(condition: Callable[[], Any], state: State, seconds: float = 40) -> None:
    """Wait for something; what the worker answered meanwhile is told if it does not come."""
    try:
        async with asyncio.timeout(seconds):
            while not condition():
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f'the worker answers {state}') from None


async def start(client: Client, name: str = 'you') -> WorkflowHandle[Any, str]:
    """A workflow that has greeted, and waits."""
    return await client.start_workflow(Greet.run, name, id=str(uuid.uuid4()), task_queue=QUEUE)


async def finish(handle: WorkflowHandle[Any, str]) -> str:
    """Let it go on to its end."""
    await handle.signal(Greet.go)
    return await asyncio.wait_for(handle.result(), 40)


def encrypting(client: Client, *keys: str, cipher: str = 'aes-gcm') -> Client:
    """The same client, which encrypts."""
    config = client.config()
    config['data_converter'] = dataclasses.replace(DataConverter.default, payload_codec=Codec(keys, cipher))
    return Client(**config)
