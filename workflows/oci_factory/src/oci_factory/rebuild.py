"""The workflow of a release: everything released on it is built again, each image by a workflow of its own."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, builds, children, failures, options
    from oci_factory.children import CONCURRENT_IMAGES
    from oci_factory.image import RebuildImage
    from oci_factory.model import ImageOrder, ImageReport, Notice, Report
    from oci_factory.notices import Notices


# An input that is missing or of another type would be tried again for ever.
@workflow.defn(failure_exception_types=[TypeError])
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
        children.check(concurrent)
        if dry_run:
            return Report(version, image, dry_run, await _rebuild_all(version, image, True, concurrent))
        notices = Notices(Notice(version, 'Triggered'), watched=True)
        try:
            reports = await _rebuild_all(version, image, False, concurrent)
        except (FailureError, asyncio.CancelledError) as error:
            cancelled = is_cancelled_exception(error)
            failed = {} if cancelled else {'': failures.last_cause(error)}
            await notices.end(Notice(version, 'Cancelled' if cancelled else 'Failed', failed=failed))
            raise
        told = await notices.end(_ending(version, reports))
        return Report(version, image, dry_run, reports, told)


async def _rebuild_all(release: str, image: str, dry_run: bool, concurrent: int) -> tuple[ImageReport, ...]:
    """The OCI Factory knows the rebuild of an image by its workflow's identifier."""
    names = await workflow.execute_activity(activities.list_released, image, **options.READ)
    # A reset keeps it.
    since = workflow.info().workflow_start_time
    orders = [ImageOrder(name, release, dry_run, since) for name in names]
    return await children.run(RebuildImage.run, orders, concurrent, lambda name, why: ImageReport(name, error=why))


def _ending(release: str, reports: tuple[ImageReport, ...]) -> Notice:
    rebuilt = tuple(one.image for one in reports if one.dispatched and not one.error)
    failed = {one.image: one.error for one in reports if one.error}
    return Notice(release, 'Failed' if failed else 'Success', rebuilt, failed)
