"""One job at a time for each image: its lock is a workflow's identifier, which the server gives to one at a time.

The contract, for every job that builds, releases or judges an image:

- Who works on `IMAGE` has `ImageLock` run under the identifier `image-lock/IMAGE`, as a child (`acquire`). The server
  refuses a second workflow under an identifier that is in use, whoever asks, so two cannot have it.
- The lock ends with its holder, however that ends: the server terminates it when its parent is closed, also where that
  failed, was terminated or ran into a timeout. Nobody has to release it, and it takes no worker to do so.
- Who is refused asks again after a while, by a timer, which needs no worker. There is no order among those who wait.
- A person can hold an image, too: start `ImageLock` under that identifier, and cancel it afterwards. Cancelling or
  terminating a job's lock, likewise, lets the next job begin beside it.

A workflow that is reset to after the moment when it got the lock goes on without it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import WorkflowAlreadyStartedError

_FIRST = timedelta(seconds=10)
_LONGEST = timedelta(minutes=5)
"""Between two attempts, each of which adds some ten events to the history: a day of them is 3500."""

_SHARE = 10
"""Who has waited for so many minutes waits at most one in vain."""


@dataclasses.dataclass(frozen=True)
class Taken:
    """What came of asking for a lock.

    Attributes:
        waited: whether another job had it first; what was read before may have changed.
        refused: why it cannot be had; empty for who has it now.
    """

    waited: bool = False
    refused: str = ''


def identifier(image: str) -> str:
    """Of the workflow that stands for a job on an image."""
    return f'image-lock/{image}'


@workflow.defn
class ImageLock:
    """Stands for a job on an image while that runs, so that no other one begins; ends when it is told to."""

    @workflow.run
    async def run(self, image: str, holder: str) -> None:  # noqa: ARG002 - for those who look at it
        """Do nothing, until cancelled or terminated.

        Args:
            image: its name.
            holder: whose lock it is: a workflow's identifier.
        """
        with contextlib.suppress(asyncio.CancelledError):
            await workflow.wait_condition(lambda: False)


async def acquire(image: str, patience: timedelta) -> Taken:
    """Have an image for oneself until the calling workflow ends.

    Args:
        image: its name.
        patience: how long to wait for those who have it.
    """
    name = identifier(image)
    begin, waited = workflow.now(), False
    while True:
        try:
            await workflow.start_child_workflow(
                ImageLock.run,
                args=[image, workflow.info().workflow_id],
                id=name,
                parent_close_policy=workflow.ParentClosePolicy.TERMINATE,
            )
            return Taken(waited)
        except WorkflowAlreadyStartedError:
            so_far = workflow.now() - begin
            delay = min(max(so_far / _SHARE, _FIRST), _LONGEST)
            if so_far + delay > patience:
                why = f'other jobs have had {image} for {patience}: the input of the workflow {name} names the last one'
                return Taken(waited, why)
        waited = True
        await asyncio.sleep(delay.total_seconds())
