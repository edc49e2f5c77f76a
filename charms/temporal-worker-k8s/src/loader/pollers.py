"""Asks the server whether it sees this process poll its queues: nothing else proves that the worker works."""

from __future__ import annotations

import asyncio
import datetime
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from temporalio.api.enums.v1 import DescribeTaskQueueMode, TaskQueueKind, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue, TaskQueueVersionSelection
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from loader import discovery, layout
from loader.health import State
from loader.watchdog import Stuck

Kind = TaskQueueType.ValueType
WORKFLOW, ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_LOOK_EVERY = 2.0
_TIMEOUT = datetime.timedelta(seconds=5)
_STALE = 180.0
"""Seconds without a new poll; an idle poller asks anew once a minute."""

_NOT_ASKED = -1.0

_UNREACHED = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.CANCELLED)
"""What the SDK makes of a connection that it cannot make again. Of why, it keeps nothing."""


def kinds(code: discovery.Code) -> list[Kind]:
    """What a worker with this code polls for."""
    return [*([WORKFLOW] if code.workflows else []), *([ACTIVITY] if code.activities else [])]


class Watch:
    """Keeps the worker's answer true, and notices pollers that have fallen silent.

    Args:
        client: nobody had its identity before.
        wanted: names the queues.
        code: tells what is polled for.
        state: the worker's answer.
        who: tells whom the server has refused, and whether a person has to do something about it.
        busy: whether a queue's worker runs as many activities as it may, and so polls for none.
        why: what a person has to do about a server that cannot be reached; empty where that may pass by itself.
    """

    def __init__(
        self,
        client: Client,
        wanted: layout.Settings,
        code: discovery.Code,
        state: State,
        who: Callable[[], tuple[str, bool]],
        busy: Callable[[str], bool],
        why: Callable[[], Awaitable[str]],
    ):
        self._client, self._wanted, self._state, self._who, self._busy = client, wanted, state, who, busy
        self._why = why
        self._keys = [(queue, kind) for queue in wanted.queues for kind in kinds(code)]
        # One that may start few activities a second asks for them as seldom.
        rate = wanted.limits.get('max_activities_per_second', 0)
        self._stale = _STALE + (1 / rate if rate else 0)
        # The last poll of each, in all partitions of the queue if that was asked, and since when they are the same.
        self._last: dict[tuple[str, Kind], tuple[float, float, float]] = {}

    async def run(self) -> None:
        """Ask for as long as the worker runs.

        Raises:
            Stuck: when the server answers, and has seen no new poll for a long time.
        """
        while True:
            try:
                missing = await self._look()
            except RPCError as error:
                # What was not seen meanwhile says nothing of the pollers.
                self._last.clear()
                if problem := await self._why() if error.status in _UNREACHED else '':
                    self._state.change(problem=problem, operator=True)
                else:
                    self._state.refused(self._wanted, error, self._who)
            else:
                if missing:
                    self._state.change(problem=f'{self._wanted.address} to see the pollers of queue {missing[0]}')
                else:
                    self._state.change(polling=True)
            # Quickly until the first success, then at leisure; not so quickly that the announcer could miss a failure.
            await asyncio.sleep(_LOOK_EVERY if self._state.polling else 0.5)

    async def _look(self) -> list[str]:
        """The queues on which the server does not see this process."""
        asked = [key for key in self._keys if key[1] != ACTIVITY or not self._busy(key[0])]
        seen = await asyncio.gather(*(self._last_poll(*key) for key in asked))
        self._last = {key: self._last[key] for key in asked if key in self._last}
        for key, poll in zip(asked, seen, strict=True):
            now = time.monotonic()
            before, elsewhere, since = self._last.setdefault(key, (poll, _NOT_ASKED, now))
            if poll != before:
                self._last[key] = poll, _NOT_ASKED, now
            elif now - since > self._stale:
                await self._judge(key, poll, elsewhere)
        return [queue for (queue, _), poll in zip(asked, seen, strict=True) if not poll]

    async def _judge(self, key: tuple[str, Kind], poll: float, elsewhere: float) -> None:
        """Look into all partitions: where there are many workers, one of them may have had all polls."""
        anywhere = await self._last_poll_anywhere(*key)
        if anywhere == elsewhere:
            raise Stuck(f'the server has seen no new poll of queue {key[0]} for {2 * self._stale:.0f} s')
        self._last[key] = poll, anywhere, time.monotonic()

    async def _last_poll(self, queue: str, kind: Kind) -> float:
        """When this process last polled the queue, by the server's clock; 0 where it has not."""
        description = await self._client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=self._wanted.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
            ),
            timeout=_TIMEOUT,
        )
        return self._newest(description.pollers)

    async def _last_poll_anywhere(self, queue: str, kind: Kind) -> float:
        description = await self._client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=self._wanted.namespace,
                task_queue=TaskQueue(name=queue, kind=TaskQueueKind.TASK_QUEUE_KIND_NORMAL),
                api_mode=DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED,
                versions=TaskQueueVersionSelection(unversioned=True),
                task_queue_types=[kind],
                report_pollers=True,
            ),
            timeout=_TIMEOUT,
        )
        found = [version.types_info[kind].pollers for version in description.versions_info.values()]
        return max((self._newest(pollers) for pollers in found), default=0.0)

    def _newest(self, pollers: Iterable[Any]) -> float:
        own = (poller for poller in pollers if poller.identity == self._client.identity)
        # A server that tells no time tells that it is there.
        return max((poller.last_access_time.ToNanoseconds() / 1e9 or 1.0 for poller in own), default=0.0)
