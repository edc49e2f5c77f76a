"""The SDK's workers of this process, one for each queue: made, run together, and drained together."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import datetime
import logging
import os
import socket

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError, TLSConfig
from temporalio.worker import Worker

from loader import discovery, layout, pollers
from loader.health import State

_logger = logging.getLogger('temporal-worker')
_RETRY = 2.0
_CONNECT = 5.0
_GRACE = datetime.timedelta(seconds=20)
"""How long running activities may go on after SIGTERM; Pebble's kill-delay is longer."""

_ACTIVITIES = 100
"""The SDK's own limit, where none is given."""


async def connect(wanted: layout.Settings) -> Client:
    """A client that has had an answer about the namespace.

    Raises:
        RPCError: when the server refuses.
        RuntimeError: when it cannot be reached.
    """
    identity = f'{os.getpid()}@{socket.gethostname()}'
    tls = TLSConfig(server_root_ca_cert=wanted.ca.encode() or None) if wanted.tls else False
    client = await Client.connect(wanted.address, namespace=wanted.namespace, identity=identity, tls=tls)
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=wanted.namespace))
    return client


def make(client: Client, wanted: layout.Settings, code: discovery.Code) -> list[Worker]:
    """A worker for each queue, all with the same code and each with the whole of the limits."""
    threads = int(wanted.limits.get('max_concurrent_activities', _ACTIVITIES))
    return [
        Worker(
            client,
            task_queue=queue,
            workflows=list(code.workflows.values()),
            activities=list(code.activities.values()),
            # Synchronous activities run in threads, where they cannot stop heartbeats.
            activity_executor=concurrent.futures.ThreadPoolExecutor(threads, f'activity-{queue}'),
            graceful_shutdown_timeout=_GRACE,
            **wanted.limits,  # type: ignore[arg-type]
        )
        for queue in wanted.queues
    ]


class Crew:
    """Connects and polls, and tries again for ever, since servers come back.

    Args:
        wanted: what the charm wants to be run.
        code: what there is to run.
        state: what the worker answers.
    """

    def __init__(self, wanted: layout.Settings, code: discovery.Code, state: State):
        self._wanted, self._code, self._state = wanted, code, state
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """Take no new task, let running activities end, and return from `work`."""
        self._stop.set()

    async def work(self) -> None:
        """Work until told to stop."""
        while not self._stop.is_set():
            self._state.change(problem=f'{self._wanted.address} to answer')
            try:
                # A server that has just moved may leave a connection hanging for minutes.
                client = await asyncio.wait_for(connect(self._wanted), _CONNECT)
                await self._run(client)
            except RPCError as error:
                self._state.refused(self._wanted, error)
            except (RuntimeError, TimeoutError) as error:
                # What the SDK raises when it cannot connect, or when polling ends for good.
                _logger.warning('%s: %s', self._wanted.address, error or 'no answer')
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _RETRY)

    async def _run(self, client: Client) -> None:
        """Run all workers until told to stop, or until one of them fails: then none goes on alone."""
        workers = make(client, self._wanted, self._code)
        running = [asyncio.create_task(worker.run()) for worker in workers]
        ends = asyncio.create_task(self._stop.wait())
        watcher = asyncio.create_task(pollers.watch(client, self._wanted, self._code, self._state))
        try:
            await asyncio.wait([*running, ends], return_when=asyncio.FIRST_COMPLETED)
        finally:
            ends.cancel()
            watcher.cancel()
            # One that has failed has shut down by itself.
            pairs = zip(workers, running, strict=True)
            await asyncio.gather(*(worker.shutdown() for worker, task in pairs if not task.done()))
            outcomes = await asyncio.gather(*running, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome
