"""What a consumer that runs waits for: read from the heartbeats of its activity, and from how that failed last."""

from __future__ import annotations

import datetime

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import WorkflowExecutionDescription
from temporalio.converter import DataConverter

_PATIENCE = 30.0
"""Seconds: what is waited for no longer than that is everyday business, as when the consumers of a group change."""

_ATTEMPTS = 4
"""An activity whose workers were replaced now and then has not failed; one that fails by itself gets there at once."""

_REPLACED = 'WorkerShutdown'
"""The type of failure by which the activity of a worker that shuts down makes way for another one's."""


async def said(there: WorkflowExecutionDescription, converter: DataConverter) -> str:
    """What it waits for, as a clause about it; empty where it does not wait, or does not say.

    Args:
        there: the workflow, as the server describes it.
        converter: of who reads it; what it cannot read, like another one's encryption, says nothing.
    """
    for activity in there.raw_description.pending_activities:
        if found := await _waits(activity, converter) or _fails(activity):
            return found
    return ''


async def _waits(activity: PendingActivityInfo, converter: DataConverter) -> str:
    """By the contract of temporal_events: the fields `waiting` and `since` of its progress."""
    try:
        (progress,) = await converter.decode(activity.heartbeat_details.payloads)
        waiting, since = progress['waiting'], progress['since']
        lasted = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(since)
    except Exception:
        # Any code may say anything in its heartbeats, and codecs raise what they like.
        return ''
    return f'which waits since {since}: {waiting}' if lasted.total_seconds() > _PATIENCE else ''


def _fails(activity: PendingActivityInfo) -> str:
    waits = activity.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    failure = activity.last_failure
    if not waits or activity.attempt < _ATTEMPTS or failure.application_failure_info.type == _REPLACED:
        return ''
    first, _, _ = failure.message.partition('\n')
    return f'whose activity {activity.activity_type.name} has failed {activity.attempt - 1} times: {first}'
