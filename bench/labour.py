"""Workflow code whose activities do nothing: packed for the worker charm, and run by a worker without a charm.

`python -m bench.labour HOST:PORT QUEUE` is that worker, with the limits that the charm's have by default.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import sys

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

_SOON = datetime.timedelta(seconds=60)


@activity.defn
def nothing() -> None:
    """As quick as an activity can be."""


@workflow.defn
class Labour:
    """Runs activities beside each other."""

    @workflow.run
    async def run(self, activities: int) -> None:
        """Ends when all have."""
        await asyncio.gather(
            *(workflow.execute_activity(nothing, start_to_close_timeout=_SOON) for _ in range(activities))
        )


async def main(address: str, queue: str) -> None:
    """Work until the process is ended."""
    client = await Client.connect(address)
    with concurrent.futures.ThreadPoolExecutor(100) as threads:
        await Worker(
            client,
            task_queue=queue,
            workflows=[Labour],
            activities=[nothing],
            activity_executor=threads,
            max_concurrent_activities=100,
            max_concurrent_workflow_tasks=100,
        ).run()


if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
