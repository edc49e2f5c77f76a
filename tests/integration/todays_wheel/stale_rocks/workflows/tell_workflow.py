"""A second module with a workflow, which nothing but its place makes known."""

from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from stale_rocks.activities.activity_watch import announce


@workflow.defn
class TellWorkflow:
    """Tells people what it is given."""

    @workflow.run
    async def run(self, text: str) -> str:
        """Returns where they can look."""
        return await workflow.execute_activity(
            announce, args=[text, 'Told'], start_to_close_timeout=timedelta(minutes=1)
        )
