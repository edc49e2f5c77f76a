"""Runs async activities on event loops of their own, so that one which blocks stops neither heartbeats nor workflows.

They share one loop, as they would without this, for as long as it turns: what one of them has made for it, like a
session of HTTP, another one can use. While it is blocked, those that begin get another loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import functools
import logging
import sys
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

_logger = logging.getLogger('temporal-worker')
_PATIENCE = 2.0
"""Seconds within which a loop must begin what it is given; another one is asked then."""

_TURN = 0.5
"""Seconds after which a loop turns by itself, and is known to."""

Function = Callable[..., Coroutine[Any, Any, Any]]


class _Loop:
    """An event loop that runs for ever, in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._turned, self._told = time.monotonic(), False
        self.loop.call_soon(self._turn)
        threading.Thread(target=self._run, name='async-activities', daemon=True).start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        while True:
            # Of an activity that would end the process, its caller is told.
            with contextlib.suppress(SystemExit, KeyboardInterrupt):
                self.loop.run_forever()

    def _turn(self) -> None:
        self._turned, self._told = time.monotonic(), False
        self.loop.call_later(_TURN, self._turn)

    def blocked(self) -> bool:
        """Whether it has not turned for a while; the log then has the lines at which all threads stand."""
        if time.monotonic() - self._turned < _PATIENCE:
            return False
        if not self._told:
            _logger.warning('an async activity blocks its event loop: those that it shares it with wait for it')
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
            self._told = True
        return True


class _Call:
    """One call of a function on another thread's loop; made in the loop of whoever waits for it.

    Attributes:
        begun: set as soon as it has.
        ended: has what came of it.
    """

    def __init__(self, function: Function, arguments: Sequence[Any]):
        self._function, self._arguments = function, arguments
        self._home = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._task: asyncio.Task[Any] | None = None
        self._withdrawn = False
        self.begun = asyncio.Event()
        self.ended: asyncio.Future[Any] = self._home.create_future()

    async def _run(self) -> Any:
        return await self._function(*self._arguments)

    def begin(self) -> None:
        """Begin, on the running loop, unless it has been withdrawn."""
        with self._lock:
            if self._withdrawn:
                return
            self._task = asyncio.get_running_loop().create_task(self._run())
        self._task.add_done_callback(lambda task: self._home.call_soon_threadsafe(self._settle, task))
        self._home.call_soon_threadsafe(self.begun.set)

    def withdraw(self) -> bool:
        """Keep it from beginning; whether that was possible."""
        with self._lock:
            self._withdrawn = self._task is None
            return self._withdrawn

    def cancel(self) -> None:
        """Cancel it, once it has begun; it may go on all the same."""
        if self._task:
            self._task.get_loop().call_soon_threadsafe(self._task.cancel)

    def _settle(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            self.ended.cancel()
        elif error := task.exception():
            self.ended.set_exception(error)
        else:
            self.ended.set_result(task.result())


class Loops:
    """The event loops of a process's async activities; there is none before it is needed."""

    def __init__(self) -> None:
        self._loops: list[_Loop] = []

    def apart(self, function: Function) -> Function:
        """The same function, run on one of them, in the context of its caller."""

        @functools.wraps(function)
        async def run(*arguments: Any) -> Any:
            call = await self._begin(function, arguments)
            while True:
                try:
                    await asyncio.wait([call.ended])
                except asyncio.CancelledError:
                    call.cancel()
                else:
                    return call.ended.result()

        return run

    async def _begin(self, function: Function, arguments: Sequence[Any]) -> _Call:
        for each in self._turning():
            call = _Call(function, arguments)
            # Copies the context, by which activities know what they are.
            each.loop.call_soon_threadsafe(call.begin)
            try:
                await asyncio.wait_for(call.begun.wait(), _PATIENCE)
            except TimeoutError:
                if call.withdraw():
                    continue
            except asyncio.CancelledError:
                if call.withdraw():
                    raise
                call.cancel()
            return call
        raise AssertionError('there is always another loop')

    def _turning(self) -> Iterator[_Loop]:
        """Those that are not blocked, the oldest first; then new ones."""
        yield from [each for each in self._loops if not each.blocked()]
        while True:
            self._loops.append(_Loop())
            yield self._loops[-1]
