"""How many workflows the server starts and completes in a second, with client and worker on the same machine."""

from __future__ import annotations

import asyncio
import dataclasses
import time
import uuid

from temporalio.client import Client
from temporalio.worker import Worker

from bench import limits
from bench.echo import Echo

_SECONDS = 15.0
_AT_A_TIME = 50


@dataclasses.dataclass(frozen=True)
class Throughput:
    """Workflows per second.

    Attributes:
        started: while nobody worked on them.
        starting: where the time went meanwhile.
        completed: started and ended, with a worker.
        completing: where the time went meanwhile.
    """

    started: float
    starting: limits.Usage
    completed: float
    completing: limits.Usage


def measure(address: str, namespace: str = 'default') -> Throughput:
    """Start workflows, some at a time, for some seconds; then the same with a worker, and wait for each.

    Args:
        address: HOST:PORT of the frontend.
        namespace: that exists.
    """

    async def main() -> Throughput:
        client = await Client.connect(address, namespace=namespace)
        with limits.watched() as starting:
            started = await _rate(client, f'bench-{uuid.uuid4().hex[:6]}', wait=False)
        queue = f'bench-{uuid.uuid4().hex[:6]}'
        async with Worker(client, task_queue=queue, workflows=[Echo]):
            with limits.watched() as completing:
                completed = await _rate(client, queue, wait=True)
        return Throughput(started, starting, completed, completing)

    return asyncio.run(main())


async def _rate(client: Client, queue: str, *, wait: bool) -> float:
    began, done = time.monotonic(), 0

    async def go_on(number: int) -> None:
        nonlocal done
        count = 0
        while time.monotonic() - began < _SECONDS:
            name = f'{queue}-{number}-{count}'
            handle = await client.start_workflow(Echo.run, 'x', id=name, task_queue=queue)
            if wait:
                await handle.result()
            count += 1
            done += 1

    await asyncio.gather(*(go_on(number) for number in range(_AT_A_TIME)))
    return done / (time.monotonic() - began)
