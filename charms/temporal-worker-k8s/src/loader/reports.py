"""Tells Sentry of errors in the workflow code, without the values of secrets."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Mapping
from typing import Any

from temporalio import activity, workflow
from temporalio.exceptions import CancelledError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    ExecuteWorkflowInput,
    Interceptor,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
)

from loader import hiding

with workflow.unsafe.imports_passed_through():
    import sentry_sdk


_outside = concurrent.futures.ThreadPoolExecutor(1, 'sentry')
"""What Sentry imports while it works would be imported once more into a workflow's sandbox; not so in other threads."""

_PATIENCE = 1.0
"""Seconds that a workflow waits for its report to be made; who sends it is a thread of Sentry's."""

_FAREWELL = 2.0
"""Seconds that a process which ends waits for its reports to be sent: what Pebble leaves it when it has drained."""


def begin(dsn: str, release: str, environment: str, sample_rate: float, redact: bool) -> Reports:
    """Have errors reported from now on.

    Args:
        dsn: address of Sentry's project.
        release: which version of the code runs.
        environment: which deployment it is.
        sample_rate: which part of the errors is reported.
        redact: whether values of variables are left out; those of secrets always are.
    """
    hidden = hiding.values()

    def before(event: Any, _: Mapping[str, Any]) -> Any:
        return hiding.hide_all(event, hidden)

    sentry_sdk.init(
        dsn=dsn,
        release=release or None,
        environment=environment or None,
        sample_rate=sample_rate,
        before_send=before,
        include_local_variables=not redact,
        # Those of frameworks that the code happens to bring.
        auto_enabling_integrations=False,
        # The code's own output is in its log; these would be sent besides what is raised.
        max_breadcrumbs=0,
    )
    # No thread is to be started from within a workflow.
    _outside.submit(hidden.copy).result()
    return Reports()


class Reports(Interceptor):
    """Reports what activities and workflows raise; whatever they do with it, they do as without it."""

    def flush(self) -> None:
        """Wait until what was reported is sent, but not for long; whoever ends the process has to."""
        # After those that are still being made; and not here, where somebody may wait for a lock in vain.
        concurrent.futures.wait([_outside.submit(sentry_sdk.flush, _FAREWELL)], _FAREWELL)

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """See each activity."""
        return _Activity(next)

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: ARG002
    ) -> type[WorkflowInboundInterceptor]:
        """See each workflow."""
        return _Workflow


def _report(error: BaseException, tags: Mapping[str, str]) -> None:
    # Whatever is wrong with a report, activities and workflows go on as without it.
    with contextlib.suppress(Exception), sentry_sdk.new_scope() as scope:
        for name, value in tags.items():
            scope.set_tag(f'temporal.{name}', value)
        scope.capture_exception(error)


class _Activity(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        try:
            return await super().execute_activity(input)
        except CancelledError:
            raise
        except Exception as error:
            info = activity.info()
            tags = {
                'execution_type': 'activity',
                'activity.type': info.activity_type,
                'activity.id': info.activity_id,
                'activity.attempt': str(info.attempt),
                'workflow.type': info.workflow_type or '',
                'workflow.id': info.workflow_id or '',
                'workflow.run_id': info.workflow_run_id or '',
                'namespace': info.namespace,
                'task_queue': info.task_queue,
            }
            _report(error, tags)
            raise


class _Workflow(WorkflowInboundInterceptor):
    async def execute_workflow(self, input: ExecuteWorkflowInput) -> Any:
        try:
            return await super().execute_workflow(input)
        except Exception as error:
            # A replay repeats what was reported before.
            if not workflow.unsafe.is_replaying():
                info = workflow.info()
                tags = {
                    'execution_type': 'workflow',
                    'workflow.type': info.workflow_type,
                    'workflow.id': info.workflow_id,
                    'workflow.run_id': info.run_id,
                    'namespace': info.namespace,
                    'task_queue': info.task_queue,
                }
                with workflow.unsafe.sandbox_unrestricted():
                    concurrent.futures.wait([_outside.submit(_report, error, tags)], _PATIENCE)
            raise
