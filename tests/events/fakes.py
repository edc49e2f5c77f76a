"""A source and a server that do as they are told, and remember what they were asked."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from temporal_events.model import Message, Poison, Progress, Start
from temporalio.service import RPCError, RPCStatusCode

AWAY = RPCError('the frontend is not there', RPCStatusCode.UNAVAILABLE, b'')


def message(position: int = 0, lane: str = 'base/0', value: bytes | None = b'one', **more: Any) -> Message:
    return Message(lane, position, value, **more)


def decide(one: Message) -> Start:
    """A workflow by what the message says; `bad` is poison."""
    said = (one.value or b'').decode()
    if said == 'bad':
        raise Poison('it is bad')
    return Start('Act', f'act-{said}', (said,))


class Source:
    """Delivers what it was given, some at a time.

    Args:
        rounds: what each `take` returns, or raises; nothing once they are used up.
        idle: called when they are.
    """

    def __init__(self, *rounds: Sequence[Message] | Exception, idle: Callable[[], None] = lambda: None) -> None:
        self._rounds, self._idle = deque(rounds), idle
        self.wrong = ''
        self.acknowledged: list[int] = []
        self.kept = 0
        self.closed = False

    async def take(self) -> Sequence[Message]:
        if not self._rounds:
            self._idle()
            return ()
        one = self._rounds.popleft()
        if isinstance(one, Exception):
            raise one
        return one

    async def keep(self, progress: Progress) -> None:
        self.kept += 1

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        self.acknowledged += [one.position for one in messages]

    def trouble(self) -> str:
        return self.wrong

    def tell(self, progress: Progress) -> None:
        progress.positions = {'base/0': len(self.acknowledged)}

    async def close(self) -> None:
        self.closed = True


class Server:
    """Stands for a Temporal client.

    Args:
        faults: what the first calls raise; None for nothing.
    """

    def __init__(self, *faults: Exception | None) -> None:
        self._faults = deque(faults)
        self.started: list[tuple[str, str]] = []
        self.calls: list[dict[str, Any]] = []

    async def start_workflow(self, workflow: str, *, args: Iterable[Any], id: str, **options: Any) -> None:
        self.calls.append({'args': tuple(args), **options})
        if self._faults and (fault := self._faults.popleft()) is not None:
            raise fault
        self.started.append((workflow, id))
