"""The workflow of a release: everything released on it is built again, each image by a workflow of its own."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, builds, options
    from oci_factory.image import RebuildImage
    from oci_factory.model import ImageOrder, ImageReport, Report
    from oci_factory.notices import Notices

CONCURRENT_IMAGES = 10
"""How many images are dealt with at a time; what GitHub, registry and object store bear from one client."""


@workflow.defn
class RebuildForRelease:
    """Finds every image with revisions that are released and built on an Ubuntu release, and has them rebuilt."""

    @workflow.run
    async def run(
        self, release: str, image: str = '*', dry_run: bool = False, concurrent: int = CONCURRENT_IMAGES
    ) -> Report:
        """Do it.

        An image that cannot be dealt with is reported, and never keeps the others from being rebuilt. People are told
        of it, except of a dry run.

        Args:
            release: the Ubuntu release, like 24.04 (or ubuntu:24.04); `*` for any.
            image: shell pattern of the images' names.
            dry_run: whether to dispatch nothing, and to return the triggers instead.
            concurrent: how many images are dealt with at a time.

        Raises:
            ApplicationError: when the release is none, or no image could be dealt with at a time.
            ActivityError: when the images cannot be listed.
        """
        version = release if release == builds.ANY else builds.base_version(release)
        if not version:
            raise ApplicationError(
                f'{release!r} is no Ubuntu release: name it like 24.04, or * for any', non_retryable=True
            )
        if concurrent < 1:
            raise ApplicationError(
                f'{concurrent} images at a time are none: give a number from 1 up', non_retryable=True
            )
        if dry_run:
            return Report(version, image, dry_run, await _rebuild_all(version, image, True, concurrent))
        notices = Notices(version)
        try:
            reports = await _rebuild_all(version, image, False, concurrent)
        except (FailureError, asyncio.CancelledError) as error:
            cancelled = is_cancelled_exception(error)
            await notices.end('Cancelled' if cancelled else 'Failed', why='' if cancelled else _sentence(error))
            raise
        told = await notices.end('Failed' if any(one.error for one in reports) else 'Success', reports)
        return Report(version, image, dry_run, reports, told)


async def _rebuild_all(release: str, image: str, dry_run: bool, concurrent: int) -> tuple[ImageReport, ...]:
    names = await workflow.execute_activity(activities.list_released, image, **options.READ)
    places = asyncio.Semaphore(concurrent)
    return tuple(await asyncio.gather(*(_rebuild(ImageOrder(name, release, dry_run), places) for name in names)))


async def _rebuild(order: ImageOrder, places: asyncio.Semaphore) -> ImageReport:
    """Have a workflow of its own deal with an image; the OCI Factory knows the rebuild by its identifier."""
    async with places:
        try:
            return await workflow.execute_child_workflow(
                RebuildImage.run, order, id=f'{workflow.info().workflow_id}-{order.image}'
            )
        except FailureError as error:
            if is_cancelled_exception(error):
                raise
            return ImageReport(order.image, error=f'RebuildImage: {_sentence(error)}')


def _sentence(error: BaseException) -> str:
    """Why something failed: the last cause says it."""
    cause = error
    while isinstance(cause, FailureError) and cause.cause is not None:
        cause = cause.cause
    return cause.message if isinstance(cause, FailureError) else str(cause)
