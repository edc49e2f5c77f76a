"""Workflow code for the tests of what is kept running: packed into a wheel, never imported here."""

from typing import Any

from temporalio import workflow


@workflow.defn
class ConsumeEvents:
    """Goes on until it is cancelled."""

    @workflow.run
    async def run(self, what: dict[str, Any]) -> None:
        """Consumes nothing."""
        await workflow.sleep(30)
        workflow.continue_as_new(what)


@workflow.defn
class Report:
    """Ends."""

    @workflow.run
    async def run(self, text: str, number: int) -> str:
        """Returns what it was given."""
        return f'{text}{number}'
