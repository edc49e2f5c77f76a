"""Runs workflows for the tests, each call with a client of its own."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import datetime
import json
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator, Sequence

from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest, PollWorkflowTaskQueueRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

_FINAL = (RPCStatusCode.NOT_FOUND, RPCStatusCode.INVALID_ARGUMENT, RPCStatusCode.PERMISSION_DENIED)
"""What no further attempt changes. All else may pass: a server in trouble has many words for it, and the page of HTML
with which nginx says that nobody is there is a broken answer (INTERNAL) to the SDK."""


async def _connect(address: str) -> Client:
    """Connect to a service one of whose pods may be new: Kubernetes sends clients there before its server answers."""
    end = time.monotonic() + 60
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)


def run(address: str, workflow: str, arguments: Sequence[object], *, workflow_id: str, queue: str) -> object:
    """Start a workflow and wait for its result."""

    async def main() -> object:
        client = await Client.connect(address)
        return await client.execute_workflow(workflow, args=list(arguments), id=workflow_id, task_queue=queue)

    return asyncio.run(main())


def reachable(address: str) -> str:
    """Ask for the system's information once; any other answer raises."""

    async def main() -> str:
        client = await Client.connect(address)
        return (await client.workflow_service.get_system_info(GetSystemInfoRequest())).server_version

    return asyncio.run(main())


def idle_poll(address: str) -> str:
    """Poll, as a worker does, a queue that nobody fills.

    Returns:
        Seconds and how it ended.
    """

    async def main() -> str:
        client = await Client.connect(address)
        request = PollWorkflowTaskQueueRequest(
            namespace='default', task_queue=TaskQueue(name=f'idle-{uuid.uuid4().hex}'), identity='idle'
        )
        began = time.monotonic()
        try:
            answer = await client.workflow_service.poll_workflow_task_queue(
                request, timeout=datetime.timedelta(seconds=100)
            )
            end = 'task' if answer.task_token else 'empty'
        except RPCError as error:
            end = f'{error.status.name}: {error}'
        return f'{time.monotonic() - began:.1f} {end}'

    return asyncio.run(main())


def failures(address: str, workflow_id: str) -> list[str]:
    """Why what a workflow waits for has failed the last time; nothing where it has not, or is not there yet."""

    async def main() -> list[str]:
        client = await Client.connect(address)
        try:
            there = await client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return []
        return [one.last_failure.message for one in there.raw_description.pending_activities]

    return asyncio.run(main())


def start_many(address: str, workflow: str, argument: object, *, prefix: str, queue: str, count: int) -> None:
    """Start workflows and leave them running."""

    async def main() -> None:
        client = await _connect(address)
        await asyncio.gather(
            *(client.start_workflow(workflow, argument, id=f'{prefix}-{i}', task_queue=queue) for i in range(count))
        )

    asyncio.run(main())


def results(address: str, *, prefix: str, count: int, timeout: float) -> list[object]:
    """Wait for the results of workflows that were started before.

    A server that has lost a member without notice refuses some calls for up to 20 seconds, until the others know, and
    all of them while it has no database; the client gives up earlier, and is asked again.
    """

    async def main() -> list[object]:
        client = await _connect(address)

        async def result(number: int) -> object:
            while True:
                try:
                    return await client.get_workflow_handle(f'{prefix}-{number}').result()
                except RPCError as error:
                    if error.status in _FINAL:
                        raise
                    await asyncio.sleep(0.5)

        return await asyncio.wait_for(asyncio.gather(*(result(i) for i in range(count))), timeout)

    return asyncio.run(main())


@dataclasses.dataclass
class Load:
    """What became of the workflows that were started while something happened to the server.

    Attributes:
        started: how many there were.
        ended: how many of them ended well.
        failures: of those that did not: identifier and reason.
        refused: calls that failed although the client had tried again for its usual ten seconds; we then did once more.
        longest: seconds from the first attempt to start one until its result was there, for the slowest of them.
        gap: seconds, the longest during which none ended.
    """

    started: int = 0
    ended: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)
    refused: list[str] = dataclasses.field(default_factory=list)
    longest: float = 0.0
    gap: float = 0.0

    def __str__(self) -> str:
        return (
            f'{self.ended} of {self.started} workflows ended well, {len(self.failures)} failed, {len(self.refused)} '
            f'calls were refused, the slowest took {self.longest:.1f} s, none ended for {self.gap:.1f} s at most'
        )


