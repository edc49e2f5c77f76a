"""A Temporal server and the SDK's workers as the loader sees them; nothing is polled."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueueTypeInfo, TaskQueueVersionInfo
from temporalio.api.workflowservice.v1 import DescribeTaskQueueResponse
from temporalio.service import RPCError, RPCStatusCode

from loader.discovery import Code
from loader.layout import Settings

CODE = Code({'Hello': type('Hello', (), {})}, {'greet': lambda: None})


def settings(**changes: Any) -> Settings:
    """What a test wants to be run."""
    values = {
        'code': '1', 'file_name': '', 'index': '', 'workflows': (), 'activities': (),
        'address': 'h:1', 'tls': False, 'ca': '',
        'namespace': 'n', 'queues': ('q',), 'limits': {}, 'metrics_port': 0,
        'log_level': 'info',
    }  # fmt: skip
    return Settings(**(values | changes))


def refusal(status: RPCStatusCode) -> RPCError:
    """What the client raises."""
    return RPCError('no', status, b'')


class FakeClient:
    """A client whose server tells of pollers.

    Attributes:
        identity: of this process.
        seen: queue and kind to the identities of the pollers there.
        elsewhere: the same in all of a queue's partitions.
        clock: when all of them last polled.
        error: raised instead of an answer.
        asked: namespaces and queues that were asked about.
        failed: activities that were reported as failed, with their details.
        refuses: activities that it does not know.
        connected: the address, and how it was connected to.
    """

    def __init__(self) -> None:
        self.identity = '1@here'
        self.seen: dict[tuple[str, int], list[Any]] = {}
        self.elsewhere: dict[tuple[str, int], list[Any]] = {}
        self.clock = 0
        self.error: Exception | None = None
        self.asked: list[tuple[str, str]] = []
        self.failed: list[tuple[bytes, Any]] = []
        self.refuses: set[bytes] = set()
        self.workflow_service = self
        self.connected: tuple[str, dict[str, Any]] = ('', {})

    async def describe_task_queue(self, request: Any, **_: Any) -> DescribeTaskQueueResponse:
        self.asked.append((request.namespace, request.task_queue.name))
        if self.error:
            raise self.error
        anywhere = list(request.task_queue_types)
        kind = anywhere[0] if anywhere else request.task_queue_type
        seen = (self.elsewhere if anywhere else self.seen).get((request.task_queue.name, kind), [])
        pollers = [PollerInfo(identity=poller) for poller in seen]
        for poller in pollers:
            poller.last_access_time.FromSeconds(self.clock)
        if not anywhere:
            return DescribeTaskQueueResponse(pollers=pollers)
        types = {kind: TaskQueueTypeInfo(pollers=pollers)}
        return DescribeTaskQueueResponse(versions_info={'': TaskQueueVersionInfo(types_info=types)})

    def get_async_activity_handle(self, *, task_token: bytes) -> Any:
        async def fail(_: Exception, last_heartbeat_details: Any) -> None:
            if task_token in self.refuses:
                raise refusal(RPCStatusCode.NOT_FOUND)
            self.failed.append((task_token, last_heartbeat_details))

        return SimpleNamespace(fail=fail)

    async def describe_namespace(self, request: Any, **_: Any) -> Any:
        self.asked.append((request.namespace, ''))
        if self.error:
            raise self.error


class FakeWorker:
    """A worker that runs until it is shut down, or until it fails.

    Attributes:
        made: those that there are, in order.
        hangs: whether an activity does not let it end.
    """

    made: list[FakeWorker]
    hangs = False

    def __init__(self, client: Any, **options: Any):
        self.client, self.options = client, options
        self.fails: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.shut = asyncio.Event()
        self.made.append(self)

    async def run(self) -> None:
        shut = asyncio.create_task(self.shut.wait())
        await asyncio.wait([self.fails, shut], return_when=asyncio.FIRST_COMPLETED)
        shut.cancel()
        if self.fails.done():
            self.fails.result()
        if self.hangs:
            await asyncio.Event().wait()

    async def shutdown(self) -> None:
        self.shut.set()


async def until(condition: Any) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
