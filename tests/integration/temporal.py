"""Runs workflows for the tests, each call with a client of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode


async def _connect(address: str) -> Client:
    """Connect to a service one of whose pods may be new: Kubernetes sends clients there before its server answers."""
    end = time.monotonic() + 60
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)


def run(address: str, workflow: str, arguments: Sequence[object], *, workflow_id: str, queue: str) -> object:
    """Start a workflow and wait for its result."""

    async def main() -> object:
        client = await Client.connect(address)
        return await client.execute_workflow(workflow, args=list(arguments), id=workflow_id, task_queue=queue)

    return asyncio.run(main())


def start_many(address: str, workflow: str, argument: object, *, prefix: str, queue: str, count: int) -> None:
    """Start workflows and leave them running."""

    async def main() -> None:
        client = await _connect(address)
        await asyncio.gather(
            *(client.start_workflow(workflow, argument, id=f'{prefix}-{i}', task_queue=queue) for i in range(count))
        )

    asyncio.run(main())


def results(address: str, *, prefix: str, count: int, timeout: float) -> list[object]:
    """Wait for the results of workflows that were started before.

    A server that has lost a member without notice refuses some calls for up to 20 seconds, until the others know; the
    client gives up earlier, and is asked again.
    """

    async def main() -> list[object]:
        client = await _connect(address)

        async def result(number: int) -> object:
            while True:
                try:
                    return await client.get_workflow_handle(f'{prefix}-{number}').result()
                except RPCError as error:
                    if error.status not in (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED):
                        raise

        return await asyncio.wait_for(asyncio.gather(*(result(i) for i in range(count))), timeout)

    return asyncio.run(main())
