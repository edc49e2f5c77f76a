"""The workflows: one consumes until it is cancelled, one keeps a dead letter until a person has dealt with it."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

with workflow.unsafe.imports_passed_through():
    from temporal_events import names
    from temporal_events.model import Consumption, Ending, Letter, Outcome, Progress

STINT = timedelta(hours=6)
"""After which the activity ends by itself, and the next one begins: no activity goes without a limit."""

HISTORY = 1000
"""Events of history after which a workflow continues as a new one."""

_CONSUME: dict[str, Any] = {
    'start_to_close_timeout': STINT + timedelta(hours=1),
    # Another worker takes over after this long when one is killed. The SDK asks for a cancellation as often.
    'heartbeat_timeout': timedelta(seconds=10),
    # What fails is tried for ever: nothing is lost meanwhile, and a person may mend it.
    'retry_policy': RetryPolicy(
        initial_interval=timedelta(seconds=1), backoff_coefficient=1.5, maximum_interval=timedelta(seconds=15)
    ),
    # It ends when the consumer has left its group.
    'cancellation_type': workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}
_RETRY: dict[str, Any] = {
    'start_to_close_timeout': timedelta(minutes=1),
    'retry_policy': RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=30)),
}
_WAITED_OUT = 'attempt-is-waited-out'
"""Before this patch a letter was discarded while an attempt might start its workflow yet."""


# An input that is missing or no object would be tried again for ever.
@workflow.defn(name=names.CONSUME_EVENTS, failure_exception_types=[TypeError])
class ConsumeEvents:
    """Sees to it that one consumer of a group runs, on whichever worker; ends when it is cancelled."""

    @workflow.run
    async def run(self, consumption: Consumption) -> None:
        """Do it.

        Args:
            consumption: what, and as whom.

        Raises:
            ApplicationError: when that cannot be consumed.
        """
        if consumption.problem:
            raise ApplicationError(consumption.problem, non_retryable=True)
        while not _long():
            await workflow.execute_activity(names.CONSUME, consumption, result_type=Progress, **_CONSUME)
        workflow.continue_as_new(consumption)


@workflow.defn(name=names.DEAD_LETTER)
class DeadLetter:
    """Keeps a message that could not be acted upon, until it can be, or a person discards it."""

    @workflow.init
    def __init__(self, letter: Letter) -> None:
        self._letter = letter
        self._replay = False
        self._discarded: str | None = None

    @workflow.run
    async def run(self, letter: Letter) -> Ending:  # noqa: ARG002 - `__init__` gets it, too
        """Wait for a person; then do as they say.

        Args:
            letter: the message, and why it is here.
        """
        while True:
            # What was asked for is done by the run that was asked.
            if _long() and not self._replay and self._discarded is None:
                workflow.continue_as_new(self._letter)
            await workflow.wait_condition(lambda: self._replay or self._discarded is not None)
            if self._discarded is not None:
                return Ending('discarded', self._discarded)
            outcome = await self._retried()
            if outcome.workflow:
                return Ending('started', outcome.workflow)
            if outcome.reason:
                self._letter = dataclasses.replace(self._letter, reason=outcome.reason)
                workflow.upsert_memo({'reason': outcome.reason})

    @workflow.signal
    def replay(self) -> None:
        """Have the message tried again, once whatever does not answer does so."""
        self._replay = True

    @workflow.signal
    def discard(self, why: str = '') -> None:
        """Give the message up.

        Args:
            why: kept in the result.
        """
        self._discarded = why

    @workflow.query
    def letter(self) -> Letter:
        """The message, and why it could not be acted upon when it was tried last."""
        return self._letter

    async def _retried(self) -> Outcome:
        """What came of trying it again; nothing if it was discarded before that could succeed."""
        self._replay = False
        kinds = workflow.ActivityCancellationType
        waited_out = workflow.patched(_WAITED_OUT)
        trying = asyncio.create_task(
            workflow.execute_activity(
                names.RETRY,
                self._letter,
                result_type=Outcome,
                cancellation_type=kinds.WAIT_CANCELLATION_COMPLETED if waited_out else kinds.TRY_CANCEL,
                **_RETRY,
            )
        )
        await workflow.wait_condition(lambda: trying.done() or self._discarded is not None)
        if not trying.done():
            trying.cancel()
        try:
            return await trying
        except ActivityError:
            if self._discarded is None:
                raise
            return Outcome()


def _long() -> bool:
    info = workflow.info()
    return info.is_continue_as_new_suggested() or info.get_current_history_length() > HISTORY
