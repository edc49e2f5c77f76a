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
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode, TLSConfig
from temporalio.worker import Worker

from loader import discovery, keeper, layout, pollers
from loader.activities import Activities, Running, hand_over
from loader.health import State
from loader.watchdog import Evictions, Stuck

_logger = logging.getLogger('temporal-worker')
_RETRY = 2.0
_CONNECT = 5.0
_ACTIVITIES = 100
"""The SDK's own limit, where none is given."""


class PortTaken(Exception):
    """Somebody else listens where Prometheus is to be answered."""


def make_runtime(wanted: layout.Settings) -> Runtime:
    """The SDK's engine, with an endpoint for Prometheus where one is wanted; a process has one.

    Raises:
        PortTaken: when the endpoint's port is.
    """
    metrics = PrometheusConfig(bind_address=f'0.0.0.0:{wanted.metrics_port}') if wanted.metrics_port else None
    try:
        return Runtime(telemetry=TelemetryConfig(metrics=metrics))
    except ValueError as error:
        raise PortTaken(f'port {wanted.metrics_port} cannot be used: change the option prometheus-port') from error


async def connect(wanted: layout.Settings, runtime: Runtime) -> Client:
    """A client that has had an answer about the namespace.

    Raises:
        RPCError: when the server refuses.
        RuntimeError: when it cannot be reached.
    """
    identity = f'{os.getpid()}@{socket.gethostname()}'
    tls = TLSConfig(server_root_ca_cert=wanted.ca.encode() or None) if wanted.tls else False
    client = await Client.connect(
        wanted.address, namespace=wanted.namespace, identity=identity, tls=tls, runtime=runtime
    )
    await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=wanted.namespace))
    return client


def _threads(wanted: layout.Settings) -> int:
    return int(wanted.limits.get('max_concurrent_activities', _ACTIVITIES))


def make(client: Client, wanted: layout.Settings, code: discovery.Code, queue: str, activities: Activities) -> Worker:
    """The worker of a queue, with all of the code and the whole of the limits."""
    return Worker(
        client,
        task_queue=queue,
        workflows=list(code.workflows.values()),
        activities=list(code.activities.values()),
        # Synchronous activities run in threads, where they cannot stop heartbeats.
        activity_executor=concurrent.futures.ThreadPoolExecutor(_threads(wanted), f'activity-{queue}'),
        graceful_shutdown_timeout=datetime.timedelta(seconds=layout.GRACE),
        interceptors=[activities],
        **wanted.limits,  # type: ignore[arg-type]
    )


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
        self._evicting = asyncio.Event()
        self._activities: dict[str, Activities] = {}
        self._runtime: Runtime | None = None

    @property
    def running(self) -> list[Running]:
        """The activities that run now, on all queues."""
        return [each for activities in self._activities.values() for each in list(activities.running.values())]

    async def connect(self) -> Client:
        """A client on this process's engine, which is made at the first time.

        Raises:
            PortTaken: when it cannot be made.
            RPCError: when the server refuses.
            RuntimeError: when it cannot be reached.
        """
        self._runtime = self._runtime or make_runtime(self._wanted)
        return await connect(self._wanted, self._runtime)

    def stop(self) -> None:
        """Take no new task, let running activities end, and return from `work`."""
        self._stop.set()

    async def work(self) -> None:
        """Work until told to stop.

        Raises:
            Stuck: when only a new process can go on.
        """
        sdk, evictions = logging.getLogger('temporalio.worker'), Evictions(self._evicting)
        sdk.addHandler(evictions)
        try:
            await self._work()
        finally:
            sdk.removeHandler(evictions)

    async def _work(self) -> None:
        failed = ''
        while not self._stop.is_set():
            self._state.change(problem=f'{self._wanted.address} to answer')
            try:
                # A server that has just moved may leave a connection hanging for minutes.
                client = await asyncio.wait_for(self.connect(), _CONNECT)
                if failed:
                    # The server is not to blame.
                    raise Stuck(failed)
                failed = await self._run(client)
            except RPCError as error:
                self._state.refused(self._wanted, error)
                if error.status == RPCStatusCode.NOT_FOUND:
                    failed = ''
            except PortTaken as error:
                self._state.change(problem=str(error), operator=True)
            except (RuntimeError, TimeoutError) as error:
                # What the SDK raises when it cannot connect.
                _logger.warning('%s: %s', self._wanted.address, error or 'no answer')
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _RETRY)

    async def _run(self, client: Client) -> str:
        """Run all workers until told to stop, or until one of them fails: then none goes on alone.

        Returns:
            Why they have ended; empty if they were told to.
        """
        self._activities = {queue: Activities() for queue in self._wanted.queues}
        workers = [
            make(client, self._wanted, self._code, queue, activities) for queue, activities in self._activities.items()
        ]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        watch = pollers.Watch(client, self._wanted, self._code, self._state, self._busy)
        watching = [asyncio.create_task(wait) for wait in (watch.run(), self._stop.wait(), self._evicting.wait())]
        keeping = asyncio.create_task(keeper.Keeper(client, self._state).run())
        await asyncio.wait([*running, *watching], return_when=asyncio.FIRST_COMPLETED)
        stuck = watching[0].exception() if watching[0].done() else None
        for task in (*watching, keeping):
            task.cancel()
        await self._drain(client, workers, running)
        if self._stop.is_set():
            return ''
        if stuck:
            raise stuck
        if self._evicting.is_set():
            raise Stuck('a workflow could not be evicted from memory, since its code did not let go')
        error = next((task.exception() for task in running if task.done() and task.exception()), None)
        return f'polling failed: {str(error).splitlines()[0][:120] if str(error or "") else "no reason given"}'

    def _busy(self, queue: str) -> bool:
        return len(self._activities[queue].running) >= _threads(self._wanted)

    async def _drain(self, client: Client, workers: list[Worker], running: list[asyncio.Task[None]]) -> None:
        """Let running activities end, cancel the others after the grace, and hand over what does not end even so."""
        self._state.change(problem='running activities to end')
        # One that has failed has shut down by itself.
        pairs = zip(workers, running, strict=True)
        ending = [asyncio.create_task(worker.shutdown()) for worker, task in pairs if not task.done()]
        _, left = await asyncio.wait(running, timeout=layout.GRACE + layout.CANCELLED)
        if left:
            remaining = self.running
            taken = await hand_over(client, remaining, layout.HAND_OVER)
            _logger.warning('activities that did not end: %s, handed over to the server: %s', len(remaining), taken)
        for task in ending:
            task.cancel()
