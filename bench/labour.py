"""Workflow code whose activities do nothing: packed for the worker charm, and a worker of its own.

As a program it is that worker, without the charm or in an image of its own: with the limits that the charm's have by
default, and as Temporal's clients are told where the server is. `TWC_QUEUE` names the queue.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import datetime
import os
import signal
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import Worker

_SOON = datetime.timedelta(seconds=60)
_GRACE = datetime.timedelta(seconds=15)


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


async def work(workflows: Sequence[type], activities: Sequence[Callable[..., Any]]) -> None:
    """Work until the process is told to end; what runs then is waited for."""
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    with concurrent.futures.ThreadPoolExecutor(100) as threads:
        async with Worker(
            client,
            task_queue=os.environ['TWC_QUEUE'],
            workflows=workflows,
            activities=activities,
            activity_executor=threads,
            max_concurrent_activities=100,
            max_concurrent_workflow_tasks=100,
            graceful_shutdown_timeout=_GRACE,
        ):
            await told.wait()


def main(workflows: Sequence[type], activities: Sequence[Callable[..., Any]]) -> NoReturn:
    """Be a worker's process."""
    asyncio.run(work(workflows, activities))
    # Without the interpreter's orderly end: the SDK's threads now and then crash it.
    os._exit(0)


if __name__ == '__main__':
    main([Labour], [nothing])
