"""Work for a worker that runs Labour: one workflow, or as many as it can do."""

from __future__ import annotations

import asyncio
import os
import time
import uuid

from temporalio.client import Client

ACTIVITIES = 10
"""Of each workflow."""

_SECONDS = 10.0
_LANES = 20


async def labour(client: Client, queue: str) -> None:
    """Run a workflow, to its end."""
    await client.execute_workflow('Labour', ACTIVITIES, id=f'labour-{uuid.uuid4().hex}', task_queue=queue)


def rate(address: str, queue: str) -> float:
    """Activities that end per second and per processor, some workflows at a time, for some seconds."""

    async def main() -> float:
        client = await Client.connect(address)
        began, done = time.monotonic(), 0

        async def lane() -> None:
            nonlocal done
            while time.monotonic() - began < _SECONDS:
                await labour(client, queue)
                done += ACTIVITIES

        await asyncio.gather(*(lane() for _ in range(_LANES)))
        return done / (time.monotonic() - began) / (os.cpu_count() or 1)

    return asyncio.run(main())
