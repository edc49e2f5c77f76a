"""The SDK's workers of this process, one for each queue: made, run together, and drained together."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import dataclasses
import datetime
import logging
import os
import secrets
import socket
from collections.abc import Mapping, Sequence

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Interceptor, Worker

from loader import discovery, health, keeper, layout, pollers, transport
from loader.activities import Activities, Running, hand_over
from loader.apart import Loops
from loader.authentication import Keeper, Refused, Unreachable
from loader.health import State
from loader.watchdog import Stuck, failed_eviction

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


async def connect(wanted: layout.Settings, runtime: Runtime, keys: layout.Keys, metadata: Mapping[str, str]) -> Client:
    """A client that has had an answer about the namespace.

    Args:
        wanted: names the server and the namespace.
        runtime: the SDK's engine.
        keys: the client certificate.
        metadata: headers that tell who the worker is.

    Raises:
        RPCError: when the server refuses.
        RuntimeError: when it cannot be reached.
    """
    try:
        client = await _client(wanted, runtime, keys, metadata)
        await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=wanted.namespace))
    except RuntimeError as error:
        # A server that does not believe a token answers nothing at all, and the SDK has the answer as a text only.
        if any(f'code: {name}' in str(error) for name in ('PermissionDenied', 'Unauthenticated')):
            raise RPCError('refused', RPCStatusCode.PERMISSION_DENIED, b'') from error
        raise
    return client


async def _client(wanted: layout.Settings, runtime: Runtime, keys: layout.Keys, metadata: Mapping[str, str]) -> Client:
    return await Client.connect(
        wanted.address,
        namespace=wanted.namespace,
        # The server remembers pollers for minutes, and in a new pod a process has the number of the one before.
        identity=f'{os.getpid()}@{socket.gethostname()}@{secrets.token_hex(4)}',
        tls=transport.configuration(wanted, keys),
        rpc_metadata=metadata,
        data_converter=_converter(wanted, keys),
        runtime=runtime,
    )


def _converter(wanted: layout.Settings, keys: layout.Keys) -> DataConverter:
    if not keys.encryption:
        return DataConverter.default
    from loader.codec import Codec

    return dataclasses.replace(DataConverter.default, payload_codec=Codec(keys.encryption, wanted.cipher))


def _threads(wanted: layout.Settings) -> int:
    return int(wanted.limits.get('max_concurrent_activities', _ACTIVITIES))


def make(
    client: Client, wanted: layout.Settings, code: discovery.Code, queue: str, interceptors: Sequence[Interceptor]
) -> Worker:
    """The worker of a queue, with all of the code and the whole of the limits."""
    return Worker(
        client,
        task_queue=queue,
        workflows=list(code.workflows.values()),
        activities=list(code.activities.values()),
        # Synchronous activities run in threads, where they cannot stop heartbeats.
        activity_executor=concurrent.futures.ThreadPoolExecutor(_threads(wanted), f'activity-{queue}'),
        graceful_shutdown_timeout=datetime.timedelta(seconds=layout.GRACE),
        interceptors=interceptors,
        **wanted.limits,  # type: ignore[arg-type]
    )


class Crew:
    """Connects and polls, and tries again for ever, since servers come back.

    Args:
        wanted: what the charm wants to be run.
        code: what there is to run.
        state: what the worker answers.
        keys: what it needs besides; none where it needs none.
        interceptors: see what workflows and activities do.
    """

    def __init__(
        self,
        wanted: layout.Settings,
        code: discovery.Code,
        state: State,
        keys: layout.Keys | None = None,
        interceptors: Sequence[Interceptor] = (),
    ):
        self._wanted, self._code, self._state = wanted, code, state
        self._keys, self._interceptors = keys or layout.Keys(), interceptors
        self._keeper = Keeper(wanted, state, certified=bool(self._keys.certificate))
        self._stop = asyncio.Event()
        self._activities: dict[str, Activities] = {}
        self._loops = Loops()
        self._runtime: Runtime | None = None

    @property
    def running(self) -> list[Running]:
        """The activities that run now, on all queues."""
        return [each for activities in self._activities.values() for each in list(activities.running.values())]

    async def connect(self) -> Client:
        """A client on this process's engine, which is made at the first time.

        Raises:
            PortTaken: when it cannot be made.
            Refused: when there is no token.
            Unreachable: when there is no token yet.
            RPCError: when the server refuses.
            RuntimeError: when it cannot be reached.
        """
        self._runtime = self._runtime or make_runtime(self._wanted)
        metadata = await self._keeper.metadata()
        # A server that has just moved may leave a connection hanging for minutes.
        return await asyncio.wait_for(connect(self._wanted, self._runtime, self._keys, metadata), _CONNECT)

    def stop(self) -> None:
        """Take no new task, let running activities end, and return from `work`."""
        self._stop.set()

    async def work(self) -> None:
        """Work until told to stop.

        Raises:
            Stuck: when only a new process can go on.
        """
        failed = ''
        self._state.change(problem=f'{self._wanted.address} to answer')
        while not self._stop.is_set():
            try:
                client = await self.connect()
                if failed:
                    # The server is not to blame.
                    raise Stuck(failed)
                failed = await self._run(client)
            except RPCError as error:
                self._state.refused(self._wanted, error, self._keeper.refused)
                if error.status in (RPCStatusCode.NOT_FOUND, *health.REFUSALS):
                    failed = ''
            except (PortTaken, Refused) as error:
                self._state.change(problem=str(error), operator=True)
            except ModuleNotFoundError as error:
                problem = f'the image lacks {error.name}, which encrypts: attach a temporal-worker-image that has it'
                self._state.change(problem=problem, operator=True)
            except Unreachable as error:
                self._state.change(problem=str(error))
            except (RuntimeError, TimeoutError) as error:
                # What the SDK raises when it cannot connect.
                _logger.warning('%s: %s', self._wanted.address, error or 'no answer')
                problem = transport.problem(self._wanted, self._keys, str(error))
                self._state.change(problem=problem or f'{self._wanted.address} to answer', operator=bool(problem))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), _RETRY)

    async def _run(self, client: Client) -> str:
        """Run all workers until told to stop, or until one of them fails: then none goes on alone.

        Returns:
            Why they have ended; empty if they were told to.
        """
        self._activities = {queue: Activities(self._loops) for queue in self._wanted.queues}
        workers = [
            make(client, self._wanted, self._code, queue, [activities, *self._interceptors])
            for queue, activities in self._activities.items()
        ]
        running = [asyncio.create_task(worker.run()) for worker in workers]
        watch = pollers.Watch(
            client, self._wanted, self._code, self._state, self._keeper.refused, self._busy, self._unreached
        )
        waits = watch.run(), self._stop.wait(), failed_eviction(workers), self._keeper.keep(client)
        watching = [asyncio.create_task(wait) for wait in waits]
        keeping = asyncio.create_task(keeper.Keeper(client, self._state).run())
        await asyncio.wait([*running, *watching], return_when=asyncio.FIRST_COMPLETED)
        stuck = watching[0].exception() if watching[0].done() else None
        evicting = watching[2].done()
        for task in (*watching, keeping):
            task.cancel()
        await self._drain(client, workers, running)
        if self._stop.is_set():
            return ''
        if stuck:
            raise stuck
        if evicting:
            raise Stuck('a workflow could not be evicted from memory, since its code did not let go')
        error = next((task.exception() for task in running if task.done() and task.exception()), None)
        return f'polling failed: {str(error).splitlines()[0][:120] if str(error or "") else "no reason given"}'

    def _busy(self, queue: str) -> bool:
        return len(self._activities[queue].running) >= _threads(self._wanted)

    async def _unreached(self) -> str:
        """Why another connection cannot be made either, where a person has to mend it; empty otherwise."""
        # Only a handshake fails for a reason that another one tells.
        if self._wanted.tls:
            try:
                await self.connect()
            except RuntimeError as error:
                return transport.problem(self._wanted, self._keys, str(error))
            except (RPCError, Refused, Unreachable, TimeoutError):
                pass
        return ''

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
