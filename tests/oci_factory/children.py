"""What a server does about the children of a workflow, for the simulation."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from attempts import CANCELLED
from execution import QUEUE, Execution
from temporalio.api.common.v1 import Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import StartChildWorkflowExecutionFailedCause
from temporalio.api.failure.v1 import ChildWorkflowExecutionFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.bridge.proto import child_workflow
from temporalio.bridge.proto.workflow_activation import WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import StartChildWorkflowExecution

if TYPE_CHECKING:
    from simulation import Simulation

_TAKEN = 'START_CHILD_WORKFLOW_EXECUTION_FAILED_CAUSE_WORKFLOW_ALREADY_EXISTS'
_AT_ONCE = datetime.timedelta(0)


class Children:
    """Starts, refuses, cancels and ends children.

    Args:
        server: whose.
    """

    def __init__(self, server: Simulation) -> None:
        self._server = server

    def start(self, parent: Execution, wanted: StartChildWorkflowExecution, task: int) -> None:
        """Start a child, unless its identifier is another one's that runs."""
        kind = WorkflowType(name=wanted.workflow_type)
        initiated = self._server.event(
            parent,
            'START_CHILD_WORKFLOW_EXECUTION_INITIATED',
            namespace='default',
            workflow_id=wanted.workflow_id,
            workflow_type=kind,
            task_queue=TaskQueue(name=QUEUE),
            input=Payloads(payloads=wanted.input),
            parent_close_policy=wanted.parent_close_policy,
            workflow_task_completed_event_id=task,
        )

        if any(one.id == wanted.workflow_id and not one.over for one in self._server.executions):
            self._server.later(_AT_ONCE, lambda: self._refuse(parent, wanted, initiated))
            return

        def close() -> None:
            self._server.later(_AT_ONCE, lambda: self._closed(parent, child, wanted, initiated, started[0]))

        child = parent.children[wanted.seq] = self._server.begin(
            wanted.workflow_type, wanted.workflow_id, wanted.input, close, parent
        )
        execution = WorkflowExecution(workflow_id=child.id, run_id=child.run_id)
        started: list[int] = []

        def start() -> None:
            event = self._server.event(
                parent,
                'CHILD_WORKFLOW_EXECUTION_STARTED',
                namespace='default',
                initiated_event_id=initiated.event_id,
                workflow_execution=execution,
                workflow_type=kind,
            )
            started.append(event.event_id)
            job = WorkflowActivationJob()
            job.resolve_child_workflow_execution_start.seq = wanted.seq
            job.resolve_child_workflow_execution_start.succeeded.run_id = child.run_id
            self._server.task(parent, job)

        self._server.later(_AT_ONCE, start)

    def _refuse(self, parent: Execution, wanted: StartChildWorkflowExecution, initiated: HistoryEvent) -> None:
        """The identifier is another one's."""
        self._server.event(
            parent,
            'START_CHILD_WORKFLOW_EXECUTION_FAILED',
            namespace='default',
            workflow_id=wanted.workflow_id,
            workflow_type=WorkflowType(name=wanted.workflow_type),
            cause=StartChildWorkflowExecutionFailedCause.Value(_TAKEN),
            initiated_event_id=initiated.event_id,
        )
        job = WorkflowActivationJob()
        failed = job.resolve_child_workflow_execution_start.failed
        job.resolve_child_workflow_execution_start.seq = wanted.seq
        failed.workflow_id, failed.workflow_type = wanted.workflow_id, wanted.workflow_type
        failed.cause = child_workflow.StartChildWorkflowExecutionFailedCause.Value(_TAKEN)
        self._server.task(parent, job)

    def _closed(
        self,
        parent: Execution,
        child: Execution,
        wanted: StartChildWorkflowExecution,
        initiated: HistoryEvent,
        started: int,
    ) -> None:
        """Tell the parent how its child has ended."""
        job = WorkflowActivationJob()
        job.resolve_child_workflow_execution.seq = wanted.seq
        execution = WorkflowExecution(workflow_id=child.id, run_id=child.run_id)
        common: dict[str, Any] = {
            'namespace': 'default',
            'workflow_execution': execution,
            'workflow_type': WorkflowType(name=wanted.workflow_type),
            'initiated_event_id': initiated.event_id,
            'started_event_id': started,
        }
        if child.failure is not None:
            self._server.event(parent, 'CHILD_WORKFLOW_EXECUTION_FAILED', failure=child.failure, **common)
            failure = job.resolve_child_workflow_execution.result.failed.failure
            failure.CopyFrom(Failure(message='child workflow execution error', cause=child.failure))
            failure.child_workflow_execution_failure_info.CopyFrom(ChildWorkflowExecutionFailureInfo(**common))
        elif child.cancelled:
            self._server.event(parent, 'CHILD_WORKFLOW_EXECUTION_CANCELED', **common)
            failure = job.resolve_child_workflow_execution.result.cancelled.failure
            failure.CopyFrom(Failure(message='child workflow execution error', cause=CANCELLED))
            failure.child_workflow_execution_failure_info.CopyFrom(ChildWorkflowExecutionFailureInfo(**common))
        else:
            assert child.result is not None
            self._server.event(parent, 'CHILD_WORKFLOW_EXECUTION_COMPLETED', result=child.result, **common)
            job.resolve_child_workflow_execution.result.completed.result.CopyFrom(child.result.payloads[0])
        self._server.task(parent, job)

    def cancel(self, parent: Execution, number: int, task: int) -> None:
        """Ask a child to end, as its parent wants it."""
        child = parent.children[number]
        execution = WorkflowExecution(workflow_id=child.id, run_id=child.run_id)
        initiated = self._server.event(
            parent,
            'REQUEST_CANCEL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED',
            workflow_task_completed_event_id=task,
            namespace='default',
            workflow_execution=execution,
            child_workflow_only=True,
        )

        def cancel() -> None:
            if not parent.over:
                self._server.event(
                    parent,
                    'EXTERNAL_WORKFLOW_EXECUTION_CANCEL_REQUESTED',
                    initiated_event_id=initiated.event_id,
                    namespace='default',
                    workflow_execution=execution,
                )
            self._server.request_cancel(child)

        self._server.later(_AT_ONCE, cancel)
