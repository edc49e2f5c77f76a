"""A run of a workflow in a simulation: the SDK's instance of it, and its history so far."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Callable
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import History, HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.common import Priority, TypedSearchAttributes
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter
from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker._workflow_instance import WorkflowInstanceDetails

QUEUE = 'oci-factory'


@dataclasses.dataclass
class Execution:
    """A run of a workflow.

    Attributes:
        id: of the workflow.
        type: its name.
        run_id: of this run.
        started: when.
        instance: the SDK's.
        closed: called when it has ended.
        history: the events so far.
        scheduled: number of an activity to its event.
        children: number of a child to it.
        timers: numbers of those that run.
        dropped: numbers of activities that were cancelled.
        result: once it has ended well.
        failure: once it has failed.
        cancelled: whether it has ended since that was asked for.
        terminated: whether it has ended with its parent.
    """

    id: str
    type: str
    run_id: str
    started: datetime.datetime
    instance: Any
    closed: Callable[[], None]
    history: History = dataclasses.field(default_factory=History)
    scheduled: dict[int, HistoryEvent] = dataclasses.field(default_factory=dict)
    children: dict[int, Execution] = dataclasses.field(default_factory=dict)
    timers: set[int] = dataclasses.field(default_factory=set)
    dropped: set[int] = dataclasses.field(default_factory=set)
    result: Payloads | None = None
    failure: Failure | None = None
    cancelled: bool = False
    terminated: bool = False

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.result is not None or self.failure is not None or self.cancelled or self.terminated

    def event(self, now: datetime.datetime, kind: str, **attributes: Any) -> HistoryEvent:
        """Add an event to the history.

        Args:
            now: when it happens.
            kind: EVENT_TYPE_..., without the prefix.
            attributes: of that kind.
        """
        fields: dict[str, Any] = {f'{kind.lower()}_event_attributes': attributes}
        event = HistoryEvent(
            event_id=len(self.history.events) + 1, event_type=EventType.Value(f'EVENT_TYPE_{kind}'), **fields
        )
        event.event_time.FromDatetime(now)
        self.history.events.append(event)
        return self.history.events[-1]

    def types(self) -> list[str]:
        """The history's types of events, as EVENT_TYPE_..., without the prefix."""
        return [EventType.Name(event.event_type).removeprefix('EVENT_TYPE_') for event in self.history.events]

    def as_recorded(self) -> WorkflowHistory:
        """For the replayer."""
        return WorkflowHistory(self.id, list(self.history.events))


def begin(
    definition: workflow._Definition,
    workflow_id: str,
    run_id: str,
    now: datetime.datetime,
    closed: Callable[[], None],
    parent: Execution | None,
) -> Execution:
    """Make the instance of a workflow that starts now."""
    name = definition.name or ''
    info = workflow.Info(
        attempt=1,
        continued_run_id=None,
        cron_schedule=None,
        execution_timeout=None,
        first_execution_run_id=run_id,
        headers={},
        namespace='default',
        original_execution_run_id=run_id,
        parent=workflow.ParentInfo('default', parent.run_id, parent.id) if parent else None,
        root=None,
        priority=Priority.default,
        raw_memo={},
        retry_policy=None,
        run_id=run_id,
        run_timeout=None,
        search_attributes={},
        start_time=now,
        task_queue=QUEUE,
        task_timeout=datetime.timedelta(seconds=10),
        typed_search_attributes=TypedSearchAttributes.empty,
        workflow_id=workflow_id,
        workflow_start_time=now,
        workflow_type=name,
    )
    details = WorkflowInstanceDetails(
        payload_converter_factory=DefaultPayloadConverter,
        failure_converter_class=DefaultFailureConverter,
        interceptor_classes=[],
        defn=definition,
        info=info,
        randomness_seed=0,
        extern_functions={},
        disable_eager_activity_execution=False,
        worker_level_failure_exception_types=[],
        patch_activation_callback=None,
        last_completion_result=Payloads(),
        last_failure=None,
    )

    async def instance() -> Any:
        # It looks for a running loop when it is made, and is one itself afterwards.
        return UnsandboxedWorkflowRunner().create_instance(details)

    return Execution(workflow_id, name, run_id, now, asyncio.run(instance()), closed)
