"""Workflows and activities for real workers."""

from __future__ import annotations

import datetime

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError


@activity.defn
def greet(name: str) -> str:
    return f'hello {name}'


@activity.defn
def fail(name: str) -> None:
    raise ApplicationError(f'no {name}')


@workflow.defn
class Greet:
    """Greets, once it is told to go on."""

    def __init__(self) -> None:
        self._go = False

    @workflow.run
    async def run(self, name: str) -> str:
        greeting = await workflow.execute_activity(greet, name, start_to_close_timeout=datetime.timedelta(seconds=20))
        await workflow.wait_condition(lambda: self._go)
        return greeting

    @workflow.signal
    def go(self) -> None:
        self._go = True


@workflow.defn
class Fail:
    """Fails with its activity."""

    @workflow.run
    async def run(self, name: str) -> None:
        await workflow.execute_activity(
            fail,
            name,
            start_to_close_timeout=datetime.timedelta(seconds=20),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )
