"""The workflow: everything released on an Ubuntu release is built again. Deterministic; `plan` decides."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, FailureError, is_cancelled_exception

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, builds, channels, plan, trigger
    from oci_factory.model import Dispatch, ImagePlan, ImageReport, Report

CONCURRENT_IMAGES = 5
"""How many images are dealt with at a time; what GitHub, registry and object store bear from one client."""

# Attempts are counted rather than hours, so that the time without any worker does not count: half an hour's outage is
# outlived, rate limits come on top of that. A read is quick unless a service hangs.
_READ: dict[str, Any] = {
    'start_to_close_timeout': timedelta(minutes=10),
    'heartbeat_timeout': timedelta(minutes=1),
    'retry_policy': RetryPolicy(
        initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=5), maximum_attempts=15
    ),
}
# GitHub lists a run some seconds after it was asked for: an earlier second attempt would not see it.
_DISPATCH: dict[str, Any] = {
    'start_to_close_timeout': timedelta(minutes=10),
    'heartbeat_timeout': timedelta(minutes=1),
    'retry_policy': RetryPolicy(
        initial_interval=timedelta(seconds=5), maximum_interval=timedelta(minutes=5), maximum_attempts=30
    ),
}


@workflow.defn
class RebuildForRelease:
    """Finds every image with revisions that are released and built on an Ubuntu release, and dispatches rebuilds."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(CONCURRENT_IMAGES)

    @workflow.run
    async def run(self, release: str, image: str = '*', dry_run: bool = False) -> Report:
        """Do it.

        An image that cannot be dealt with is reported, and never keeps the others from being rebuilt.

        Args:
            release: the Ubuntu release, like 24.04 (or ubuntu:24.04); `*` for any.
            image: shell pattern of the images' names.
            dry_run: whether to dispatch nothing, and to return the triggers instead.

        Raises:
            ApplicationError: when the release is none.
            ActivityError: when the images cannot be listed.
        """
        version = release if release == builds.ANY else builds.base_version(release)
        if not version:
            raise ApplicationError(
                f'{release!r} is no Ubuntu release: name it like 24.04, or * for any', non_retryable=True
            )
        names = await workflow.execute_activity(activities.list_released, image, **_READ)
        reports = await asyncio.gather(*(self._rebuild(name, version, dry_run) for name in names))
        return Report(version, image, dry_run, tuple(reports))

    async def _rebuild(self, image: str, release: str, dry_run: bool) -> ImageReport:
        report = ImageReport(image)
        try:
            async with self._places:
                planned = await _plan(image, release)
                report = dataclasses.replace(report, uploads=planned.uploads, notes=planned.notes)
                if not planned.uploads:
                    return report
                # The same for every attempt. People find the workflow by it, from GitHub's page of the run.
                reference = f'{workflow.info().workflow_id}-{image}'
                dispatch = Dispatch(image, trigger.dump(planned.uploads), reference)
                report = dataclasses.replace(report, external_ref_id=reference)
                if dry_run:
                    return dataclasses.replace(report, trigger=dispatch.trigger)
                await workflow.execute_activity(activities.dispatch_rebuild, dispatch, **_DISPATCH)
                return dataclasses.replace(report, dispatched=True)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            return dataclasses.replace(report, error=_sentence(error))


async def _plan(image: str, release: str) -> ImagePlan:
    """Ask the sources for no more than one image at a time, and the registry only if something is to be rebuilt."""
    releases = await workflow.execute_activity(activities.read_releases, image, **_READ)
    revisions, _ = channels.released_revisions(releases)
    metadata: dict[str, Any] = {}
    if revisions:
        metadata = await workflow.execute_activity(
            activities.read_build_metadata, args=[image, sorted(revisions)], **_READ
        )
    digests = plan.wanted_digests(releases, metadata, release)
    tags: dict[str, str] = {}
    if digests:
        tags = await workflow.execute_activity(activities.resolve_channels, args=[image, digests], **_READ)
    return plan.plan_rebuild(releases, metadata, tags, workflow.now(), release=release)


def _sentence(error: ActivityError) -> str:
    cause = error.cause
    return f'{error.activity_type}: {cause.message if isinstance(cause, FailureError) else cause}'
