"""Workflow code that leaves letters with Kafka, RabbitMQ and S3, and fetches them there: it has nothing but variables.

It is for the tests of the neighbours' charms; `dist/neighbours-code.tar` is made of it.
"""

import datetime

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from neighbours_code.activities import drop, fetch, tell

_PATIENCE = datetime.timedelta(minutes=5)
_ATTEMPT = datetime.timedelta(seconds=90)


@workflow.defn
class Tell:
    """Runs `tell`."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Returns what it returns."""
        return await workflow.execute_activity(tell, name, start_to_close_timeout=_ATTEMPT)


@workflow.defn
class Drop:
    """Runs `drop`."""

    @workflow.run
    async def run(self, service: str, letter: str) -> None:
        """Fails where that fails for minutes."""
        await workflow.execute_activity(
            drop, args=[service, letter], start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=_PATIENCE
        )


@workflow.defn
class Fetch:
    """Runs `fetch`."""

    @workflow.run
    async def run(self, service: str, letter: str) -> bool:
        """Returns what it returns."""
        return await workflow.execute_activity(
            fetch, args=[service, letter], start_to_close_timeout=_ATTEMPT, schedule_to_close_timeout=_PATIENCE
        )
