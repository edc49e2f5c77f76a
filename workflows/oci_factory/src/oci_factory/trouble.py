"""What keeps a rebuild waiting, for people to be told of early: the server knows why attempts of activities failed.

The workflows need no part in that: an activity that waits for a token, or for a service that is down, is tried again
by the server, and neither its workflow nor the one that waits for the latter hears of it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
from collections.abc import Iterator

from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, FailureError

from oci_factory import mendable

_RPC = datetime.timedelta(seconds=10)
_EXPECTED = ('NoRun', 'RateLimited', 'RunNotEnded', 'RunNotStarted', 'WorkerShutdown')
"""Types of failures that belong to the work."""

_BESIDE = ('find_trouble', 'list_notifiers', 'notify')
"""Activities for which no image waits."""


@dataclasses.dataclass(frozen=True)
class _Trouble:
    image: str
    place: str
    sentence: str
    lasts: bool


@activity.defn
async def find_trouble() -> dict[str, str]:
    """Why images wait: those whose activities are refused what a person can mend, or have failed at two looks in a row.

    While there is nothing of that kind it fails, and is tried again: so looking costs no history.

    Returns:
        Image to what failed, and why; an empty name for the rebuild itself.
    """
    details = activity.info().heartbeat_details
    before = details[0] if details else []
    found = await _look(activity.client())
    lasting = {one.image: one.sentence for one in found if one.lasts or one.place in before}
    if lasting:
        return lasting
    activity.heartbeat([one.place for one in found])
    raise ApplicationError('nothing is in the way', type='NoTrouble', category=ApplicationErrorCategory.BENIGN)


async def _look(client: Client) -> list[_Trouble]:
    """The troubles of the workflow whose activity this is, and of its images' workflows."""
    info = activity.info()
    own = await _describe(client, info.workflow_id or '', info.workflow_run_id or '')
    children = await asyncio.gather(*(_describe(client, one.workflow_id, one.run_id) for one in own.pending_children))
    found: list[_Trouble] = []
    for one in (own, *children):
        identifier = one.workflow_execution_info.execution.workflow_id
        image = identifier.removeprefix(info.workflow_id or '')[1:]
        for pending in _failed(one):
            error = await client.data_converter.decode_failure(pending.last_failure)
            kind = error.type if isinstance(error, ApplicationError) else None
            if kind not in _EXPECTED:
                why = error.message if isinstance(error, FailureError) else str(error)
                sentence = f'{pending.activity_type.name}: {why}'
                place = f'{identifier}/{pending.activity_id}'
                found.append(_Trouble(image, place, sentence, kind in mendable.TYPES))
    return found


async def _describe(client: Client, workflow: str, run: str) -> DescribeWorkflowExecutionResponse:
    return (await client.get_workflow_handle(workflow, run_id=run).describe(rpc_timeout=_RPC)).raw_description


def _failed(one: DescribeWorkflowExecutionResponse) -> Iterator[PendingActivityInfo]:
    """The activities that wait for their next attempt."""
    for pending in one.pending_activities:
        waits = pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
        if waits and pending.HasField('last_failure') and pending.activity_type.name not in _BESIDE:
            yield pending
