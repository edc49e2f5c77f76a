"""Stands for librdkafka's consumer: does what it was told in advance, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import confluent_kafka as ck
from temporal_events.kafka import Kafka, Settings
from temporal_events.model import Consumption, Message

T = TypeVar('T')


@dataclasses.dataclass
class Delivered:
    """A message as librdkafka has it, with the methods that are asked."""

    at: int
    where: int = 0
    said: bytes | None = b'a'
    named: bytes | None = None
    more: list[tuple[str, bytes | None]] | None = None
    of: str = 't'
    when: tuple[int, int] = (ck.TIMESTAMP_CREATE_TIME, 1000)
    wrong: ck.KafkaError | None = None

    def __getattr__(self, name: str) -> Callable[[], Any]:
        known = {'offset': 'at', 'partition': 'where', 'value': 'said', 'key': 'named', 'headers': 'more'}
        field = {**known, 'timestamp': 'when', 'error': 'wrong', 'topic': 'of'}.get(name)
        if field is None:
            raise AttributeError(name)
        return lambda: getattr(self, field)


class Consumer:
    """Does what it was told in advance, one thing at each poll, and remembers what it was asked.

    Args:
        options: librdkafka's.
    """

    made: list[Consumer]
    script: deque[Any]

    def __init__(self, options: dict[str, Any]) -> None:
        self.options = options
        self.partitions: set[int] = set()
        self.paused: set[int] = set()
        self.committed: list[tuple[dict[str, int], bool]] = []
        self.refuses = False
        self.closed = False
        self.made.append(self)

    def subscribe(self, topics: list[str], **callbacks: Any) -> None:
        self.topics, self.callbacks = topics, callbacks

    def assignment(self) -> list[ck.TopicPartition]:
        return [ck.TopicPartition('t', one) for one in sorted(self.partitions)]

    def rebalance(self, what: str, *partitions: int) -> None:
        self.callbacks[what](self, [ck.TopicPartition('t', one) for one in partitions])
        self.partitions = self.partitions | {*partitions} if what == 'on_assign' else self.partitions - {*partitions}

    def poll(self, _: float) -> Delivered | None:
        if not self.script or (isinstance(self.script[0], Delivered) and self.script[0].where in self.paused):
            return None
        one = self.script.popleft()
        if callable(one):
            one(self)
            return None
        return one

    def pause(self, partitions: list[ck.TopicPartition]) -> None:
        self.paused |= {one.partition for one in partitions}

    def resume(self, partitions: list[ck.TopicPartition]) -> None:
        self.paused -= {one.partition for one in partitions}

    def commit(self, *, offsets: list[ck.TopicPartition], asynchronous: bool) -> None:
        if self.refuses:
            raise ck.KafkaException(ck.KafkaError(ck.KafkaError._NO_OFFSET))
        self.committed.append(({f'{one.topic}/{one.partition}': one.offset for one in offsets}, asynchronous))

    def get_watermark_offsets(self, partition: ck.TopicPartition, *, cached: bool) -> tuple[int, int]:
        return (0, 10) if cached and partition.partition == 0 else (-1001, -1001)

    def close(self) -> None:
        self.closed = True


def source(**more: Any) -> Kafka:
    return Kafka(Settings('x', 'PLAINTEXT', **more), Consumption(('t', 'u'), 'g'))


def run(work: Awaitable[T]) -> T:
    async def main() -> T:
        return await asyncio.wait_for(work, 10)

    return asyncio.run(main())


def assign(*partitions: int) -> Callable[[Consumer], None]:
    return lambda consumer: consumer.rebalance('on_assign', *partitions)


def revoke(*partitions: int) -> Callable[[Consumer], None]:
    return lambda consumer: consumer.rebalance('on_revoke', *partitions)


def lose(*partitions: int) -> Callable[[Consumer], None]:
    return lambda consumer: consumer.rebalance('on_lost', *partitions)


async def taken(kafka: Kafka, rounds: int = 3) -> list[Message]:
    return [one for _ in range(rounds) for one in await kafka.take()]


def places(messages: list[Message]) -> list[str]:
    return [one.place for one in messages]


def said(error: ck.KafkaError) -> Callable[[Consumer], None]:
    return lambda consumer: consumer.options['error_cb'](error)
