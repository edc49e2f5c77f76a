"""The workflow of one image's scan: what is released of it is scanned, and its issue says what is found."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from oci_factory import failures, issues, lock, options, reading, scan_activities, scan_plan
    from oci_factory.model import Note
    from oci_factory.scan_model import (
        Finding,
        ImageScan,
        IssueChange,
        ScanOrder,
        ScanPlan,
        Target,
        Tracker,
        Vulnerability,
    )

PATIENCE = timedelta(hours=6)
"""For other jobs on the image; a scan is repeated every day."""

CONCURRENT_REVISIONS = 2
"""How many revisions of an image are scanned at a time."""


# As with rebuilds: a mistake of ours fails this one image, and is not tried again for ever.
@workflow.defn(failure_exception_types=[ArithmeticError, AttributeError, LookupError, TypeError, ValueError])
class ScanImage:
    """Scans what is released of an image, and opens, updates or closes its issue; `issues.decide` has the truth table.

    It has the image's lock from its beginning (see `lock`), unless it is a dry run.
    """

    @workflow.run
    async def run(self, order: ScanOrder) -> ImageScan:
        """Do it.

        What a source, the scanner or GitHub refuses stands in the report; this workflow ends without one if it is
        cancelled, or by a mistake of ours.

        Args:
            order: which image, and how.
        """
        report = ImageScan(order.image)
        try:
            if not order.dry_run:
                taken = await lock.acquire(order.image, PATIENCE)
                if taken.refused:
                    return dataclasses.replace(report, error=taken.refused)
            planned = await _plan(order.image)
            found, missing = await _scan(planned.targets)
            joined = scan_plan.joined(found)
            unread = planned.unread
            # Scans that began before leave these out, and may have closed the issue for that.
            if unread and not workflow.patched('unread-channels'):
                unread = ()
            unscanned = tuple(sorted({*planned.unscanned, *unread, *missing}))
            report = ImageScan(
                order.image, len(found), unscanned, len(joined), notes=planned.notes, error=_summary(missing)
            )
            tracker = await workflow.execute_activity(
                scan_activities.find_issue, args=[order.image, planned.source], **options.SCAN_READ
            )
            report = _decided(report, tracker, joined)
            if report.step in ('', issues.NOTHING) or order.dry_run:
                return report
            change = _change(report, tracker, joined)
            issue = await workflow.execute_activity(scan_activities.change_issue, change, **options.SCAN_CHANGE)
            return dataclasses.replace(report, issue_url=issue.url)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            # What was to be done about the issue was not.
            return _failed(dataclasses.replace(report, step=''), failures.of_activity(error))


async def _plan(image: str) -> ScanPlan:
    releases, metadata = await reading.released(image, options.SCAN_READ)
    return scan_plan.plan_scan(image, releases, metadata, workflow.now())


async def _scan(targets: tuple[Target, ...]) -> tuple[dict[Target, tuple[Finding, ...]], dict[str, str]]:
    """Scan all revisions; one that cannot be scanned keeps none of the others from it.

    Returns:
        What was found in each that was scanned; and why the others, by name, could not be.
    """
    places = asyncio.Semaphore(CONCURRENT_REVISIONS)
    found: dict[Target, tuple[Finding, ...]] = {}
    missing: dict[str, str] = {}

    async def one(target: Target) -> None:
        async with places:
            try:
                found[target] = await workflow.execute_activity(scan_activities.scan_revision, target, **options.SCAN)
            except ActivityError as error:
                if is_cancelled_exception(error):
                    raise
                missing[target.name] = failures.of_activity(error)

    await asyncio.gather(*(one(target) for target in targets))
    return found, missing


def _summary(missing: dict[str, str]) -> str:
    """Why revisions could not be scanned; mostly all for the same reason."""
    if not missing:
        return ''
    first = min(missing)
    return f'{first}: {missing[first]}' + (f' (and {len(missing) - 1} more)' if len(missing) > 1 else '')


def _decided(report: ImageScan, tracker: Tracker, found: tuple[Vulnerability, ...]) -> ImageScan:
    """With what is to be done about the issue; and with what keeps it from being done."""
    known = tracker.issue
    step = issues.decide(
        exists=known is not None,
        vulnerable=bool(found),
        news=known is None or known.fingerprint != issues.fingerprint(found, report.unscanned),
        complete=not report.unscanned,
    )
    if step != issues.NOTHING and not tracker.repository:
        return _failed(report, 'its source is not at GitHub: name a repository for its issue as OCI_FACTORY_ISSUES')
    copies = tuple(
        Note('second-issue', url, f'{url} is marked as the issue, too: close it, or remove the mark.')
        for url in tracker.others
    )
    url = known.url if known else ''
    return dataclasses.replace(report, step=step, issue_url=url, notes=(*report.notes, *copies))


def _change(report: ImageScan, tracker: Tracker, found: tuple[Vulnerability, ...]) -> IssueChange:
    number = tracker.issue.number if tracker.issue else 0
    change = IssueChange(report.step, tracker.repository, report.image, number=number)
    if report.step == issues.CLOSE:
        return change
    body = issues.body(report.image, found, report.unscanned)
    return dataclasses.replace(change, title=issues.title(report.image), body=body)


def _failed(report: ImageScan, why: str) -> ImageScan:
    """With what failed, after what has failed before."""
    return dataclasses.replace(report, error='; '.join(filter(None, (report.error, why))))
