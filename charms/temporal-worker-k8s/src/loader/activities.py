"""Which activities run now, and the last they said: what a worker that must end hands over to the server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
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

_ENDED = ApplicationError('the worker had to end before this activity', type='WorkerShutdown')
"""What the SDK says of an activity that it cancels: the server tries it again as its retry policy tells."""


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
    """Those of one worker. Local ones are none of the server's, and not among them."""

    def __init__(self) -> None:
        self.running: dict[bytes, Running] = {}

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        """Be told of each activity."""
        return _Inbound(next, self.running)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, running: dict[bytes, Running]):
        super().__init__(next)
        self._running = running

    def init(self, outbound: ActivityOutboundInterceptor) -> None:
        super().init(_Outbound(outbound, self._running))

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        info = activity.info()
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

    def heartbeat(self, *details: Any) -> None:
        """Runs in the worker's loop, also for activities in threads."""
        if running := self._running.get(self.info().task_token):
            running.details = details
        super().heartbeat(*details)


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
