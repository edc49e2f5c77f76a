"""The workflow of the scan: everything released is looked at, each image by a workflow of its own."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, children, failures, issues, options
    from oci_factory.children import CONCURRENT_IMAGES
    from oci_factory.model import Notice
    from oci_factory.notices import Notices
    from oci_factory.scan_image import ScanImage
    from oci_factory.scan_model import ImageScan, ScanOrder, ScanReport

_DONE = {issues.OPEN: 'issue opened', issues.UPDATE: 'issue updated', issues.CLOSE: 'issue closed'}


# An input that is missing or of another type would be tried again for ever.
@workflow.defn(failure_exception_types=[TypeError])
class ScanImages:
    """Has everything that is released scanned for vulnerabilities, and keeps an issue for each image that has some."""

    @workflow.run
    async def run(self, image: str = '*', dry_run: bool = False, concurrent: int = CONCURRENT_IMAGES) -> ScanReport:
        """Do it.

        An image that cannot be dealt with is reported, and never keeps the others from being scanned. People are told
        of it, except of a dry run.

        Args:
            image: shell pattern of the images' names.
            dry_run: whether to leave the issues alone, and only to say what would be done.
            concurrent: how many images are dealt with at a time.

        Raises:
            ApplicationError: when no image could be dealt with at a time.
            ActivityError: when the images cannot be listed.
        """
        children.check(concurrent)
        if dry_run:
            return ScanReport(image, dry_run, await _scan_all(image, True, concurrent))
        notices = Notices(Notice('', 'Triggered', job='scan'))
        try:
            reports = await _scan_all(image, False, concurrent)
        except (FailureError, asyncio.CancelledError) as error:
            cancelled = is_cancelled_exception(error)
            failed = {} if cancelled else {'': failures.last_cause(error)}
            await notices.end(Notice('', 'Cancelled' if cancelled else 'Failed', failed=failed, job='scan'))
            raise
        return ScanReport(image, dry_run, reports, await notices.end(_ending(reports)))


async def _scan_all(image: str, dry_run: bool, concurrent: int) -> tuple[ImageScan, ...]:
    names = await workflow.execute_activity(activities.list_released, image, **options.SCAN_READ)
    orders = [ScanOrder(name, dry_run) for name in names]
    return await children.run(ScanImage.run, orders, concurrent, lambda name, why: ImageScan(name, error=why))


def _ending(reports: tuple[ImageScan, ...]) -> Notice:
    failed = {one.image: one.error for one in reports if one.error}
    news = {
        one.image: f'{_DONE[one.step]}, vulnerabilities: {one.vulnerabilities}, {one.issue_url}'
        for one in reports
        if one.step in _DONE
    }
    return Notice('', 'Failed' if failed else 'Success', failed=failed, job='scan', news=news)
