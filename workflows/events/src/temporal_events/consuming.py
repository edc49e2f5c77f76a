"""The loop for any source: take messages, have each settled, acknowledge what is settled, and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from temporal_events.model import Message, Progress, Unavailable
from temporal_events.settling import Backoff

GRACE = 1.0
"""Seconds that messages in hand get when the consumer is told to stop."""

_BREATH = 0.5

Settle = Callable[[Message], Awaitable[None]]


class Source(Protocol):
    """Where messages come from. It delivers again what was not acknowledged, to this consumer or to another one."""

    async def take(self) -> Sequence[Message]:
        """The next messages; none if there are none for some moments.

        Raises:
            Unavailable: when the source does not answer, or refuses.
        """
        ...

    async def keep(self, progress: Progress) -> None:
        """Called while messages that it has delivered are being settled, so that it counts this consumer as alive."""
        ...

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Have these never delivered again, if it can; of each lane they are the next ones in order.

        One that it does not get to acknowledge is delivered again, which harms nobody.
        """
        ...

    def trouble(self) -> str:
        """What is wrong with it although it answers, as when one of several topics is missing; empty for nothing."""
        ...

    def tell(self, progress: Progress) -> None:
        """Write down positions and lag."""
        ...

    async def close(self) -> None:
        """Leave, so that others get what this one would have got."""
        ...


async def consume(source: Source, settle: Settle, stop: asyncio.Event, progress: Progress) -> None:
    """Consume until told to stop. Then what is in hand is settled if that takes but a moment, and left otherwise.

    Args:
        source: is closed at the end.
        settle: returns when a message may be acknowledged.
        stop: set by who wants it to end.
        progress: is told what is waited for.
    """
    # A source waits by itself, too.
    backoff = Backoff(longest=2)
    try:
        while not stop.is_set():
            try:
                messages = await source.take()
            except Unavailable as error:
                progress.wait(str(error))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), backoff.seconds())
                continue
            backoff.reset()
            progress.wait(source.trouble())
            if messages:
                settled = await _settle(source, messages, settle, stop, progress)
                await source.acknowledge(in_order(messages, settled))
            source.tell(progress)
    finally:
        await source.close()


def in_order(messages: Iterable[Message], settled: set[Message]) -> list[Message]:
    """Those that may be acknowledged: of each lane the settled ones before the first that is not."""
    held: set[str] = set()
    found = []
    for message in messages:
        if message not in settled:
            held.add(message.lane)
        elif message.lane not in held:
            found.append(message)
    return found


async def _settle(
    source: Source, messages: Sequence[Message], settle: Settle, stop: asyncio.Event, progress: Progress
) -> set[Message]:
    """Settle all at once; those that are."""
    tasks = {asyncio.ensure_future(settle(message)): message for message in messages}
    ends = [asyncio.ensure_future(asyncio.wait(tasks)), asyncio.create_task(stop.wait())]
    try:
        while not any(end.done() for end in ends):
            await asyncio.wait(ends, timeout=_BREATH, return_when=asyncio.FIRST_COMPLETED)
            if not any(end.done() for end in ends):
                await source.keep(progress)
        await asyncio.wait(tasks, timeout=GRACE)
    finally:
        for task in (*ends, *tasks):
            task.cancel()
        # Not before they have let go: one that goes on would count for a consumer that has left.
        results = await asyncio.gather(*tasks, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result
    return {message for (task, message), result in zip(tasks.items(), results, strict=True) if result is None}
