"""Events of base images on a real broker: published over time, each known by where it stands; how far groups have read.

Some are sent twice, as a producer does that has not heard of the first time; some cannot be acted upon.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import sys
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import confluent_kafka
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.admin._scram import (
    ScramCredentialInfo,
    ScramMechanism,
    UserScramCredentialAlteration,
    UserScramCredentialDeletion,
    UserScramCredentialUpsertion,
)

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'events'))
import factory
from bus import Bus, event

PARTITIONS = 4
_ANSWER = 10.0


@dataclasses.dataclass(frozen=True)
class Message:
    """Something to publish.

    Attributes:
        topic: where.
        value: as it is on the wire.
        event: identifier of the event; empty for a message that nobody can act upon.
        dispatches: whether acting upon it dispatches an image.
    """

    topic: str
    value: bytes
    event: str = ''
    dispatches: bool = False


class Writer:
    """Writes messages.

    Args:
        bus: the broker.
        topics: to which its messages are to go; their schemas are registered.
    """

    def __init__(self, bus: Bus, topics: Sequence[str]) -> None:
        self._bus = bus
        for topic in topics:
            self._schema = bus.register(topic)

    def event(self, topic: str, identifier: str, *, dispatches: bool) -> Message:
        """One that can be acted upon."""
        series = factory.RELEASED if dispatches else factory.UNRELEASED
        value = self._bus.encode(self._schema, event(identifier, series=series))
        return Message(topic, value, identifier, dispatches)

    def bad(self, topic: str, number: int) -> Message:
        """One that cannot, of one kind after the other: four of them are poison, one does not tell its release."""
        good = self._bus.encode(self._schema, event(f'bad-{number}'))
        kinds = (
            b'{"release": "24.04", "number": %d}' % number,
            good[: -3 - number % 5],
            self._bus.encode(self._schema, event(f'bad-{number}', series='zzz', registry_tags=[])),
            self._bus.encode(self._schema, event(f'a blank in {number}')),
            b'',
        )
        return Message(topic, kinds[number % len(kinds)])


class Publisher:
    """Publishes messages one after the other, as many as are allowed; while in a `with`, in a thread.

    Args:
        bus: the broker; while it is away, the messages wait for it.
        messages: all of them.
        pace: seconds between two.
    """

    def __init__(self, bus: Bus, messages: Sequence[Message], pace: float) -> None:
        self._bus, self._messages, self.pace = bus, messages, pace
        self._allowed = 0
        self._places: dict[int, str] = {}
        self._problems: list[str] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name='publisher')

    def __enter__(self) -> Publisher:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def allowed(self) -> int:
        """How many may be published by now."""
        return self._allowed

    def allow(self, count: int) -> None:
        """Go on with so many more; those that are left behind from before come first."""
        self._allowed = min(self._allowed + count, len(self._messages))

    def published(self) -> list[tuple[Message, str]]:
        """Those that the broker has, each with its TOPIC/PARTITION/OFFSET.

        Raises:
            AssertionError: when it has refused one.
        """
        assert not self._problems, self._problems
        return [(self._messages[number], place) for number, place in sorted(self._places.items())]

    def _run(self) -> None:
        producer = confluent_kafka.Producer({**self._bus.brokers().options(), 'enable.idempotence': True})
        for number, message in enumerate(self._messages):
            while number >= self._allowed and not self._over.is_set():
                producer.poll(0.1)
            if self._over.is_set():
                break
            producer.produce(
                message.topic,
                message.value,
                partition=number % PARTITIONS,
                on_delivery=functools.partial(self._delivered, number),
            )
            end = time.monotonic() + self.pace
            while time.monotonic() < end:
                producer.poll(max(end - time.monotonic(), 0))
        producer.flush(60)

    def _delivered(
        self, number: int, error: confluent_kafka.KafkaError | None, message: confluent_kafka.Message
    ) -> None:
        if error is not None:
            self._problems.append(str(error))
        else:
            self._places[number] = f'{message.topic()}/{message.partition()}/{message.offset()}'


class Groups:
    """How far consumer groups have read.

    Args:
        bus: the broker.
        read: pairs of a topic and a group.
    """

    def __init__(self, bus: Bus, read: Sequence[tuple[str, str]]) -> None:
        self._bus, self._read = bus, read
        self._admin = AdminClient(bus.brokers().options())

    def progress(self) -> tuple[int, int] | None:
        """How many messages are acknowledged, and how many there are; None if the broker does not say."""
        try:
            return self._acknowledged(), self._there()
        except (confluent_kafka.KafkaException, TimeoutError):
            # One that has lost its broker twice may never find it again.
            self._admin = AdminClient(self._bus.brokers().options())
            return None

    def acknowledged(self) -> int:
        """How many messages are acknowledged; waits for a broker that is away."""
        while True:
            if (progress := self.progress()) is not None:
                return progress[0]
            time.sleep(1)

    def _acknowledged(self) -> int:
        found = 0
        for group in sorted({group for _, group in self._read}):
            asked = confluent_kafka.ConsumerGroupTopicPartitions(group)
            (told,) = self._admin.list_consumer_group_offsets([asked], request_timeout=_ANSWER).values()
            topics = {topic for topic, other in self._read if other == group}
            parts = told.result(_ANSWER).topic_partitions
            found += sum(max(part.offset, 0) for part in parts if part.topic in topics)
        return found

    def _there(self) -> int:
        topics = {topic for topic, _ in self._read}
        places = [confluent_kafka.TopicPartition(topic, part) for topic in topics for part in range(PARTITIONS)]
        asked: dict[Any, Any] = dict.fromkeys(places, OffsetSpec.latest())
        ends = self._admin.list_offsets(asked, request_timeout=_ANSWER)
        known = {(place.topic, place.partition): told.result(_ANSWER).offset for place, told in ends.items()}
        return sum(known[topic, part] for topic, _ in self._read for part in range(PARTITIONS))


class Users:
    """Whom the broker lets in.

    Args:
        bus: the broker.
    """

    def __init__(self, bus: Bus) -> None:
        self._admin = AdminClient(bus.brokers().options())

    def let_in(self, name: str, password: str) -> None:
        """From now on."""
        info = ScramCredentialInfo(ScramMechanism.SCRAM_SHA_512, 4096)
        self._alter(UserScramCredentialUpsertion(name, info, password.encode()))

    def keep_out(self, name: str) -> None:
        """From now on; who is in stays so until the connection ends."""
        self._alter(UserScramCredentialDeletion(name, ScramMechanism.SCRAM_SHA_512))

    def _alter(self, how: UserScramCredentialAlteration) -> None:
        for told in self._admin.alter_user_scram_credentials([how]).values():
            told.result(30)
