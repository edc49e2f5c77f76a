"""Kafka as a source of messages, by confluent-kafka: offsets are committed for what was settled, and only so."""

from __future__ import annotations

import asyncio
import concurrent.futures
import dataclasses
import functools
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import confluent_kafka as ck

from temporal_events.model import Consumption, Message, Progress, Unavailable
from temporal_events.troubles import Troubles

PROTOCOLS = ('SASL_SSL', 'SASL_PLAINTEXT', 'SSL', 'PLAINTEXT')
MECHANISMS = ('SCRAM-SHA-512', 'SCRAM-SHA-256', 'PLAIN')

_TAKEN = 32
"""Messages that are taken at once: they are settled at the same time."""

_WAIT = 0.25
"""Seconds for which a thread waits for a message; a consumer that is to end waits for it no longer."""

_SESSION = 10_000
"""Milliseconds after which a group misses a consumer that has died without a word; no sooner is its share another's.

By itself librdkafka would have it take 45 seconds. Who is taken for dead wrongly joins again, and what it had in hand
is delivered twice, which harms nobody.
"""

_CLOSE = 3.0
_REMEDIES = {
    ck.KafkaError.UNKNOWN_TOPIC_OR_PART: 'have it made, or correct its name',
    ck.KafkaError.TOPIC_EXCEPTION: 'correct its name',
    ck.KafkaError.TOPIC_AUTHORIZATION_FAILED: 'let the user read it',
    ck.KafkaError.GROUP_AUTHORIZATION_FAILED: 'let the user read as the consumer group',
}
"""Error to what helps against it."""

