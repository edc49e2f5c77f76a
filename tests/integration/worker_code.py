"""Workflow code for the tests of the worker charm: packed into a wheel, never imported here."""

import asyncio
import datetime
import os
import time

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

_LONG = datetime.timedelta(minutes=10)


@activity.defn
def tell(name: str) -> str:
    """A variable of the worker's environment."""
    return os.environ.get(name, '')


@activity.defn
def climb(steps: int) -> int:
    """Take a step a second, and tell where this attempt began."""
    details = activity.info().heartbeat_details
    begun = int(details[0]) if details else 0
    for step in range(begun, steps):
        activity.heartbeat(step + 1)
        time.sleep(1)
    return begun


@activity.defn
async def block(seconds: int) -> None:
    """Do what an async activity must not."""
    time.sleep(seconds)
    await asyncio.sleep(0)


@workflow.defn
class Tell:
    """Runs `tell`."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Returns what it returns."""
        return await workflow.execute_activity(tell, name, start_to_close_timeout=_LONG)


@workflow.defn
class Climb:
    """Runs `climb`; only what is handed over can begin anew before five minutes have gone."""

    @workflow.run
    async def run(self, steps: int) -> int:
        """Returns what the last attempt returns."""
        return await workflow.execute_activity(
            climb, steps, start_to_close_timeout=_LONG, heartbeat_timeout=datetime.timedelta(minutes=5)
        )


@workflow.defn
class Block:
    """Runs `block`, once."""

    @workflow.run
    async def run(self, seconds: int) -> None:
        """Fails with its activity."""
        await workflow.execute_activity(
            block, seconds, start_to_close_timeout=_LONG, retry_policy=RetryPolicy(maximum_attempts=1)
        )
