"""A restart of a worker under load: for how long the server sees nobody poll, and nothing gets done."""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import Callable

from temporalio.client import Client

from bench import figures, limits, load, polls

_LANES = 5
_QUIET = 3.0
"""Seconds of load before the restart, and after it."""


@dataclasses.dataclass(frozen=True)
class Restart:
    """What was seen.

    Attributes:
        gap: seconds without a poller, of workflow tasks or of activities, whichever is longer.
        usage: of the processors in that time.
        silence: the longest time without an end of a workflow, while there was work.
        slowest: seconds that the slowest workflow took; a task that is lost is handed out again after its timeout.
        resolution: by how much the gap may be too long at each of its ends: the longest time between two questions.
        noise: the longest time between two polls while there was no restart.
    """

    gap: float
    usage: limits.Usage
    silence: float
    slowest: float
    resolution: float
    noise: float


def under_load(address: str, queue: str, restart: Callable[[], None]) -> Restart:
    """Restart a worker that has work to do, and watch until another one polls.

    Args:
        address: HOST:PORT of the server's frontend.
        queue: the worker's, which runs Labour.
        restart: has it done; may return earlier or later.

    Raises:
        TimeoutError: when nobody else comes.
    """
    return asyncio.run(_under_load(address, queue, restart))


async def _under_load(address: str, queue: str, restart: Callable[[], None]) -> Restart:
    client = await Client.connect(address)
    samples: list[polls.Sample] = []
    ends: list[float] = []
    took: list[float] = []
    over = asyncio.Event()
    loaded = time.time()

    async def watch() -> None:
        while not over.is_set():
            samples.append(await polls.sample(client, queue))
            await asyncio.sleep(polls.PERIOD)

    async def lane() -> None:
        while not over.is_set():
            began = time.time()
            await load.labour(client, queue)
            ends.append(time.time())
            took.append(ends[-1] - began)

    def gaps(before: int) -> list[polls.Gap | None]:
        """Of each kind, by those that were there in so many samples."""
        known = {who for one in samples[:before] for seen in one.seen.values() for who in seen}
        return [polls.gap([one.seen[kind] for one in samples], known) for kind in polls.KINDS]

    async with asyncio.TaskGroup() as group:
        for work in (watch(), *(lane() for _ in range(_LANES))):
            group.create_task(work)
        await asyncio.sleep(_QUIET)
        before = len(samples)
        await asyncio.to_thread(restart)
        end = time.monotonic() + polls.PATIENCE
        while None in gaps(before):
            if time.monotonic() > end:
                raise TimeoutError(f'nobody else polls {queue}')
            await asyncio.sleep(1)
        await asyncio.sleep(_QUIET)
        # From now on there is less to do, and what ends tells nothing.
        working = [loaded, *ends, time.time()]
        over.set()
    gap = max((one for one in gaps(before) if one), key=lambda one: one.seconds)
    near = [one for one in samples if gap.since - 1 <= one.at <= gap.until + 1]
    return Restart(
        gap=gap.seconds,
        usage=polls.usage(samples, gap),
        silence=figures.longest(working),
        slowest=max(took),
        resolution=figures.longest([one.at for one in near]),
        noise=max(polls.silence(samples[:before], kind, loaded) for kind in polls.KINDS),
    )