class _Driver:
    """Starts short workflows at a steady rate until it is told to stop, then waits for the last of them."""

    def __init__(self, client: Client, queue: str, load: Load):
        self._client = client
        self._queue = queue
        self._load = load
        self._prefix = f'load-{uuid.uuid4().hex[:8]}'
        self._progress = time.monotonic()

    async def drive(self, rate: float, stopped: threading.Event, patience: float) -> None:
        """Go on until `stopped` is set; what has not ended `patience` seconds later has failed."""
        under_way: dict[asyncio.Task[None], str] = {}
        while True:
            name = f'{self._prefix}-{self._load.started}'
            under_way[asyncio.create_task(self._one(name))] = name
            self._load.started += 1
            await asyncio.sleep(1 / rate)
            if stopped.is_set():
                break
        _, late = await asyncio.wait(under_way, timeout=patience)
        for task in late:
            task.cancel()
            self._load.failures.append(f'{under_way[task]}: not ended {patience:.0f} s after the last start')
            self._load.gap = max(self._load.gap, time.monotonic() - self._progress)
        ended = await asyncio.gather(*under_way, return_exceptions=True)
        # A failure of this module's own is none of the server's.
        for error in ended:
            if isinstance(error, Exception):
                raise error

    async def _one(self, name: str) -> None:
        began = time.monotonic()
        while True:
            try:
                await self._ended(name)
            except RPCError as error:
                if error.status in _FINAL:
                    self._load.failures.append(f'{name}: {error.status.name}: {error}')
                    return
                self._load.refused.append(f'{name}: {error.status.name}: {error}')
                await asyncio.sleep(0.5)
                continue
            except WorkflowFailureError as error:
                self._load.failures.append(f'{name}: {error.cause}')
                return
            break
        now = time.monotonic()
        self._load.ended += 1
        self._load.longest = max(self._load.longest, now - began)
        self._load.gap = max(self._load.gap, now - self._progress)
        self._progress = now

    async def _ended(self, name: str) -> None:
        # One beat without a pause: one workflow, two workflow tasks, one activity.
        try:
            await self._client.start_workflow(
                'Pulse',
                args=[1, 0],
                id=name,
                task_queue=self._queue,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            )
        except WorkflowAlreadyStartedError:
            # An attempt whose answer was lost.
            pass
        await self._client.get_workflow_handle(name).result()


@contextlib.contextmanager
def under_load(
    address: str | Callable[[], Awaitable[Client]], queue: str, *, rate: float = 4, patience: float = 60
) -> Iterator[Load]:
    """Keep starting short workflows while the body runs; at its end wait for the last of them.

    Args:
        address: HOST:PORT of the frontend, or what makes a client.
        queue: of a worker that has Pulse.
        rate: workflows per second.
        patience: seconds for those that are under way when the body ends.

    Yields:
        The figures, complete once the body has been left.
    """
    load, stopped, ready = Load(), threading.Event(), threading.Event()
    problems: list[BaseException] = []

    async def main() -> None:
        client = await (_connect(address) if isinstance(address, str) else address())
        driver = _Driver(client, queue, load)
        ready.set()
        await driver.drive(rate, stopped, patience)

    def run_in_thread() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:
            problems.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=run_in_thread, name='load')
    thread.start()
    ready.wait()
    try:
        if not problems:
            yield load
    finally:
        stopped.set()
        thread.join()
    if problems:
        raise problems[0]


def load_for(seconds: float, address: str, queue: str) -> str:
    """The figures of a load of some seconds, as JSON: for a client that runs in a process of its own."""
    with under_load(address, queue) as load:
        time.sleep(seconds)
    return json.dumps(dataclasses.asdict(load))
