"""The activities of the scan, besides those that it has in common with the rebuild. Synchronous, like those."""

from __future__ import annotations

import os

from temporal_events.activities import shutting_down
from temporalio import activity
from temporalio.exceptions import ApplicationError

from oci_factory import github_issues, issues, scan_plan, scanner
from oci_factory.scan_model import Finding, Issue, IssueChange, Target, Tracker
from oci_factory.scanner import NotYet, Scanner
from oci_factory.settings import Settings
from oci_factory.web import Web

TRIES = 3
"""How often a scan may fail before the revision counts as one that cannot be scanned."""

_BEAT = 10.0
"""Seconds between two heartbeats while a report is waited for."""


@activity.defn
def scan_revision(target: Target) -> tuple[Finding, ...]:
    """Have a revision scanned, and wait for the report.

    The heartbeats tell how the scan is called: an attempt that comes after a worker's death or restart waits for the
    same one. Where the scanner does not know it any more, or has failed on it, the next attempt asks anew; the
    heartbeats count the latter.

    Args:
        target: which revision.

    Returns:
        What people can do something about: `scan_plan.relevant`.
    """
    settings = scanner.Settings.load(os.environ)
    identifier, failed = activity.info().heartbeat_details or ('', 0)
    with Scanner(settings) as service:
        identifier = identifier or service.begin(target)
        activity.heartbeat(identifier, failed)
        try:
            while isinstance(answer := service.report(identifier), NotYet):
                _wait(answer.seconds, identifier, failed)
        except ApplicationError as error:
            if error.type == scanner.LOST:
                activity.heartbeat('', failed)
            elif error.type == scanner.FAILED:
                activity.heartbeat('', failed + 1)
                raise ApplicationError(error.message, type=error.type, non_retryable=failed + 1 >= TRIES) from None
            raise
    return scan_plan.relevant(answer, target.ignored)


@activity.defn
def find_issue(image: str, source: str) -> Tracker:
    """Where the issue of an image belongs, and the open one if there is one.

    Args:
        image: its name.
        source: what it is built from, as OWNER/NAME or a URL.
    """
    settings = Settings.load(os.environ)
    repository = settings.issues or issues.repository(source)
    if not repository:
        return Tracker('')
    with Web(settings.token, follows=True) as web:
        return github_issues.find(web, settings, repository, image, activity.heartbeat)


@activity.defn
def change_issue(change: IssueChange) -> Issue:
    """Open, update or close an image's issue: once, however often this is tried.

    Before it opens one, it looks again: an earlier attempt may have lost GitHub's answer, and a workflow that was reset
    has opened one already.

    Args:
        change: what to do.
    """
    settings = Settings.load(os.environ)
    with Web(settings.token, follows=True) as web:
        number = change.number
        if change.step == issues.OPEN:
            found = github_issues.find(web, settings, change.repository, change.image, activity.heartbeat).issue
            if found is None:
                return github_issues.create(web, settings, change)
            activity.logger.info('%s has an issue already: %s', change.image, found.url)
            number = found.number
        return github_issues.edit(web, settings, change, number)


def _wait(seconds: int, *details: object) -> None:
    """Wait, alive; or fail at once if the worker is told to stop."""
    left = float(seconds)
    while left > 0:
        activity.heartbeat(*details)
        activity.wait_for_worker_shutdown_sync(min(left, _BEAT))
        if activity.is_worker_shutdown():
            raise shutting_down()
        left -= _BEAT
