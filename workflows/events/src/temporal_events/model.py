"""What the consumption of messages speaks of: messages, what to start for them, dead letters, progress."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import hashlib
from typing import Any

KEPT = 1024 * 1024
"""Bytes of a message that a dead letter keeps: the server refuses arguments of more than two megabytes, as JSON."""

_KEPT_BESIDE = 64 * 1024

_REASON = 500
"""Characters of why a message cannot be acted upon: what it quotes may be as long as the message."""


class Poison(Exception):
    """A message that cannot be acted upon, however often it is tried; its text says why, and is cut if it is long."""

    def __init__(self, why: str) -> None:
        super().__init__(why if len(why) <= _REASON else f'{why[:_REASON]}...')


class Unavailable(Exception):
    """Something that is needed does not answer, or refuses now; its text says what. It is waited out."""


@dataclasses.dataclass(frozen=True)
class Consumption:
    """What is consumed, and as whom.

    Attributes:
        topics: names, at least one.
        group: consumers of one group share the messages; the source remembers for the group how far it has got.
    """

    # A text is refused. As a tuple alone it would be read as one topic for each letter.
    topics: str | tuple[str, ...] = ()
    group: str = ''

    @property
    def problem(self) -> str:
        """What is wrong with it, as a sentence; empty if nothing is."""
        usage = 'give {"topics": ["TOPIC"], "group": "GROUP"}'
        if isinstance(self.topics, str):
            return f'topics is no list: {usage}'
        if not self.topics or not all(self.topics):
            return f'no topic is named: {usage}'
        return '' if self.group else f'no consumer group is named: {usage}'


@dataclasses.dataclass(frozen=True)
class Message:
    """A message as its source has it.

    Attributes:
        lane: where its source keeps it, like TOPIC/PARTITION. Messages of a lane are acknowledged in their order.
        position: in the lane; the same at each delivery.
        value: what it says; None where the source has a message without.
        key: None if it has none.
        headers: name to bytes; a name may come several times.
        timestamp: milliseconds since 1970; 0 if the source does not tell.
        receipt: the source's own.
    """

    lane: str
    position: int
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp: int = 0
    receipt: Any = dataclasses.field(default=None, compare=False)

    @property
    def place(self) -> str:
        """Lane and position."""
        return f'{self.lane}/{self.position}'


@dataclasses.dataclass(frozen=True)
class Start:
    """A workflow to start for a message.

    Attributes:
        workflow: name of its type.
        id: its identifier, made of the message's own: it is how a message that comes again is known.
        args: its arguments.
    """

    workflow: str
    id: str
    args: tuple[Any, ...] = ()


@dataclasses.dataclass(frozen=True)
class Letter:
    """A message that could not be acted upon, as its workflow keeps it. Bytes are in base64.

    Attributes:
        group: whose consumer has met it.
        lane: as the message has it.
        position: likewise.
        timestamp: likewise.
        reason: why, as a sentence.
        value: None where the message has none.
        key: likewise.
        headers: likewise.
        cut: whether the message is larger than what is kept of it: it cannot be tried again.
    """

    group: str
    lane: str
    position: int
    timestamp: int
    reason: str
    value: str | None
    key: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    cut: bool = False

    @classmethod
    def of(cls, message: Message, group: str, reason: str) -> Letter:
        """The letter of a message; as much of it as fits."""
        value, key = (message.value or b'')[:KEPT], (message.key or b'')[:_KEPT_BESIDE]
        size = sum(len(name) + len(content) for name, content in message.headers)
        headers = message.headers if size <= _KEPT_BESIDE else ()
        return cls(
            group=group,
            lane=message.lane,
            position=message.position,
            timestamp=message.timestamp,
            reason=reason,
            value=None if message.value is None else _text(value),
            key=None if message.key is None else _text(key),
            headers=tuple((name, _text(content)) for name, content in headers),
            cut=(len(value), len(key), len(headers))
            < (len(message.value or b''), len(message.key or b''), len(message.headers)),
        )

    @property
    def emptied(self) -> Letter:
        """The same without the message: what a server keeps that takes no letter of that size."""
        reason = f'{self.reason} (the message was too long to be kept: it is at {self.lane}/{self.position})'
        return dataclasses.replace(self, reason=reason, value=None, key=None, headers=(), cut=True)

    @property
    def message(self) -> Message:
        """The message that it was."""
        return Message(
            lane=self.lane,
            position=self.position,
            value=None if self.value is None else base64.b64decode(self.value),
            key=None if self.key is None else base64.b64decode(self.key),
            headers=tuple((name, base64.b64decode(content)) for name, content in self.headers),
            timestamp=self.timestamp,
        )

    @property
    def id(self) -> str:
        """The identifier of its workflow: the same when the message is delivered again.

        A topic that was deleted and made again counts from 0 again, so the place alone does not tell a message.
        """
        told = hashlib.sha256(f'{self.timestamp} {self.key} {self.value}'.encode()).hexdigest()[:12]
        return f'dead-letter/{self.group}/{self.lane}/{self.position}/{told}'


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of trying a dead letter again.

    Attributes:
        workflow: identifier of the workflow that was started; empty if none was.
        reason: why none was.
    """

    workflow: str = ''
    reason: str = ''


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a dead letter ended.

    Attributes:
        fate: `started` or `discarded`.
        detail: identifier of the workflow that was started, or what was said at discarding.
    """

    fate: str
    detail: str


@dataclasses.dataclass
class Progress:
    """How far a consumer has got since it began; its activity's heartbeats carry it.

    Attributes:
        started: messages whose workflow is started, those that came again included.
        letters: messages that became dead letters.
        waiting: what is waited for; empty if nothing is.
        since: from when on something has been waited for, without a break; in UTC, as ISO 8601 has it.
        positions: lane to the position that is read next.
        lag: lane to how many messages are before that and the end, as far as it is known.
    """

    started: int = 0
    letters: int = 0
    waiting: str = ''
    since: str = ''
    positions: dict[str, int] = dataclasses.field(default_factory=dict)
    lag: dict[str, int] = dataclasses.field(default_factory=dict)

    def wait(self, what: str) -> None:
        """Something is waited for, or nothing any more."""
        if not (self.waiting and what):
            now = datetime.datetime.now(datetime.UTC)
            self.since = now.strftime('%Y-%m-%dT%H:%M:%SZ') if what else ''
        self.waiting = what


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
