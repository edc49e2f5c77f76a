"""Events of base images on a real Kafka, and when the workflows began that they lead to."""

from __future__ import annotations

import asyncio
import dataclasses
import pathlib
import sys
import time
from collections.abc import Mapping

import confluent_kafka
from oci_factory.eventbus import REBUILD
from temporalio.client import Client

from lab.kafka import Eventbus

# The producer is the tests'.
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'tests/events'))
from bus import Bus, dotenv, event

__all__ = ['Events', 'Passage', 'dotenv']

PARTITIONS = 4
_PATIENCE = 120.0
_ASK = 0.5

_CHEAP = {
    # A folder without releases: each rebuild finds that there is nothing to do, and asks nobody.
    **dict.fromkeys(('OCI_FACTORY_RELEASES', 'OCI_FACTORY_BUILDS'), '/opt'),
    **dict.fromkeys(('OCI_FACTORY_REGISTRY', 'OCI_FACTORY_GITHUB'), 'http://127.0.0.1:1'),
    'GITHUB_TOKEN': 'none',
}


@dataclasses.dataclass(frozen=True)
class Passage:
    """How some events came through.

    Attributes:
        produced: when each was handed to the producer, by its identifier.
        started: when its workflow was started, by the server's clock.
    """

    produced: Mapping[str, float]
    started: Mapping[str, float]

    @property
    def rate(self) -> float:
        """Events per second, from the first one produced to the last workflow started."""
        return len(self.started) / (max(self.started.values()) - min(self.produced.values()))

    @property
    def delays(self) -> list[float]:
        """Seconds from produced to started."""
        return [self.started[one] - at for one, at in self.produced.items()]


class Events:
    """A producer of events, who looks what becomes of them.

    Args:
        parts: broker and registry.
        address: HOST:PORT of the server's frontend.
    """

    def __init__(self, parts: Eventbus, address: str) -> None:
        self._bus, self._address, self._schema = Bus(parts), address, 0
        # Each is sent at once, and nothing is gathered before; that the broker has gone at the end is no news.
        self._producer = confluent_kafka.Producer({**self._bus.brokers().options(), 'linger.ms': 0, 'log_level': 2})

    def environment(self) -> dict[str, str]:
        """What a worker needs, to consume events and to have rebuilds that are next to nothing."""
        return {**self._bus.environment(), **_CHEAP}

    def topic(self, name: str) -> None:
        """Make a topic with a schema."""
        self._bus.topic(name, PARTITIONS)
        self._schema = self._bus.register(name)

    def produce(self, topic: str, prefix: str, count: int, pace: float = 0) -> dict[str, float]:
        """Produce events.

        Args:
            topic: of them.
            prefix: of their identifiers, which no others have.
            count: how many.
            pace: seconds between two; 0 for as fast as it goes.

        Returns:
            When each was handed to the producer, by its identifier.

        Raises:
            TimeoutError: when Kafka does not take them.
        """
        names = [f'{prefix}-{number}' for number in range(count)]
        values = [self._bus.encode(self._schema, event(name)) for name in names]
        produced = {}
        began = time.monotonic()
        for number, (name, value) in enumerate(zip(names, values, strict=True)):
            while (left := began + number * pace - time.monotonic()) > 0:
                self._producer.poll(left)
            produced[name] = time.time()
            self._producer.produce(topic, value, partition=number % PARTITIONS)
            self._producer.poll(0)
        if lost := self._producer.flush(60):
            raise TimeoutError(f'Kafka has not taken {lost} of {count} events')
        return produced

    def started(self, prefix: str, count: int) -> dict[str, float]:
        """Wait until all their workflows are started; when each was, by the event's identifier.

        Raises:
            TimeoutError: when some are not.
        """

        async def main() -> dict[str, float]:
            client = await Client.connect(self._address)
            await _there(client, _query(prefix), count)
            found = client.list_workflows(_query(prefix))
            return {one.id.removeprefix('rebuild-'): one.start_time.timestamp() async for one in found}

        return asyncio.run(main())

    def ended(self, prefix: str, count: int) -> None:
        """Wait until all their workflows have ended well.

        Raises:
            TimeoutError: when some have not.
        """

        async def main() -> None:
            client = await Client.connect(self._address)
            await _there(client, f'{_query(prefix)} AND ExecutionStatus = "Completed"', count)

        asyncio.run(main())


def _query(prefix: str) -> str:
    return f'WorkflowType = "{REBUILD}" AND WorkflowId STARTS_WITH "rebuild-{prefix}-"'


async def _there(client: Client, query: str, count: int) -> None:
    end = time.monotonic() + _PATIENCE
    while (there := (await client.count_workflows(query)).count) < count:
        if time.monotonic() > end:
            raise TimeoutError(f'{there} of {count} after {_PATIENCE:.0f} s: {query}')
        await asyncio.sleep(_ASK)
