"""Runs workflows without a server, in a time of its own, and writes the history that a server would have written.

The SDK's own workflow instances decide; activities are called as a worker would call them, and retried as their policy
says. What is here of the server is as much as this package's workflows use: activities, children, cancellation, timers,
and identifiers that one workflow at a time may have.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import heapq
import itertools
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from attempts import CANCELLED, about, messages, next_delay
from children import Children
from described import Describer, act, surroundings
from execution import QUEUE, Execution, begin
from google.protobuf.duration_pb2 import Duration
from temporalio import activity, workflow
from temporalio.api.common.v1 import ActivityType, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.failure.v1 import (
    Failure,
)
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1 import WorkflowTaskCompletedMetadata
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.bridge.proto.workflow_activation import WorkflowActivation, WorkflowActivationJob
from temporalio.bridge.proto.workflow_commands import (
    ScheduleActivity,
    StartTimer,
    WorkflowCommand,
)
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter

DURATION = datetime.timedelta(seconds=1)
"""Of an attempt of an activity."""

_CHECKED = (1, 2, 3)
"""The SDK's flags by which a replay compares the types of what is done with those in the history."""


class Failed(Exception):
    """A workflow ended with a failure; its message, and those of what caused it."""


class Cancelled(Exception):
    """A workflow ended since it was asked to."""


