"""The name and the arguments by which people have started the consumer so far."""

from __future__ import annotations

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from temporal_events import names
    from temporal_events.model import Consumption


# An input that is missing or of another type would be tried again for ever.
@workflow.defn(failure_exception_types=[TypeError])
class ConsumeEventsWorkflow:
    """Goes on as `ConsumeEvents` at once, under the same identifier."""

    @workflow.run
    async def run(self, kafka_topic: str, consumer_group: str) -> None:
        """Do it.

        Args:
            kafka_topic: name of the topic.
            consumer_group: name of the group.
        """
        workflow.continue_as_new(args=[Consumption((kafka_topic,), consumer_group)], workflow=names.CONSUME_EVENTS)
