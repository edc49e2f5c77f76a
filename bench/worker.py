"""What the worker charm's workers achieve, each figure beside a worker of the plain SDK against the same server."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator

import jubilant
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from bench import labour, wheel
from bench.deployment import DIST, images

_APP = 'labour'
_CHARM = 'temporal-worker-k8s'
_ROUNDS = 5
_SECONDS = 10.0
_AT_A_TIME = 20
_ACTIVITIES = 10


@dataclasses.dataclass(frozen=True)
class Beside:
    """A figure of the charm's worker and of one without it, medians of some rounds in turn."""

    charm: float
    plain: float

    @property
    def ratio(self) -> float:
        """The charm's, as a multiple of the other's."""
        return self.charm / self.plain


@dataclasses.dataclass(frozen=True)
class Worker:
    """The figures.

    Attributes:
        activities: ended per second and per processor of the machine, server and client on it as well.
        start: seconds from the start of the process until the server sees it poll.
        shipped: seconds from `juju attach-resource` of other code to its first poll, by the kind of code.
        silence: the longest time without an end of a workflow, under load, in which an option restarted the worker.
    """

    activities: Beside
    start: Beside
    shipped: dict[str, float]
    silence: float


def measure(juju: jubilant.Juju, server: str = 'temporal-k8s') -> Worker:
    """Deploy a worker into a model with a server, measure, and leave it there.

    Args:
        juju: the model; its server has the namespace default.
        server: the application.
    """
    address = f'{juju.status().apps[server].address}:7233'
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        code = wheel.archive(folder, _APP, pathlib.Path(labour.__file__).read_text())
        resources = {'temporal-worker-image': images()['temporal-worker-image'], 'workflows-file': str(code)}
        juju.deploy(DIST / f'{_CHARM}.charm', _APP, resources=resources, config={'queue': _APP})
        juju.integrate(f'{_APP}:temporal-host-info', f'{server}:temporal-host-info')
        juju.wait(lambda status: jubilant.all_active(status, _APP), timeout=180)
        rates, starts = [], []
        for _ in range(_ROUNDS):
            queue = f'plain-{uuid.uuid4().hex[:6]}'
            with _plain(address, queue) as plain_start:
                plain_rate = asyncio.run(_rate(address, queue))
            rates.append((asyncio.run(_rate(address, _APP)), plain_rate))
            starts.append((_restarted(juju, address), plain_start))
        shipped = {
            'an archive of wheels': _shipped(juju, address, DIST / 'oci-factory.tar'),
            'one wheel': _shipped(juju, address, code),
        }
        silence = _silence(juju, address)
    return Worker(_beside(rates, os.cpu_count() or 1), _beside(starts), shipped, silence)


def _beside(pairs: list[tuple[float, float]], divisor: float = 1) -> Beside:
    charm, plain = zip(*pairs, strict=True)
    return Beside(statistics.median(charm) / divisor, statistics.median(plain) / divisor)


@contextlib.contextmanager
def _plain(address: str, queue: str) -> Iterator[float]:
    """A worker without the charm, and how long it took until it polled."""
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, '-m', 'bench.labour', address, queue])
    try:
        yield _new_poller(address, queue, set(), began)
    finally:
        process.terminate()
        process.wait()


def _restarted(juju: jubilant.Juju, address: str) -> float:
    """Seconds from the restart of the charm's process until it polls."""
    before = asyncio.run(_pollers(address, _APP))
    command = ['kubectl', '--namespace', juju.model or '', 'exec', f'{_APP}-0', '--container=temporal-worker', '--']
    # Without what ends before: only the new process's way to its first poll is measured.
    subprocess.run([*command, '/charm/bin/pebble', 'stop', 'temporal-worker'], check=True, capture_output=True)
    began = time.monotonic()
    starting = subprocess.Popen(
        [*command, '/charm/bin/pebble', 'start', 'temporal-worker'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return _new_poller(address, _APP, before, began)
    finally:
        starting.wait()


def _shipped(juju: jubilant.Juju, address: str, code: pathlib.Path) -> float:
    before = asyncio.run(_pollers(address, _APP))
    began = time.monotonic()
    juju.cli('attach-resource', _APP, f'workflows-file={code}')
    found = _new_poller(address, _APP, before, began)
    juju.wait(lambda status: jubilant.all_active(status, _APP) and jubilant.all_agents_idle(status, _APP), timeout=180)
    return found


def _silence(juju: jubilant.Juju, address: str) -> float:
    def restart() -> None:
        time.sleep(3)
        juju.config(_APP, {'max-cached-workflows': 900})
        before = asyncio.run(_pollers(address, _APP))
        _new_poller(address, _APP, before, time.monotonic())

    return asyncio.run(_gap(address, restart))


def _new_poller(address: str, queue: str, before: set[str], began: float) -> float:
    async def main() -> float:
        client = await Client.connect(address)
        while not await _seen(client, queue) - before:
            if time.monotonic() - began > 180:
                raise TimeoutError(f'nobody new polls {queue}')
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    return asyncio.run(main())


async def _pollers(address: str, queue: str) -> set[str]:
    return await _seen(await Client.connect(address), queue)


async def _seen(client: Client, queue: str) -> set[str]:
    """The identities of those who poll a queue for activities."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    )
    return {poller.identity for poller in (await client.workflow_service.describe_task_queue(request)).pollers}


async def _rate(address: str, queue: str) -> float:
    """Activities that end per second, some workflows at a time, for some seconds."""
    client = await Client.connect(address)
    began, done = time.monotonic(), 0

    async def go_on() -> None:
        nonlocal done
        while time.monotonic() - began < _SECONDS:
            await _labour(client, queue, _ACTIVITIES)
            done += _ACTIVITIES

    await asyncio.gather(*(go_on() for _ in range(_AT_A_TIME)))
    return done / (time.monotonic() - began)


async def _gap(address: str, meanwhile: Callable[[], None]) -> float:
    """The longest time between two ends of workflows while something happens, with one workflow after the other."""
    client = await Client.connect(address)
    working = asyncio.create_task(asyncio.to_thread(meanwhile))
    longest, last = 0.0, time.monotonic()
    while not working.done():
        await _labour(client, _APP, 1)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    await working
    return longest


async def _labour(client: Client, queue: str, activities: int) -> None:
    name = f'labour-{uuid.uuid4().hex}'
    await client.execute_workflow('Labour', activities, id=name, task_queue=queue)
