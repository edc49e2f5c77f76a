"""Settles a message: its workflow is started, or a dead letter's; what does not answer meanwhile is waited out."""

from __future__ import annotations

import asyncio
import datetime
import logging
import random
from collections.abc import Callable
from typing import Any

from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from temporal_events import names
from temporal_events.model import Letter, Message, Outcome, Poison, Progress, Start, Unavailable

Decide = Callable[[Message], Start]
"""Reads a message and says what to start; runs in a thread and may block. Raises Poison or Unavailable."""

_logger = logging.getLogger(__name__)
_FIRST, _LONGEST = 0.5, 10.0
_RPC = datetime.timedelta(seconds=5)
_SUMMARY = 200
_CUT = ' (and only a part of the message was kept: have it sent again)'


class Backoff:
    """How long to wait before something is tried again: twice as long each time, with some chance in it.

    Args:
        first: seconds.
        longest: likewise.
    """

    def __init__(self, first: float = _FIRST, longest: float = _LONGEST) -> None:
        self._first = self._next = first
        self._longest = longest

    def seconds(self) -> float:
        """The next wait."""
        delay, self._next = self._next, min(self._next * 2, self._longest)
        return delay * random.uniform(0.8, 1.2)  # noqa: S311 - no secret

    def reset(self) -> None:
        """Begin again, since it went well."""
        self._next = self._first


class Settler:
    """Settles the messages of one consumer.

    Args:
        client: of the server.
        queue: the task queue on which what is started runs.
        group: the consumer's.
        decide: what to start for a message.
        progress: is told what is done, and what is waited for.
    """

    def __init__(self, client: Client, queue: str, group: str, decide: Decide, progress: Progress) -> None:
        self._client, self._queue, self._group = client, queue, group
        self._decide, self._progress = decide, progress
        self._waits: dict[Message, str] = {}

    async def settle(self, message: Message) -> None:
        """Return when the message's workflow, or its dead letter's, is durably started: then it may be acknowledged."""
        backoff = Backoff()
        while True:
            try:
                await self._once(message)
            except Unavailable as error:
                # Mostly all of them wait for the same.
                if str(error) not in self._waits.values():
                    _logger.warning('%s waits: %s', message.place, error)
                self._waits[message] = str(error)
                self._progress.wait(str(error))
                await asyncio.sleep(backoff.seconds())
            else:
                # Others may still have to wait.
                if self._waits.pop(message, ''):
                    self._progress.wait(next(iter(self._waits.values()), ''))
                return

    async def _once(self, message: Message) -> None:
        try:
            await self._act(message)
            self._progress.started += 1
        except Poison as error:
            letter = Letter.of(message, self._group, str(error))
            _logger.warning('%s becomes the dead letter %s: %s', message.place, letter.id, error)
            await self._post(letter)
            self._progress.letters += 1

    async def retry(self, letter: Letter) -> Outcome:
        """Try a dead letter again, once.

        Raises:
            Unavailable: when something that is needed does not answer.
        """
        if letter.cut:
            return Outcome(reason=f'{letter.reason.removesuffix(_CUT)}{_CUT}')
        try:
            return Outcome(workflow=await self._act(letter.message))
        except Poison as error:
            return Outcome(reason=str(error))

    async def _act(self, message: Message) -> str:
        start = await asyncio.to_thread(decide, self._decide, message)
        try:
            await self._start(start.workflow, start.id, start.args, memo={'event': message.place})
        except RPCError as error:
            if error.status == RPCStatusCode.INVALID_ARGUMENT:
                # The server says so of arguments that are too large, for instance.
                raise Poison(f'the server refuses to start {start.workflow}: {error.message}') from None
            raise _unavailable(error) from None
        except (TypeError, ValueError) as error:
            raise Poison(f'the arguments of {start.workflow} cannot be written: {error}') from error
        return start.id

    async def _post(self, letter: Letter) -> None:
        memo = {'event': f'{letter.lane}/{letter.position}', 'reason': letter.reason[:_SUMMARY]}
        try:
            try:
                await self._start(names.DEAD_LETTER, letter.id, (letter,), memo=memo, summary=letter.reason[:_SUMMARY])
            except RPCError as error:
                if error.status != RPCStatusCode.INVALID_ARGUMENT:
                    raise
                # The server's limit may be lower than what is kept by itself. The identifier stays the message's.
                await self._start(names.DEAD_LETTER, letter.id, (letter.emptied,), memo=memo)
        except RPCError as error:
            raise _unavailable(error) from None

    async def _start(
        self, workflow: str, identifier: str, args: tuple[Any, ...], memo: dict[str, str], summary: str | None = None
    ) -> None:
        try:
            await self._client.start_workflow(
                workflow,
                args=args,
                id=identifier,
                task_queue=self._queue,
                # A message that comes again finds the workflow that runs, or is told of the one that has ended.
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                memo=memo,
                static_summary=summary,
                rpc_timeout=_RPC,
            )
        except WorkflowAlreadyStartedError:
            _logger.info('%s has been there before', identifier)


def decide(how: Decide, message: Message) -> Start:
    """What to start for a message; a mistake in the code that decides keeps no other message from being dealt with.

    Raises:
        Poison: when that cannot be told.
        Unavailable: when something that is needed does not answer.
    """
    try:
        return how(message)
    except (Poison, Unavailable):
        raise
    except Exception as error:
        _logger.exception('%s cannot be decided', message.place)
        raise Poison(f'{type(error).__name__}: {error}') from error


def _unavailable(error: RPCError) -> Unavailable:
    return Unavailable(f'the Temporal server does not start workflows: {error.status.name}: {error.message}')
