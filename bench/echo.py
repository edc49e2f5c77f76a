"""The smallest workflow there is: one workflow task and nothing else."""

from __future__ import annotations

from temporalio import workflow


@workflow.defn
class Echo:
    """Gives back what it gets."""

    @workflow.run
    async def run(self, text: str) -> str:
        """Give it back."""
        return text
