"""The workflow of one image: what of it is released on an Ubuntu release is built again. `plan` decides."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, failures, lock, options, plan, reading, trigger
    from oci_factory.model import Dispatch, ImageOrder, ImagePlan, ImageReport

SUCCESS = 'success'
"""GitHub's conclusion of a run that has done all it should."""

PATIENCE = timedelta(days=3)
"""For other jobs on the image; a rebuild is given up after a day without GitHub and another one without an approval."""


# What no release file or metadata of any oddity should bring about, but a mistake in the plan could, fails this one
# image; Temporal would try the same decision again for ever.
@workflow.defn(failure_exception_types=[ArithmeticError, AttributeError, LookupError, TypeError, ValueError])
class RebuildImage:
    """Decides what to rebuild of an image, has GitHub do it, and waits for the end of that.

    From the dispatch on it has the image's lock: see `lock`.
    """

    @workflow.run
    async def run(self, order: ImageOrder) -> ImageReport:
        """Do it.

        What a source or GitHub refuses stands in the report; this workflow ends without one if it is cancelled, or by
        a mistake of ours.

        Args:
            order: which image, and how.
        """
        report = ImageReport(order.image)
        try:
            planned = await _plan(order.image, order.release)
            # Rebuilds that began before there were locks go on without.
            if planned.uploads and not order.dry_run and workflow.patched('image-lock'):
                taken = await lock.acquire(order.image, PATIENCE)
                if taken.refused:
                    return dataclasses.replace(report, uploads=planned.uploads, error=taken.refused)
                if taken.waited:
                    # What has been released meanwhile is to be built again, not what it has replaced.
                    planned = await _plan(order.image, order.release)
            report = dataclasses.replace(report, uploads=planned.uploads, notes=planned.notes)
            if not planned.uploads:
                return report
            # The same for every attempt. People find the workflow by it, from GitHub's page of the run.
            reference = workflow.info().workflow_id
            since = order.since or workflow.info().workflow_start_time
            dispatch = Dispatch(order.image, trigger.dump(planned.uploads), reference, since)
            report = dataclasses.replace(report, external_ref_id=reference)
            if order.dry_run:
                return dataclasses.replace(report, trigger=dispatch.trigger)
            run = await workflow.execute_activity(activities.dispatch_rebuild, dispatch, **options.DISPATCH)
            report = dataclasses.replace(report, dispatched=True, run_url=run.url)
            run = await workflow.execute_activity(activities.follow_run, args=[dispatch, run], **options.FOLLOW)
            report = dataclasses.replace(report, run_url=run.url, conclusion=run.conclusion)
            if run.conclusion != SUCCESS:
                report = dataclasses.replace(report, error=f'the run ended with {run.conclusion}: {run.url}')
            return report
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            why = failures.of_activity(error)
            # Whoever reads it wants to go there.
            where = f': {report.run_url}' if report.run_url not in why else ''
            return dataclasses.replace(report, error=f'{why}{where}')


async def _plan(image: str, release: str) -> ImagePlan:
    """Ask for no more than is needed: the registry only if something is to be rebuilt."""
    releases, metadata = await reading.released(image, options.READ)
    digests = plan.wanted_digests(releases, metadata, release)
    tags: dict[str, str] = {}
    if digests:
        tags = await workflow.execute_activity(activities.resolve_channels, args=[image, digests], **options.READ)
    return plan.plan_rebuild(releases, metadata, tags, workflow.now(), release=release)
