"""What the server is to keep running: the file by which the charm tells the leader's worker; imported by both sides."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

from loader import layout

FILE = f'{layout.HOME}/standing.json'
"""Read again and again by the worker, which is not restarted for it."""

CONSUMES = 'ConsumeEvents'
"""The type of the workflow that consumes one topic for one group, for as long as it is let."""

OVERLAPS = ('skip', 'buffer-one', 'buffer-all', 'cancel-other', 'terminate-other', 'allow-all')
"""Temporal's policies for a run that is due while the one before it still runs."""


@dataclasses.dataclass(frozen=True, order=True)
class Consumer:
    """A topic that is consumed.

    Attributes:
        topic: its name.
        group: for whom; the broker remembers how far each group is.
    """

    topic: str
    group: str

    @property
    def id(self) -> str:
        """The workflow's; there is one of it in a namespace."""
        return f'consume-events/{self.topic}/{self.group}'

    @property
    def argument(self) -> dict[str, Any]:
        """What the workflow is given."""
        return {'topics': [self.topic], 'group': self.group}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """A workflow that is started again and again.

    Attributes:
        id: of the schedule; those of the workflows begin with it.
        workflow: their type.
        arguments: what they are given, as JSON knows it.
        queue: the task queue.
        overlap: one of `OVERLAPS`.
        every: seconds between two starts, counted from 1970; 0 where `cron` says when.
        offset: seconds after the beginning of each interval.
        cron: lines of cron, as Temporal reads them.
        time_zone: in which `cron` counts; empty for UTC.
    """

    id: str
    workflow: str
    arguments: tuple[Any, ...]
    queue: str
    overlap: str
    every: int = 0
    offset: int = 0
    cron: tuple[str, ...] = ()
    time_zone: str = ''

    @property
    def key(self) -> str:
        """Another one for each other schedule."""
        return _hash(json.dumps(dataclasses.asdict(self), sort_keys=True))


@dataclasses.dataclass(frozen=True)
class Standing:
    """The whole of it.

    Attributes:
        leader: whether this unit sees to it; then all that follows holds.
        owner: the application, as no other one is called; by it is known what it once started.
        queues: which its workers poll.
        consumers: what is consumed.
        schedules: what is started when.
    """

    leader: bool = False
    owner: str = ''
    queues: tuple[str, ...] = ()
    consumers: tuple[Consumer, ...] = ()
    schedules: tuple[Schedule, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is to be kept running."""
        return not self.consumers and not self.schedules

    @property
    def key(self) -> str:
        """Another one for each other content."""
        return _hash(self.dump())

    def dump(self) -> str:
        """As the file's content."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Standing:
        """The reverse of `dump`."""
        data = json.loads(text)
        return cls(
            data['leader'],
            data['owner'],
            tuple(data['queues']),
            tuple(Consumer(**one) for one in data['consumers']),
            tuple(
                Schedule(**{**one, 'arguments': tuple(one['arguments']), 'cron': tuple(one['cron'])})
                for one in data['schedules']
            ),
        )


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