_logger = logging.getLogger(__name__)
_T = TypeVar('_T')


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the brokers are, and as whom to go there.

    Attributes:
        brokers: HOST:PORT, separated by commas.
        protocol: one of `PROTOCOLS`.
        mechanism: one of `MECHANISMS`; of the protocols with SASL.
        username: likewise.
        password: likewise.
        ca: certificates in PEM, which alone are trusted; empty for those that the system trusts.
        more: options of librdkafka, over all others.
    """

    brokers: str
    protocol: str = 'SASL_SSL'
    mechanism: str = 'SCRAM-SHA-512'
    username: str = ''
    password: str = dataclasses.field(default='', repr=False)
    ca: str = dataclasses.field(default='', repr=False)
    more: tuple[tuple[str, str], ...] = ()

    def options(self) -> dict[str, Any]:
        """As librdkafka names them."""
        options: dict[str, Any] = {'bootstrap.servers': self.brokers, 'security.protocol': self.protocol}
        if self.protocol.startswith('SASL_'):
            options |= {
                'sasl.mechanism': self.mechanism,
                'sasl.username': self.username,
                'sasl.password': self.password,
            }
        if self.protocol.endswith('SSL'):
            options |= {'ssl.ca.pem': self.ca} if self.ca else {'ssl.ca.location': 'probe'}
        return {**options, **dict(self.more)}


class Kafka:
    """A consumer of some topics, in a thread of its own: librdkafka's calls block.

    All methods with an underscore and no `async` run in that thread; its callbacks, too, since they run within calls.

    Args:
        settings: where, and as whom.
        consumption: which topics, and in which group.
    """

    def __init__(self, settings: Settings, consumption: Consumption) -> None:
        self._options = {
            'session.timeout.ms': _SESSION,
            **settings.options(),
            'group.id': consumption.group,
            'client.id': 'temporal-events',
            'enable.auto.commit': False,
            'enable.auto.offset.store': False,
            # A group that is new begins with what is there.
            'auto.offset.reset': 'earliest',
            'reconnect.backoff.max.ms': 5000,
            'error_cb': self._problem,
            'on_commit': self._committed,
            'logger': _logger,
        }
        self._topics = list(consumption.topics)
        self._thread = concurrent.futures.ThreadPoolExecutor(1, f'kafka-{consumption.group}')
        self._consumer: ck.Consumer | None = None
        self._troubles = Troubles()
        self._assigned: dict[tuple[str, int], int] = {}
        """Partition to the number of its assignment: what was taken in an earlier one is not ours to acknowledge."""
        self._assignments = 0
        self._waiting: deque[Message] = deque()
        self._paused = self._worn = False
        """Worn is a consumer that another one is to follow: after a fatal error, or to be told anew what is wrong."""
        self._settled: dict[tuple[str, int], int] = {}
        """Partition to the offset after what was acknowledged."""
        self._owed: set[tuple[str, int]] = set()
        """Partitions of which that is still to be committed."""
        self._next: dict[tuple[str, int], int] = {}

    async def take(self) -> Sequence[Message]:
        """The next messages, of the partitions that are assigned to it now."""
        return await self._run(self._take)

    async def keep(self, progress: Progress) -> None:
        """Poll, so that the group does not take this consumer for one that hangs; new messages have to wait."""
        await self._run(self._keep)
        self.tell(progress)

    async def acknowledge(self, messages: Sequence[Message]) -> None:
        """Have the offsets committed, without waiting for that: who dies before it is done meets them again."""
        await self._run(functools.partial(self._acknowledge, messages))

    def trouble(self) -> str:
        """What librdkafka has said that is wrong; it may be wrong with one topic, while others deliver."""
        return self._troubles.sentence

    def tell(self, progress: Progress) -> None:
        """Positions and lag, as the last fetch knew it."""
        progress.positions = {_lane(*at): offset for at, offset in self._next.items()}
        consumer, lag = self._consumer, {}
        for at, offset in list(self._next.items()):
            if consumer is not None and at in self._assigned:
                _, end = consumer.get_watermark_offsets(ck.TopicPartition(*at), cached=True)
                if end >= 0:
                    lag[_lane(*at)] = max(end - offset, 0)
        progress.lag = lag

    async def close(self) -> None:
        """Leave the group; without a broker that answers, the group notices in its own time."""
        try:
            await asyncio.wait_for(self._run(self._close), _CLOSE)
        except TimeoutError:
            _logger.warning('the brokers do not answer: the group is left without a word')
        finally:
            self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def _take(self) -> list[Message]:
        # Now nothing is in hand, so leaving the group for a moment has nothing delivered twice.
        self._worn = self._worn or self._troubles.stale
        consumer = self._open()
        if self._paused:
            consumer.resume(consumer.assignment())
            self._paused = False
        self._commit()
        self._poll(_WAIT)
        while len(self._waiting) < _TAKEN and self._poll(0):
            pass
        taken = [self._waiting.popleft() for _ in range(min(_TAKEN, len(self._waiting)))]
        trouble = self._troubles.sentence
        if not taken and trouble:
            raise Unavailable(trouble)
        return taken

    def _keep(self) -> None:
        consumer = self._open()
        # Those that were assigned meanwhile, too.
        consumer.pause(consumer.assignment())
        self._paused = True
        self._poll(0)

    def _open(self) -> ck.Consumer:
        if self._worn:
            self._commit()
            self._drop([ck.TopicPartition(*at) for at in self._assigned])
            self._close()
            self._worn = False
            self._troubles.ask()
        if self._consumer is None:
            try:
                self._consumer = ck.Consumer(self._options)
            except (ck.KafkaException, ValueError) as error:
                raise Unavailable(f'librdkafka refuses its options: {_words(error)}') from None
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
        return self._consumer

    def _poll(self, seconds: float) -> bool:
        """Let callbacks run and add a message to those that wait; whether there was one."""
        assert self._consumer is not None
        # Whatever is None in its types is there in a message without an error.
        found: Any = self._consumer.poll(seconds)
        if found is None:
            return False
        error = found.error()
        if error is not None:
            self._said_once(found.topic() or '', error)
            return False
        at = (found.topic(), found.partition())
        if at in self._assigned:
            self._troubles.over(at[0])
            self._waiting.append(_message(found, self._assigned[at]))
            self._next[at] = found.offset() + 1
        return True

    def _acknowledge(self, messages: Iterable[Message]) -> None:
        for message in messages:
            at, assignment = message.receipt
            if self._assigned.get(at) == assignment:
                self._settled[at] = message.position + 1
                self._owed.add(at)
        self._commit()

    def _commit(self, *, wait: bool = False) -> None:
        """Commit what is owed, and hear of it by `_committed`; what fails is owed again."""
        if not self._owed or self._consumer is None:
            return
        owed, self._owed = self._owed, set()
        offsets = [ck.TopicPartition(*at, self._settled[at]) for at in owed]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=not wait)
        except ck.KafkaException as error:
            _logger.warning('offsets are not committed: %s', _words(error))
            self._owed |= owed

    def _committed(self, error: ck.KafkaError | None, partitions: list[ck.TopicPartition]) -> None:
        for partition in partitions:
            at = (partition.topic, partition.partition)
            if (error or partition.error) and at in self._settled and at not in self._owed:
                _logger.warning('%s is not committed: %s', _lane(*at), error or partition.error)
                # Of several commits that were under way a later one may have failed before, or have been made.
                self._owed.add(at)

    def _on_assign(self, _: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        self._assignments += 1
        self._assigned |= {(one.topic, one.partition): self._assignments for one in partitions}
        # Whether topics can be read is not known yet.
        self._troubles.over()
        # One that was here before, and was paused then, may be so still.
        self._paused = True
        _logger.info('assigned: %s', ', '.join(sorted(_lane(*at) for at in self._assigned)) or 'nothing')

    def _on_revoke(self, _: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        # The next owner begins where this one has committed to.
        self._commit(wait=True)
        self._drop(partitions)

    def _on_lost(self, _: ck.Consumer, partitions: list[ck.TopicPartition]) -> None:
        """They are another one's already."""
        self._drop(partitions)

    def _drop(self, partitions: Iterable[ck.TopicPartition]) -> None:
        gone = {(one.topic, one.partition) for one in partitions}
        self._owed -= gone
        for book in (self._assigned, self._settled, self._next):
            for at in gone:
                book.pop(at, None)
        self._waiting = deque(one for one in self._waiting if one.receipt[0] not in gone)

    def _problem(self, error: ck.KafkaError) -> None:
        """What librdkafka tells of brokers, again and again; it goes on by itself unless the error is fatal."""
        words = _undelivered(error)
        if error.code() == ck.KafkaError._ALL_BROKERS_DOWN and self._troubles.passing:
            # What it has told of each of them says more.
            words = self._troubles.passing
        if self._troubles.passing != words:
            _logger.warning('%s', words)
        self._troubles.repeat(words)
        self._worn = self._worn or error.fatal()

    def _said_once(self, topic: str, error: ck.KafkaError) -> None:
        """What librdkafka tells in the place of a message: mostly of a topic, or of the group."""
        words = _undelivered(error)
        if words not in self._troubles.sentence:
            _logger.warning('%s', words)
        self._troubles.last(topic, words)
        self._worn = self._worn or error.fatal()

    def _close(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            # It waits for what is being committed.
            consumer.close()


def _message(found: Any, assignment: int) -> Message:
    at = (found.topic(), found.partition())
    kind, timestamp = found.timestamp()
    return Message(
        lane=_lane(*at),
        position=found.offset(),
        value=found.value(),
        key=found.key(),
        headers=_headers(found),
        timestamp=0 if kind == ck.TIMESTAMP_NOT_AVAILABLE else timestamp,
        receipt=(at, assignment),
    )


def _headers(found: Any) -> tuple[tuple[str, bytes], ...]:
    try:
        return tuple((name, content or b'') for name, content in found.headers() or ())
    except (SystemError, UnicodeError):
        # A name that is no UTF-8 breaks confluent-kafka's reading of all of them. Nothing is decided by headers.
        _logger.warning(
            '%s/%s has headers that cannot be read', _lane(found.topic(), found.partition()), found.offset()
        )
        return ()


def _lane(topic: str, partition: int) -> str:
    return f'{topic}/{partition}'


def _undelivered(error: ck.KafkaError) -> str:
    remedy = _REMEDIES.get(error.code(), '')
    return f'Kafka does not deliver: {_words(error)}' + (f' ({remedy})' if remedy else '')


def _words(error: Any) -> str:
    """What an error says, without what tells only librdkafka's developers something."""
    told = error.args[0] if isinstance(error, BaseException) else error
    return told.str() if isinstance(told, ck.KafkaError) else str(told)