class Simulation:
    """A server and a worker, for workflows and activities that are defined.

    Args:
        workflows: the classes.
        activities: the functions.
        now: when it begins.
    """

    def __init__(
        self,
        workflows: Sequence[type],
        activities: Sequence[Callable[..., Any]],
        now: datetime.datetime | None = None,
    ) -> None:
        self.now = now or datetime.datetime.now(datetime.UTC)
        self.executions: list[Execution] = []
        self.attempts: list[tuple[str, int]] = []
        self._workflows = {one.name: one for one in map(workflow._Definition.must_from_class, workflows)}
        self._activities = {one.name: one for one in map(activity._Definition.must_from_callable, activities)}
        self._converter, self._failures = DefaultPayloadConverter(), DefaultFailureConverter()
        self._beats: dict[tuple[str, int], tuple[Any, ...]] = {}
        self._failing: dict[tuple[str, int], tuple[str, Failure]] = {}
        self._agenda: list[tuple[datetime.datetime, int, Callable[[], None]]] = []
        self._children = Children(self)
        self._order = itertools.count()
        # Fixed, so that recording anew changes no more of a recorded history than what has changed.
        self._run_ids = (uuid.UUID(int=number) for number in itertools.count(1))

    def run(
        self,
        name: str,
        *args: object,
        workflow_id: str = 'wf',
        cancel_after: datetime.timedelta | None = None,
    ) -> Any:
        """Run a workflow to its end.

        Args:
            name: of the workflow.
            args: of the workflow.
            workflow_id: its identifier.
            cancel_after: when somebody asks to cancel it; None for nobody.

        Raises:
            Failed: when it fails.
            Cancelled: when it ends since it was asked to.
        """
        main = self.start(name, *args, workflow_id=workflow_id)
        if cancel_after is not None:
            self.cancel(main, cancel_after)
        while not main.over:
            self.now, _, act = heapq.heappop(self._agenda)
            act()
        if main.cancelled:
            raise Cancelled
        if main.failure is not None:
            raise Failed(' <- '.join(messages(main.failure)))
        definition = self._workflows[name]
        hints = [definition.ret_type] if definition.ret_type else None
        assert main.result is not None
        return self._converter.from_payloads(main.result.payloads, hints)[0]

    def start(self, name: str, *args: object, workflow_id: str) -> Execution:
        """Begin a workflow; it goes on while `run` does."""
        return self.begin(name, workflow_id, self._converter.to_payloads(args), lambda: None)

    def cancel(self, one: Execution, after: datetime.timedelta) -> None:
        """Ask to cancel a workflow, later."""
        self.later(after, lambda: self.request_cancel(one))

    def later(self, delay: datetime.timedelta, act: Callable[[], None]) -> None:
        """Have something happen after a delay."""
        heapq.heappush(self._agenda, (self.now + delay, next(self._order), act))

    def begin(
        self,
        name: str,
        workflow_id: str,
        payloads: Sequence[Any],
        closed: Callable[[], None],
        parent: Execution | None = None,
    ) -> Execution:
        """Begin a workflow that somebody else waits for."""
        definition, run_id = self._workflows[name], str(next(self._run_ids))
        one = begin(definition, workflow_id, run_id, self.now, closed, parent)
        self.executions.append(one)
        started = self.event(
            one,
            'WORKFLOW_EXECUTION_STARTED',
            workflow_type=WorkflowType(name=name),
            task_queue=TaskQueue(name=QUEUE),
            input=Payloads(payloads=payloads),
            original_execution_run_id=run_id,
            first_execution_run_id=run_id,
            workflow_id=workflow_id,
            attempt=1,
            workflow_task_timeout=Duration(seconds=10),
        )
        if parent:
            attributes = started.workflow_execution_started_event_attributes
            attributes.parent_workflow_namespace = 'default'
            attributes.parent_workflow_execution.CopyFrom(
                WorkflowExecution(workflow_id=parent.id, run_id=parent.run_id)
            )
        job = WorkflowActivationJob()
        first = job.initialize_workflow
        first.workflow_type, first.workflow_id, first.attempt = name, workflow_id, 1
        first.arguments.extend(payloads)
        first.start_time.FromDatetime(self.now)
        self.later(datetime.timedelta(0), lambda: self.task(one, job))
        return one

    def event(self, one: Execution, kind: str, **attributes: Any) -> HistoryEvent:
        """Add an event to a history, as of now."""
        return one.event(self.now, kind, **attributes)

    def task(self, one: Execution, job: WorkflowActivationJob) -> None:
        """A workflow task: what happened goes in, what is to be done comes out."""
        if one.over:
            return
        scheduled = self.event(one, 'WORKFLOW_TASK_SCHEDULED', task_queue=TaskQueue(name=QUEUE), attempt=1)
        started = self.event(one, 'WORKFLOW_TASK_STARTED', scheduled_event_id=scheduled.event_id)
        jobs, done = [job], None
        while jobs:
            activation = WorkflowActivation(run_id=one.run_id, history_length=started.event_id, jobs=jobs)
            activation.timestamp.FromDatetime(self.now)
            completion = one.instance.activate(activation)
            if completion.HasField('failed'):
                raise AssertionError(f'the task of {one.type} failed: {completion.failed.failure}')
            done = done or self.event(
                one,
                'WORKFLOW_TASK_COMPLETED',
                scheduled_event_id=scheduled.event_id,
                started_event_id=started.event_id,
                sdk_metadata=WorkflowTaskCompletedMetadata(core_used_flags=_CHECKED if started.event_id == 3 else ()),
            )
            # What is cancelled is told so within the same task.
            jobs = []
            for command in completion.successful.commands:
                jobs += self._obey(one, command, done.event_id)

    def _obey(self, one: Execution, command: WorkflowCommand, task: int) -> list[WorkflowActivationJob]:
        """Do as a workflow says; what it is to be told at once comes back."""
        kind = command.WhichOneof('variant')
        if kind == 'schedule_activity':
            self._schedule(one, command.schedule_activity, task)
        elif kind == 'start_child_workflow_execution':
            self._children.start(one, command.start_child_workflow_execution, task)
        elif kind == 'request_cancel_activity':
            return [self._drop(one, command.request_cancel_activity.seq, task)]
        elif kind == 'cancel_child_workflow_execution':
            self._children.cancel(one, command.cancel_child_workflow_execution.child_workflow_seq, task)
        elif kind == 'set_patch_marker':
            self.event(one, 'MARKER_RECORDED', marker_name='core_patch', workflow_task_completed_event_id=task)
        elif kind == 'start_timer':
            self._start_timer(one, command.start_timer, task)
        elif kind == 'cancel_timer':
            one.timers.discard(command.cancel_timer.seq)
        else:
            self._close(one, command, task)
        return []

    def _close(self, one: Execution, command: WorkflowCommand, task: int) -> None:
        """End a workflow, and with it what is left of its children."""
        kind = command.WhichOneof('variant')
        if kind == 'complete_workflow_execution':
            one.result = Payloads(payloads=[command.complete_workflow_execution.result])
            how: dict[str, Any] = {'kind': 'COMPLETED', 'result': one.result}
        elif kind == 'fail_workflow_execution':
            one.failure = command.fail_workflow_execution.failure
            how = {'kind': 'FAILED', 'failure': one.failure}
        elif kind == 'cancel_workflow_execution':
            one.cancelled = True
            how = {'kind': 'CANCELED'}
        else:
            raise AssertionError(f'{kind} is not simulated')
        self.event(one, f'WORKFLOW_EXECUTION_{how.pop("kind")}', workflow_task_completed_event_id=task, **how)
        one.closed()
        for child in one.children.values():
            self.later(datetime.timedelta(0), functools.partial(self._terminate, child))

    def _terminate(self, one: Execution) -> None:
        if not one.over:
            self.event(one, 'WORKFLOW_EXECUTION_TERMINATED')
            one.terminated = True

    def _start_timer(self, one: Execution, wanted: StartTimer, task: int) -> None:
        started = self.event(
            one,
            'TIMER_STARTED',
            timer_id=str(wanted.seq),
            start_to_fire_timeout=wanted.start_to_fire_timeout,
            workflow_task_completed_event_id=task,
        )
        one.timers.add(wanted.seq)

        def fire() -> None:
            if one.over or wanted.seq not in one.timers:
                return
            self.event(one, 'TIMER_FIRED', timer_id=str(wanted.seq), started_event_id=started.event_id)
            job = WorkflowActivationJob()
            job.fire_timer.seq = wanted.seq
            self.task(one, job)

        self.later(wanted.start_to_fire_timeout.ToTimedelta(), fire)

    def request_cancel(self, one: Execution) -> None:
        """Tell a workflow at once that it is asked to end."""
        if not one.over:
            self.event(one, 'WORKFLOW_EXECUTION_CANCEL_REQUESTED')
            job = WorkflowActivationJob()
            job.cancel_workflow.reason = ''
            self.task(one, job)

    def _drop(self, one: Execution, number: int, task: int) -> WorkflowActivationJob:
        """Cancel an activity; the workflow does not wait for that."""
        scheduled = one.scheduled[number]
        self.event(
            one,
            'ACTIVITY_TASK_CANCEL_REQUESTED',
            scheduled_event_id=scheduled.event_id,
            workflow_task_completed_event_id=task,
        )
        one.dropped.add(number)
        job = WorkflowActivationJob()
        job.resolve_activity.seq = number
        failure = job.resolve_activity.result.cancelled.failure
        failure.CopyFrom(Failure(message='activity error', cause=CANCELLED))
        failure.activity_failure_info.CopyFrom(about(scheduled))
        return job

    def _schedule(self, one: Execution, wanted: ScheduleActivity, task: int) -> None:
        event = self.event(
            one,
            'ACTIVITY_TASK_SCHEDULED',
            activity_id=wanted.activity_id,
            activity_type=ActivityType(name=wanted.activity_type),
            task_queue=TaskQueue(name=QUEUE),
            input=Payloads(payloads=wanted.arguments),
            schedule_to_close_timeout=wanted.schedule_to_close_timeout,
            start_to_close_timeout=wanted.start_to_close_timeout,
            heartbeat_timeout=wanted.heartbeat_timeout,
            retry_policy=wanted.retry_policy,
            workflow_task_completed_event_id=task,
        )
        one.scheduled[wanted.seq] = event
        began = self.now
        self.later(DURATION, lambda: self._attempt(one, wanted, event, 1, began))

    def _attempt(
        self, one: Execution, wanted: ScheduleActivity, scheduled: HistoryEvent, number: int, began: datetime.datetime
    ) -> None:
        """An attempt of an activity ends."""
        if one.over or wanted.seq in one.dropped:
            return
        self.attempts.append((wanted.activity_type, number))
        definition = self._activities[wanted.activity_type]
        environment = surroundings(Describer(self.executions, self._failing))
        environment.info = dataclasses.replace(
            environment.info,
            activity_type=wanted.activity_type,
            attempt=number,
            scheduled_time=scheduled.event_time.ToDatetime(datetime.UTC),
            workflow_id=one.id,
            workflow_run_id=one.run_id,
            workflow_type=one.type,
            workflow_namespace='default',
            heartbeat_details=self._beats.get((one.run_id, wanted.seq), ()),
        )
        environment.on_heartbeat = lambda *details: self._beats.update({(one.run_id, wanted.seq): details})
        arguments = self._converter.from_payloads(wanted.arguments, definition.arg_types)
        job = WorkflowActivationJob()
        job.resolve_activity.seq = wanted.seq
        result = job.resolve_activity.result
        self._failing.pop((one.run_id, wanted.seq), None)
        try:
            returned = act(environment, definition.fn, arguments)
        except Exception as error:
            failure = Failure()
            self._failures.to_failure(error, self._converter, failure)
            delay = next_delay(wanted, failure, number, self.now - began)
            if delay is not None:
                self._failing[one.run_id, wanted.seq] = (wanted.activity_type, failure)
                self.later(delay + DURATION, lambda: self._attempt(one, wanted, scheduled, number + 1, began))
                return
            self._end(one, scheduled, number, 'FAILED', failure=failure)
            result.failed.failure.CopyFrom(Failure(message='activity error', cause=failure))
            result.failed.failure.activity_failure_info.CopyFrom(about(scheduled))
        else:
            payloads = self._converter.to_payloads([returned])
            self._end(one, scheduled, number, 'COMPLETED', result=Payloads(payloads=payloads))
            result.completed.result.CopyFrom(payloads[0])
        self.task(one, job)

    def _end(self, one: Execution, scheduled: HistoryEvent, number: int, how: str, **attributes: Any) -> None:
        started = self.event(one, 'ACTIVITY_TASK_STARTED', scheduled_event_id=scheduled.event_id, attempt=number)
        self.event(
            one,
            f'ACTIVITY_TASK_{how}',
            scheduled_event_id=scheduled.event_id,
            started_event_id=started.event_id,
            **attributes,
        )
