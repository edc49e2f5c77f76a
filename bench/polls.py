"""What the server knows of a queue's pollers: who polled when, by its own clock."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import os
import time
from collections.abc import Collection, Mapping, Sequence

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from bench import limits

Kind = TaskQueueType.ValueType
ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
KINDS = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, ACTIVITY)
PATIENCE = 180.0
PERIOD = 0.05
"""Seconds between two questions."""

Seen = Mapping[str, float]
"""Identities of pollers to the times of their last polls. The server forgets who says that he goes."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """What the server said at some moment.

    Attributes:
        at: when it had said so.
        worked: processor seconds of the machine until then.
        seen: the pollers of each kind.
    """

    at: float
    worked: float
    seen: Mapping[Kind, Seen]


@dataclasses.dataclass(frozen=True)
class Gap:
    """The time between the last poll of those who were there and the first one of somebody else.

    Attributes:
        since: the last poll; perhaps there was a later one, after the last sample in which its poller was known.
        until: the first poll; perhaps there was an earlier one, after the last sample in which nobody else was known.
    """

    since: float
    until: float

    @property
    def seconds(self) -> float:
        """None that is negative: the one may come before the other goes."""
        return max(self.until - self.since, 0.0)


def gap(seen: Sequence[Seen], before: Collection[str]) -> Gap | None:
    """The gap; None as long as nobody else has polled.

    Args:
        seen: one after the other.
        before: identities of those who were there.
    """
    polls = [(who in before, when) for each in seen for who, when in each.items()]
    since = [when for was_there, when in polls if was_there]
    until = [when for was_there, when in polls if not was_there]
    return Gap(max(since), min(until)) if since and until else None


def usage(samples: Sequence[Sample], gap: Gap) -> limits.Usage:
    """Of the processors between the samples that lie around a gap."""
    first = max((one for one in samples if one.at <= gap.since), key=lambda one: one.at, default=samples[0])
    last = min((one for one in samples if one.at > gap.until), key=lambda one: one.at, default=samples[-1])
    # Without a gap there is nothing between them.
    seconds = last.at - first.at
    busy = (last.worked - first.worked) / seconds / (os.cpu_count() or 1) if seconds > 0 else 0.0
    return limits.Usage(max(seconds, 0.0), busy)


def silence(samples: Sequence[Sample], kind: Kind, since: float) -> float:
    """The longest time between two polls that were seen one after the other, from a moment on.

    Before it there may have been nothing to do, and a poll that waits is none that is seen.
    """
    newest = [max(one.seen[kind].values()) for one in samples if one.seen[kind]]
    return max((max(later, since) - max(earlier, since) for earlier, later in itertools.pairwise(newest)), default=0.0)


async def pollers(client: Client, queue: str, kind: Kind) -> Seen:
    """Who polls a queue."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
    )
    answer = await client.workflow_service.describe_task_queue(request)
    return {one.identity: one.last_access_time.ToNanoseconds() / 1e9 for one in answer.pollers}


async def sample(client: Client, queue: str) -> Sample:
    """Ask about a queue."""
    seen = await asyncio.gather(*(pollers(client, queue, kind) for kind in KINDS))
    return Sample(time.time(), limits.processors(), dict(zip(KINDS, seen, strict=True)))


def first(address: str, queue: str, since: float) -> float:
    """Wait until somebody has polled a queue for activities after a moment; the time of the first such poll seen.

    An identity tells nothing: in a new pod a process has the number that it had in the old one.

    Raises:
        TimeoutError: when nobody does.
    """

    async def main() -> float:
        client = await Client.connect(address)
        while time.time() < since + PATIENCE:
            if late := [when for when in (await pollers(client, queue, ACTIVITY)).values() if when > since]:
                return min(late)
            await asyncio.sleep(PERIOD)
        raise TimeoutError(f'nobody polls {queue}')

    return asyncio.run(main())
