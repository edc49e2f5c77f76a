"""A Temporal server and the SDK's workers as the loader sees them; nothing is polled."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from temporalio.service import RPCError, RPCStatusCode

from loader.discovery import Code
from loader.layout import Settings

CODE = Code({'Hello': type('Hello', (), {})}, {'greet': lambda: None})


def settings(**changes: Any) -> Settings:
    """What a test wants to be run."""
    values = {
        'code': '1', 'file_name': '', 'workflows': (), 'activities': (), 'address': 'h:1', 'tls': False, 'ca': '',
        'namespace': 'n', 'queues': ('q',), 'limits': {}, 'log_level': 'info',
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
        error: raised instead of an answer.
        asked: namespaces and queues that were asked about.
        connected: the address, and how it was connected to.
    """

    def __init__(self) -> None:
        self.identity = '1@here'
        self.seen: dict[tuple[str, int], list[Any]] = {}
        self.error: Exception | None = None
        self.asked: list[tuple[str, str]] = []
        self.workflow_service = self
        self.connected: tuple[str, dict[str, Any]] = ('', {})

    async def describe_task_queue(self, request: Any, **_: Any) -> Any:
        self.asked.append((request.namespace, request.task_queue.name))
        if self.error:
            raise self.error
        pollers = self.seen.get((request.task_queue.name, request.task_queue_type), [])
        return SimpleNamespace(pollers=[SimpleNamespace(identity=poller) for poller in pollers])

    async def describe_namespace(self, request: Any, **_: Any) -> Any:
        self.asked.append((request.namespace, ''))
        if self.error:
            raise self.error


class FakeWorker:
    """A worker that runs until it is shut down, or until it fails.

    Attributes:
        made: those that there are, in order.
    """

    made: list[FakeWorker]

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

    async def shutdown(self) -> None:
        self.shut.set()


async def until(condition: Any) -> None:
    """Wait for something that other tasks bring about."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)
