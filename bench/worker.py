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
_PATIENCE = 180.0


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
    began = time.time()
    process = subprocess.Popen([sys.executable, '-m', 'bench.labour', address, queue])
    try:
        yield _polled(address, queue, began) - began
    finally:
        process.terminate()
        process.wait()


def _restarted(juju: jubilant.Juju, address: str) -> float:
    """Seconds from the start of the charm's process until it polls."""
    command = ['kubectl', '--namespace', juju.model or '', 'exec', f'{_APP}-0', '--container=temporal-worker', '--']
    # Without what ends before: only the new process's way to its first poll is measured.
    subprocess.run([*command, '/charm/bin/pebble', 'stop', 'temporal-worker'], check=True, capture_output=True)
    began = time.time()
    starting = subprocess.Popen(
        [*command, '/charm/bin/pebble', 'start', 'temporal-worker'],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        return _polled(address, _APP, began) - began
    finally:
        starting.wait()


def _shipped(juju: jubilant.Juju, address: str, code: pathlib.Path) -> float:
    """Juju replaces the pod for it."""
    before, began = _pod(juju), time.time()
    juju.cli('attach-resource', _APP, f'workflows-file={code}')
    while _pod(juju) in ('', before):
        if time.time() > began + _PATIENCE:
            raise TimeoutError('the pod is not replaced')
        time.sleep(0.2)
    found = _polled(address, _APP, time.time()) - began
    juju.wait(lambda status: jubilant.all_active(status, _APP) and jubilant.all_agents_idle(status, _APP), timeout=180)
    return found


def _pod(juju: jubilant.Juju) -> str:
    query = ['--ignore-not-found', '--output=jsonpath={.metadata.uid}']
    command = ['kubectl', '--namespace', juju.model or '', 'get', 'pod', f'{_APP}-0', *query]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _silence(juju: jubilant.Juju, address: str) -> float:
    def restart() -> None:
        time.sleep(3)
        juju.config(_APP, {'max-cached-workflows': 900})
        time.sleep(20)

    return asyncio.run(_gap(address, restart))


def _polled(address: str, queue: str, since: float) -> float:
    """Wait until somebody has polled a queue for activities after a moment; the time of the first such poll seen.

    An identity tells nothing: in a new pod a process has the number that it had in the old one.
    """
    request = DescribeTaskQueueRequest(
        namespace='default', task_queue=TaskQueue(name=queue), task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
    )

    async def main() -> float:
        client = await Client.connect(address)
        while time.time() < since + _PATIENCE:
            pollers = (await client.workflow_service.describe_task_queue(request)).pollers
            if late := [seen for one in pollers if (seen := one.last_access_time.ToNanoseconds() / 1e9) > since]:
                return min(late)
            await asyncio.sleep(0.05)
        raise TimeoutError(f'nobody polls {queue}')

    return asyncio.run(main())


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
