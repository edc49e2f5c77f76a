"""What the two activities are made of: whoever has settings and a way to decide decorates functions that call these."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import time

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from temporal_events.consuming import Source, consume
from temporal_events.model import Letter, Outcome, Progress, Unavailable
from temporal_events.settling import Decide, Settler
from temporal_events.workflows import STINT

_BEAT = 1.0
_END = 4.0
"""Seconds that a consumer gets to end, and again when it is cancelled. Mostly it needs a fraction of the first."""

_REMINDER = 300.0
"""Seconds between two lines in the log on what is waited for."""

_SOON = datetime.timedelta(milliseconds=100)


async def run(source: Source, group: str, decide: Decide, stint: datetime.timedelta = STINT) -> Progress:
    """Consume until the activity is cancelled, its worker shuts down, or the stint is over; in an `async` activity.

    Args:
        source: of the messages; is closed at the end.
        group: the consumer's.
        decide: what to start for a message.
        stint: how long at most.

    Raises:
        ApplicationError: retried at once, when the worker shuts down: another one goes on.
    """
    progress, stop = Progress(), asyncio.Event()
    settler = Settler(activity.client(), activity.info().task_queue, group, decide, progress)
    work = asyncio.create_task(consume(source, settler.settle, stop, progress))
    drain = asyncio.create_task(activity.wait_for_worker_shutdown())
    beat = asyncio.create_task(_beat(progress))
    try:
        await asyncio.wait({work, drain}, timeout=stint.total_seconds(), return_when=asyncio.FIRST_COMPLETED)
    finally:
        # When it is cancelled, too: what is in hand is settled, and the group left.
        stop.set()
        drain.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work}, timeout=_END)
        work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({work}, timeout=_END)
        beat.cancel()
    if not work.cancelled():
        await work
    activity.heartbeat(progress)
    if activity.is_worker_shutdown():
        # No result: the server has the next worker go on without asking the workflow, whose history does not grow.
        raise shutting_down()
    return progress


def shutting_down() -> ApplicationError:
    """What an activity raises that is not done when its worker shuts down: another one goes on at once."""
    return ApplicationError(
        'the worker shuts down, another one goes on',
        type='WorkerShutdown',
        category=ApplicationErrorCategory.BENIGN,
        next_retry_delay=_SOON,
    )


async def retry(letter: Letter, decide: Decide) -> Outcome:
    """Try a dead letter again; in an `async` activity.

    Raises:
        ApplicationError: retried, when something that is needed does not answer.
    """
    settler = Settler(activity.client(), activity.info().task_queue, letter.group, decide, Progress())
    try:
        return await settler.retry(letter)
    except Unavailable as error:
        raise ApplicationError(str(error), type='Unavailable') from None


async def _beat(progress: Progress) -> None:
    """Say how far it has got, and in the log every few minutes what it waits for: what began it may be far above."""
    told = time.monotonic()
    while True:
        activity.heartbeat(progress)
        if not progress.waiting:
            told = time.monotonic()
        elif time.monotonic() - told >= _REMINDER:
            told = time.monotonic()
            activity.logger.warning('waits since %s: %s', progress.since, progress.waiting)
        await asyncio.sleep(_BEAT)
