"""The part of Temporal's service that workflows and schedules are started by, over the SDK's own messages."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from google.protobuf.any_pb2 import Any as AnyMessage
from temporalio.api.common.v1 import GrpcStatus, Memo, Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType, WorkflowExecutionStatus, WorkflowIdConflictPolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.schedule.v1 import Schedule, ScheduleListEntry
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DescribeScheduleResponse,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryResponse,
    ListSchedulesResponse,
    ListWorkflowExecutionsResponse,
    StartWorkflowExecutionRequest,
    StartWorkflowExecutionResponse,
)
from temporalio.client import Client
from temporalio.converter import DataConverter, PayloadCodec
from temporalio.service import ConnectConfig, RPCError, RPCStatusCode

T = TypeVar('T')

RUNNING, FAILED, CANCELED, TERMINATED = (
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_RUNNING,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
)


def refused(status: RPCStatusCode, *details: Any) -> RPCError:
    """What the client raises."""
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    return RPCError('refused', status, GrpcStatus(code=status.value, details=packed).SerializeToString())


class Service:
    """A namespace.

    Attributes:
        workflows: their latest runs, by their identifiers.
        failures: messages of failed ones.
        schedules: by their identifiers.
        memos: of the schedules.
        calls: what changed something.
        down: raised instead of every answer.
        lists_down: raised instead of lists.
    """

    def __init__(self) -> None:
        self.workflows: dict[str, DescribeWorkflowExecutionResponse] = {}
        self.inputs: dict[str, list[Payload]] = {}
        self.failures: dict[str, str] = {}
        self.schedules: dict[str, Schedule] = {}
        self.memos: dict[str, Memo] = {}
        self.calls: list[str] = []
        self.down: RPCError | None = None
        self.lists_down: Exception | None = None
        self.races = 0

    def _answers(self) -> None:
        if self.down:
            raise self.down

    def end(self, identifier: str, status: Any, failure: str = '') -> None:
        """Let a workflow have ended."""
        self.workflows[identifier].workflow_execution_info.status = status
        self.failures[identifier] = failure

    async def start_workflow_execution(self, request: StartWorkflowExecutionRequest, **_: Any) -> Any:
        self._answers()
        there = self.workflows.get(request.workflow_id)
        running = there is not None and there.workflow_execution_info.status == RUNNING
        use = WorkflowIdConflictPolicy.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING
        if running and request.workflow_id_conflict_policy == use:
            self.calls.append(f'use {request.workflow_id}')
            return StartWorkflowExecutionResponse(run_id='there')
        self.calls.append(f'{"replace" if running else "start"} {request.workflow_id}')
        self.inputs[request.workflow_id] = list(request.input.payloads)
        made = DescribeWorkflowExecutionResponse(
            workflow_execution_info=WorkflowExecutionInfo(
                execution=WorkflowExecution(workflow_id=request.workflow_id, run_id='r'),
                type=request.workflow_type,
                status=RUNNING,
                task_queue=request.task_queue.name,
                memo=request.memo,
            )
        )
        self.workflows[request.workflow_id] = made
        return StartWorkflowExecutionResponse(run_id='r')

    async def describe_workflow_execution(self, request: Any, **_: Any) -> DescribeWorkflowExecutionResponse:
        self._answers()
        if request.execution.workflow_id not in self.workflows:
            raise refused(RPCStatusCode.NOT_FOUND)
        return self.workflows[request.execution.workflow_id]

    async def list_workflow_executions(self, request: Any, **_: Any) -> ListWorkflowExecutionsResponse:
        self._answers()
        if self.lists_down:
            raise self.lists_down
        assert request.query == "WorkflowType = 'ConsumeEvents' AND ExecutionStatus = 'Running'"
        infos = [one.workflow_execution_info for one in self.workflows.values()]
        return ListWorkflowExecutionsResponse(
            executions=[one for one in infos if one.status == RUNNING and one.type.name == 'ConsumeEvents']
        )

    async def request_cancel_workflow_execution(self, request: Any, **_: Any) -> None:
        if self.races:
            self.races -= 1
            raise refused(RPCStatusCode.NOT_FOUND)
        self.calls.append(f'cancel {request.workflow_execution.workflow_id}')
        there = self.workflows[request.workflow_execution.workflow_id]
        there.workflow_extended_info.cancel_requested = True

    async def terminate_workflow_execution(self, request: Any, **_: Any) -> None:
        self.calls.append(f'terminate {request.workflow_execution.workflow_id}')
        self.end(request.workflow_execution.workflow_id, TERMINATED)

    async def get_workflow_execution_history(self, request: Any, **_: Any) -> GetWorkflowExecutionHistoryResponse:
        event = HistoryEvent(event_type=EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED)
        failure = event.workflow_execution_failed_event_attributes.failure
        failure.message = self.failures[request.execution.workflow_id]
        failure.application_failure_info.type = 'X'
        answer = GetWorkflowExecutionHistoryResponse()
        answer.history.events.append(event)
        return answer

    def _schedule(self, name: str) -> Schedule:
        self._answers()
        if name not in self.schedules:
            raise refused(RPCStatusCode.NOT_FOUND)
        return self.schedules[name]

    async def create_schedule(self, request: CreateScheduleRequest, **_: Any) -> None:
        self._answers()
        if request.schedule.spec.cron_string == ['nonsense']:
            raise refused(RPCStatusCode.INVALID_ARGUMENT)
        if self.races:
            self.races -= 1
            raise refused(RPCStatusCode.ALREADY_EXISTS, WorkflowExecutionAlreadyStartedFailure())
        self.calls.append(f'create {request.schedule_id}')
        self.schedules[request.schedule_id] = request.schedule
        self.memos[request.schedule_id] = request.memo
        self._compile(request.schedule)

    @staticmethod
    def _compile(schedule: Schedule) -> None:
        """As the server does: cron lines are not given back."""
        if schedule.spec.cron_string:
            schedule.spec.structured_calendar.add(comment=schedule.spec.cron_string[0])
            del schedule.spec.cron_string[:]
        # One that is asked for none says which it takes.
        schedule.spec.timezone_name = schedule.spec.timezone_name or 'UTC'

    async def describe_schedule(self, request: Any, **_: Any) -> DescribeScheduleResponse:
        schedule = self._schedule(request.schedule_id)
        return DescribeScheduleResponse(schedule=schedule, memo=self.memos.get(request.schedule_id))

    async def update_schedule(self, request: Any, **_: Any) -> None:
        self.calls.append(f'update {request.schedule_id}')
        self._schedule(request.schedule_id).CopyFrom(request.schedule)
        self._compile(self.schedules[request.schedule_id])

    async def patch_schedule(self, request: Any, **_: Any) -> None:
        self._answers()
        there = self._schedule(request.schedule_id)
        if request.patch.pause or request.patch.unpause:
            there.state.paused = bool(request.patch.pause)
            there.state.notes = request.patch.pause or request.patch.unpause
        else:
            self.calls.append(f'trigger {request.schedule_id}')

    async def list_schedules(self, request: Any, **_: Any) -> ListSchedulesResponse:
        self._answers()
        if self.lists_down:
            raise self.lists_down
        return ListSchedulesResponse(
            schedules=[ScheduleListEntry(schedule_id=name, memo=memo) for name, memo in self.memos.items()]
        )

    async def delete_schedule(self, request: Any, **_: Any) -> None:
        # The list shows it for longer than it is there.
        self._schedule(request.schedule_id)
        self.calls.append(f'delete {request.schedule_id}')
        del self.schedules[request.schedule_id]


class _Connection:
    def __init__(self, service: Service) -> None:
        self.workflow_service, self.config = service, ConnectConfig(target_host='none', identity='test')


def client(service: Service, codec: PayloadCodec | None = None) -> Client:
    """A client of the service, which encrypts if there is a codec."""
    connection: Any = _Connection(service)
    return Client(connection, data_converter=DataConverter(payload_codec=codec))


def ask(service: Service, act: Callable[[Client], Awaitable[T]], codec: PayloadCodec | None = None) -> T:
    """Call something with a client."""

    async def call() -> T:
        return await act(client(service, codec))

    return asyncio.run(call())
