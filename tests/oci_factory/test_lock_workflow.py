"""Locks on a real Temporal server: what only it can show of identifiers and closed parents."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
from typing import Any

import development
import pytest
from acting import dispatches, fail
from development import Temporal
from stand_ins.server import Server
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import WorkflowAlreadyStartedError

pytestmark = [
    pytest.mark.lab,
    # As in `test_workflow`.
    pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning'),
]

LOCK = 'image-lock/valkey'
GOING = {'status': 'in_progress', 'conclusion': None}


async def hold(temporal: Temporal) -> WorkflowHandle[Any, Any]:
    """As a person would."""
    return await temporal.client.start_workflow(
        'ImageLock', args=['valkey', 'somebody'], id=LOCK, task_queue=development.QUEUE
    )


async def status(temporal: Temporal, wanted: WorkflowExecutionStatus) -> None:
    """Wait until the lock has a status."""
    while True:
        with contextlib.suppress(Exception):
            if (await temporal.client.get_workflow_handle(LOCK).describe()).status == wanted:
                return
        await asyncio.sleep(0.2)


async def dispatched(environment: Server) -> None:
    """Wait until a rebuild has got to where it has the lock."""
    while not dispatches(environment):
        await asyncio.sleep(0.1)


def test_a_rebuild_waits_for_who_has_the_image(temporal: Temporal, environment: Server) -> None:
    lock = temporal.wait(hold(temporal))
    handle = temporal.start('24.04', 'valkey')
    temporal.wait(asyncio.sleep(5))
    assert dispatches(environment) == []
    released = datetime.datetime.now(datetime.UTC)
    temporal.wait(lock.cancel())
    report = temporal.wait(handle.result())
    assert report.images[0].conclusion == 'success'
    (one,) = environment.stand_ins.github.recorded()
    assert datetime.datetime.fromisoformat(one['at']) > released
    assert (
        temporal.wait(temporal.client.get_workflow_handle(LOCK, run_id=lock.first_execution_run_id).describe()).status
        == WorkflowExecutionStatus.COMPLETED
    )
    temporal.wait(status(temporal, WorkflowExecutionStatus.TERMINATED), 30)


def test_nobody_takes_the_image_from_a_rebuild(temporal: Temporal, environment: Server) -> None:
    fail(environment, 200, match='/runs/1', body=GOING, times=None)
    handle = temporal.start('24.04', 'valkey')
    temporal.wait(status(temporal, WorkflowExecutionStatus.RUNNING), 30)
    with pytest.raises(WorkflowAlreadyStartedError):
        temporal.wait(hold(temporal))
    # Whatever ends the rebuild of the image, its lock ends.
    temporal.wait(temporal.client.get_workflow_handle(f'{handle.id}/valkey').terminate())
    temporal.wait(status(temporal, WorkflowExecutionStatus.TERMINATED), 30)
    report = temporal.wait(handle.result())
    assert report.images[0].error
    temporal.wait(temporal.wait(hold(temporal)).cancel())
    temporal.wait(status(temporal, WorkflowExecutionStatus.COMPLETED), 30)


def test_the_lock_of_a_cancelled_rebuild_ends(temporal: Temporal, environment: Server) -> None:
    fail(environment, 200, match='/runs/1', body=GOING, times=None)
    handle = temporal.start('24.04', 'valkey')
    temporal.wait(dispatched(environment), 30)
    temporal.wait(handle.cancel())
    with pytest.raises(WorkflowFailureError):
        temporal.wait(handle.result())
    temporal.wait(status(temporal, WorkflowExecutionStatus.TERMINATED), 30)


def test_two_rebuilds_of_an_image_follow_each_other(temporal: Temporal, environment: Server) -> None:
    fail(environment, 200, match='/runs/1', body=GOING, times=2)
    first, second = temporal.start('24.04', 'valkey'), temporal.start('*', 'valkey')
    reports = [temporal.wait(handle.result()) for handle in (first, second)]
    assert [report.images[0].conclusion for report in reports] == ['success'] * 2
    one, other = environment.stand_ins.github.recorded()
    assert one['inputs']['external_ref_id'] != other['inputs']['external_ref_id']
    # The first one ended when it was looked at the third time, and not before 25 seconds.
    at = [datetime.datetime.fromisoformat(run['at']) for run in (one, other)]
    assert at[1] - at[0] > datetime.timedelta(seconds=20)
