"""Async activities for real workers, good ones and bad ones."""

from __future__ import annotations

import asyncio
import datetime
import time

from temporalio import activity, workflow

_LONG = datetime.timedelta(minutes=5)


@activity.defn
async def block(seconds: float) -> str:
    """What an async activity must not do."""
    time.sleep(seconds)
    return 'blocked'


@activity.defn
async def beat() -> str:
    """Says where it is until it is cancelled, and then cleans up."""
    step = 0
    try:
        while True:
            step += 1
            activity.heartbeat(step)
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        await asyncio.sleep(0.1)
        return f'cleaned up: {activity.is_cancelled()}'


@activity.defn
async def last() -> str:
    """Ends with the worker."""
    await activity.wait_for_worker_shutdown()
    return 'shut down'


@workflow.defn
class Run:
    """Runs an activity."""

    @workflow.run
    async def run(self, name: str, arguments: list[float]) -> str:
        return await workflow.execute_activity(
            name,
            args=arguments,
            start_to_close_timeout=_LONG,
            heartbeat_timeout=datetime.timedelta(seconds=2) if name == 'beat' else None,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
