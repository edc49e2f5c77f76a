"""Has a workflow of its own deal with each image: so many at a time, and none that fails keeps the others from it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from oci_factory import failures

CONCURRENT_IMAGES = 10
"""How many images are dealt with at a time; what GitHub, registry and object store bear from one client."""


class Order(Protocol):
    """What the workflow of an image is to do."""

    @property
    def image(self) -> str:
        """The image's name."""
        ...


_Report = TypeVar('_Report')


def check(concurrent: int) -> None:
    """Refuse a number of images at a time that is none.

    Raises:
        ApplicationError: not to be retried.
    """
    if concurrent < 1:
        raise ApplicationError(f'{concurrent} images at a time are none: give a number from 1 up', non_retryable=True)


async def run(
    kind: Callable[..., Any], orders: Sequence[Order], concurrent: int, failed: Callable[[str, str], _Report]
) -> tuple[_Report, ...]:
    """Deal with all orders; each workflow's identifier is the caller's, with `/IMAGE` behind it.

    No event's `message_id` has a slash: with a hyphen, `X-valkey` would be the image valkey of the event X as well as
    another event, which would be taken for one that was there before.

    Args:
        kind: the `run` of the images' workflow, which returns a report.
        orders: one for each image.
        concurrent: how many at a time.
        failed: makes a report of an image's name and why its workflow failed.

    Returns:
        A report for each order.
    """
    places = asyncio.Semaphore(concurrent)
    # Those that began before go on as they began.
    mark = '/' if workflow.patched('image-after-slash') else '-'

    async def one(order: Order) -> _Report:
        async with places:
            try:
                name = f'{workflow.info().workflow_id}{mark}{order.image}'
                return await workflow.execute_child_workflow(kind, order, id=name)
            except FailureError as error:
                cancelled = is_cancelled_exception(error)
                # Somebody may have cancelled the workflow of this image alone.
                if cancelled and workflow.cancellation_reason() is not None:
                    raise
                why = 'it was cancelled' if cancelled else failures.last_cause(error)
                return failed(order.image, f'{kind.__qualname__.partition(".")[0]}: {why}')

    return tuple(await asyncio.gather(*(one(order) for order in orders)))
