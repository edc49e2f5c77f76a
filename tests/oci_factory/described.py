"""What a server tells of workflows in a simulation: their activities that wait for another attempt, their children."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from execution import Execution
from temporalio.api.common.v1 import ActivityType, WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo, PendingChildExecutionInfo, WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.testing import ActivityEnvironment

Failing = Mapping[tuple[str, int], tuple[str, Failure]]
"""Run and number of an activity that waits for its next attempt, to its name and why it needs one."""


class Describer:
    """Stands for a client, as far as activities that look at workflows use one.

    Args:
        executions: all there are.
        failing: their activities.
    """

    data_converter = DataConverter.default

    def __init__(self, executions: Sequence[Execution], failing: Failing) -> None:
        self._executions, self._failing = executions, failing

    def get_workflow_handle(self, identifier: str, *, run_id: str) -> Any:
        async def describe(**_: object) -> Any:
            (one,) = [one for one in self._executions if (one.id, one.run_id) == (identifier, run_id)]
            return SimpleNamespace(raw_description=self._described(one))

        return SimpleNamespace(describe=describe)

    def _described(self, one: Execution) -> DescribeWorkflowExecutionResponse:
        found = WorkflowExecutionInfo(execution=WorkflowExecution(workflow_id=one.id, run_id=one.run_id))
        return DescribeWorkflowExecutionResponse(
            workflow_execution_info=found,
            pending_activities=[
                PendingActivityInfo(
                    activity_id=str(number),
                    activity_type=ActivityType(name=name),
                    state=PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED,
                    last_failure=failure,
                )
                for (run, number), (name, failure) in self._failing.items()
                if run == one.run_id
            ],
            pending_children=[
                PendingChildExecutionInfo(workflow_id=child.id, run_id=child.run_id)
                for child in one.children.values()
                if not child.over
            ],
        )


def surroundings(describer: Describer) -> ActivityEnvironment:
    """An activity's, with a client."""
    return ActivityEnvironment(client=cast('Client', describer))


def act(environment: ActivityEnvironment, activity: Callable[..., Any], arguments: Sequence[Any]) -> Any:
    """Run an activity to its end, whether it is a coroutine or not."""
    returned = environment.run(activity, *arguments)
    return asyncio.run(cast('Any', returned)) if inspect.isawaitable(returned) else returned
