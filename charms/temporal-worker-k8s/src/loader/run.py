"""The worker itself: `python -m loader.run`, started by Pebble with the Python of the code's virtual environment.

Connects, polls, and answers over HTTP whether the server sees its pollers: the truth of the charm's status.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import datetime
import json
import logging
import os
import signal
import socket

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode, TLSConfig
from temporalio.worker import Worker

from loader import discovery, layout
from loader.prepare import environment_variables, install, settings

_logger = logging.getLogger('temporal-worker')
_RETRY = 2.0
_CONNECT = 5.0
_LOOK_EVERY = 2.0
_GRACE = datetime.timedelta(seconds=20)
"""How long running activities may go on after SIGTERM; Pebble's kill-delay is longer."""


@dataclasses.dataclass
class State:
    """What the worker answers when it is asked how it is.

    Attributes:
        polling: whether the server sees its pollers.
        problem: what it waits for, or what is wrong.
        operator: whether a person has to do something about it.
    """

    polling: bool = False
    problem: str = 'the worker to start'
    operator: bool = False

    def change(self, *, polling: bool = False, problem: str = '', operator: bool = False) -> None:
        """Set the whole answer."""
        self.polling, self.problem, self.operator = polling, problem, operator

    def refused(self, wanted: layout.Settings, error: RPCError) -> None:
        """Tell what the server has refused; a namespace can also be deleted while the worker polls."""
        if error.status == RPCStatusCode.NOT_FOUND:
            self.change(
                problem=f'namespace {wanted.namespace} does not exist on {wanted.address}: register it or change the '
                'option namespace',
                operator=True,
            )
        else:
            self.change(problem=f'{wanted.address} to answer ({error.status.name.lower()})')

    def answer(self) -> bytes:
        """An HTTP response."""
        body = json.dumps(dataclasses.asdict(self)).encode()
        status = '200 OK' if self.polling else '503 Service Unavailable'
        return f'HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n'.encode() + body


async def _serve(state: State) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), 2)
            writer.write(state.answer())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, '127.0.0.1', layout.HEALTH_PORT)
    await server.serve_forever()


async def _connect(wanted: layout.Settings, identity: str) -> Client:
    tls = TLSConfig(server_root_ca_cert=wanted.ca.encode() or None) if wanted.tls else False
    client = await Client.connect(wanted.address, namespace=wanted.namespace, identity=identity, tls=tls)
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=wanted.namespace))
    return client


async def _watch(client: Client, wanted: layout.Settings, code: discovery.Code, state: State) -> None:
    """Ask the server, for as long as the worker runs, whether it sees the pollers of this process."""
    kinds = []
    if code.workflows:
        kinds.append(TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW)
    if code.activities:
        kinds.append(TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    while True:
        try:
            seen = [await _sees(client, wanted, kind) for kind in kinds]
        except RPCError as error:
            state.refused(wanted, error)
        else:
            if all(seen):
                state.change(polling=True)
            else:
                state.change(problem=f'{wanted.address} to see the pollers of queue {wanted.queue}')
        # Quickly until the first success, then at leisure; not so quickly that the announcer could miss a failure.
        await asyncio.sleep(_LOOK_EVERY if state.polling else 0.5)


async def _sees(client: Client, wanted: layout.Settings, kind: TaskQueueType.ValueType) -> bool:
    description = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=wanted.namespace, task_queue=TaskQueue(name=wanted.queue), task_queue_type=kind
        ),
        timeout=datetime.timedelta(seconds=5),
    )
    return any(poller.identity == client.identity for poller in description.pollers)


async def _work(wanted: layout.Settings, code: discovery.Code, state: State) -> None:
    """Connect and poll; try again for ever, since servers come back."""
    identity = f'{os.getpid()}@{socket.gethostname()}'
    while True:
        state.change(problem=f'{wanted.address} to answer')
        try:
            # A server that has just moved may leave a connection hanging for minutes.
            client = await asyncio.wait_for(_connect(wanted, identity), _CONNECT)
            worker = Worker(
                client,
                task_queue=wanted.queue,
                workflows=list(code.workflows.values()),
                activities=list(code.activities.values()),
                # Synchronous activities run in threads, where they cannot stop heartbeats.
                activity_executor=concurrent.futures.ThreadPoolExecutor(100),
                graceful_shutdown_timeout=_GRACE,
            )
            watcher = asyncio.create_task(_watch(client, wanted, code, state))
            try:
                await worker.run()
            finally:
                watcher.cancel()
        except RPCError as error:
            state.refused(wanted, error)
        except (RuntimeError, TimeoutError) as error:
            # What the SDK raises when it cannot connect, or when polling ends for good.
            _logger.warning('%s: %s', wanted.address, error or 'no answer')
        await asyncio.sleep(_RETRY)


def _log(level: str) -> None:
    """Write messages of this level and above to standard error, where Pebble takes them."""
    logging.basicConfig(level=level.upper(), format='%(levelname)s %(name)s: %(message)s')
    # Its messages for debugging quote what activities are given and what they return.
    logging.getLogger('temporalio').setLevel(max(logging.getLogger().level, logging.INFO))


async def _main() -> None:
    wanted = settings()
    distribution, _ = install(wanted)
    code = discovery.find(distribution, wanted.workflows, wanted.activities)
    state = State()
    tasks = [asyncio.create_task(_serve(state)), asyncio.create_task(_work(wanted, code, state))]
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    stopping = asyncio.create_task(stopped.wait())
    done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done - {stopping}:
        task.result()


if __name__ == '__main__':
    _log(settings().log_level)
    os.environ.update(environment_variables())
    asyncio.run(_main())
