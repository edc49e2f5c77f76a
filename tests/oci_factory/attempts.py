"""What a server makes of an attempt of an activity that has failed, for the simulation."""

from __future__ import annotations

import datetime

from temporalio.api.failure.v1 import ActivityFailureInfo, CanceledFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.bridge.proto.workflow_commands import ScheduleActivity
from temporalio.common import RetryPolicy

CANCELLED = Failure(message='cancelled', canceled_failure_info=CanceledFailureInfo())
"""Why something ended that somebody asked to end."""


def next_delay(
    wanted: ScheduleActivity, failure: Failure, number: int, lasted: datetime.timedelta
) -> datetime.timedelta | None:
    """How long until the next attempt; None if there is none.

    Args:
        wanted: the activity.
        failure: of this attempt.
        number: of this attempt.
        lasted: since the first one.
    """
    policy = RetryPolicy.from_proto(wanted.retry_policy)
    told = failure.application_failure_info
    final = told.non_retryable or told.type in (policy.non_retryable_error_types or ())
    if final or (policy.maximum_attempts and number >= policy.maximum_attempts):
        return None
    longest = (policy.maximum_interval or policy.initial_interval * 100).total_seconds()
    grown = policy.initial_interval.total_seconds() * policy.backoff_coefficient ** min(number - 1, 100)
    delay = datetime.timedelta(seconds=min(grown, longest))
    if told.HasField('next_retry_delay'):
        delay = told.next_retry_delay.ToTimedelta()
    limit = wanted.schedule_to_close_timeout.ToTimedelta()
    return None if limit and lasted + delay > limit else delay


def about(scheduled: HistoryEvent) -> ActivityFailureInfo:
    """Which activity it was that failed."""
    attributes = scheduled.activity_task_scheduled_event_attributes
    return ActivityFailureInfo(
        scheduled_event_id=scheduled.event_id,
        activity_id=attributes.activity_id,
        activity_type=attributes.activity_type,
    )


def messages(failure: Failure) -> list[str]:
    """Of a failure, and of what caused it."""
    return [failure.message, *(messages(failure.cause) if failure.HasField('cause') else [])]
