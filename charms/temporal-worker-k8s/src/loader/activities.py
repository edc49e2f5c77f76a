"""Which activities run now, and the last they said: what a worker that must end hands over to the server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import inspect
import logging
import threading
from collections.abc import Iterable, Sequence
from typing import Any

from temporalio import activity
from temporalio.client import AsyncActivityHandle, Client
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ActivityOutboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from loader.apart import Loops

_logger = logging.getLogger('temporal-worker')
_ENDED = ApplicationError('the worker had to end before this activity', type='WorkerShutdown')
"""What the SDK says of an activity that it cancels: the server tries it again as its retry policy tells."""

_LOOK = 0.1
"""Seconds until an async activity that waits for an event of the SDK's looks at it again."""


@dataclasses.dataclass
class Running:
    """An activity that runs.

    Attributes:
        token: the server's for this attempt.
        details: of the last heartbeat.
    """

    token: bytes
    details: Sequence[Any] = ()


class Activities(Interceptor):
    """Those of one worker, of which the async ones run apart.

    Args:
        loops: where these run.

    Attributes:
        running: by their tokens. Local ones are none of the server's, and not among them.
    """

    def __init__(self, loops: Loops) -> None:
        self._loops = loops
        self.running: dict[bytes, Running] = {}

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Be told of each activity."""
        return _Inbound(next, self.running, self._loops)


class _Seen:
    """A thread's event, to be waited for in any loop."""

    def __init__(self, event: threading.Event):
        self._event = event

    def set(self) -> None:
        """Nothing to do: the thread's event has been set before."""

    async def wait(self) -> None:
        """Return once it is set."""
        while not self._event.is_set():
            await asyncio.sleep(_LOOK)


def _unbind_events() -> bool:
    """Let the running activity wait elsewhere for being cancelled and for the worker's end; whether that was possible.

    It has a thread's event for each, and one that belongs to the first loop in which somebody waits. None of that is
    public, and workflows-file may bring any release of it.
    """
    try:
        context: Any = activity._Context.current()
        events = {name: getattr(context, name) for name in ('cancelled_event', 'worker_shutdown_event')}
        unbound = {
            name: dataclasses.replace(event, async_event=_Seen(event.thread_event)) for name, event in events.items()
        }
    except (AttributeError, TypeError):
        return False
    for name, event in unbound.items():
        setattr(context, name, event)
    return True


@functools.cache
def _tell_of_the_sdk() -> None:
    _logger.warning('async activities share the event loop of the worker: its temporalio is not the one of the image')


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, running: dict[bytes, Running], loops: Loops):
        super().__init__(next)
        self._running, self._loops = running, loops

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self._running))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
        # As the SDK tells them from the others, which have threads already.
        if inspect.iscoroutinefunction(input.fn) or inspect.iscoroutinefunction(type(input.fn).__call__):
            if _unbind_events():
                input.fn = self._loops.apart(input.fn)
            else:
                _tell_of_the_sdk()
        if info.is_local:
            return await super().execute_activity(input)
        # A new attempt that says nothing has got as far as the one before it.
        self._running[info.task_token] = Running(info.task_token, info.heartbeat_details)
        try:
            return await super().execute_activity(input)
        finally:
            del self._running[info.task_token]


class _Outbound(ActivityOutboundInterceptor):
    def __init__(self, next: ActivityOutboundInterceptor, running: dict[bytes, Running]):
        super().__init__(next)
        self._running = running
        self._loop, self._thread = asyncio.get_running_loop(), threading.get_ident()

    def heartbeat(self, *details: Any) -> None:
        """Runs in the worker's loop for activities in threads, by the SDK; those that run apart are brought there."""
        if running := self._running.get(self.info().task_token):
            running.details = details
        if threading.get_ident() == self._thread:
            super().heartbeat(*details)
        else:
            self._loop.call_soon_threadsafe(super().heartbeat, *details)


async def hand_over(client: Client, activities: Iterable[Running], seconds: float) -> int:
    """Tell the server that these have failed, with what they last said, so that it need not wait for their timeouts.

    The SDK holds heartbeats back for up to a minute, and sends the last one only with the end of an activity: of one
    that does not end they would be lost.

    Returns:
        How many the server has taken.
    """
    told = [
        asyncio.create_task(_fail(client.get_async_activity_handle(task_token=each.token), each.details))
        for each in activities
    ]
    if told:
        await asyncio.wait(told, timeout=seconds)
    return sum(task.done() and task.result() for task in told)


async def _fail(handle: AsyncActivityHandle, details: Sequence[Any]) -> bool:
    # Whatever goes wrong with one, the others are to be told of.
    with contextlib.suppress(Exception):
        await handle.fail(_ENDED, last_heartbeat_details=details)
        return True
    return False
