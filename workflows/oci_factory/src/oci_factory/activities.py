"""The activities of the rebuild. Synchronous: a worker runs them in threads, where waiting harms nobody.

Each one reads the settings when it runs, so that a worker whose environment lacks something says so in the workflow
that needs it.
"""

from __future__ import annotations

import dataclasses
import datetime
import os
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from oci_factory import github, notifiers, sources, telling
from oci_factory.model import Dispatch, Notice, Run
from oci_factory.settings import Settings
from oci_factory.web import Web

CLOCKS = datetime.timedelta(minutes=2)
"""By how much GitHub's clock and Temporal's may differ."""

PATIENCE = 6
"""Attempts after which a run that GitHub does not show does not exist."""


@activity.defn
def list_released(image: str) -> list[str]:
    """Which images there are.

    Args:
        image: shell pattern that their names match.

    Raises:
        ApplicationError: not to be retried: when there is none.
    """
    settings = Settings.load(os.environ)
    found = sources.images(settings, image)
    if not found:
        sentence = f'no image of {settings.repository} is called {image}: correct it, or OCI_FACTORY_RELEASES'
        raise ApplicationError(sentence, type='Refused', non_retryable=True)
    return found


@activity.defn
def read_releases(image: str) -> Any:
    """What is released of an image: its `_releases.json`, parsed.

    Args:
        image: its name.
    """
    return sources.releases(Settings.load(os.environ), image)


@activity.defn
def read_build_metadata(image: str, revisions: list[int]) -> dict[str, Any]:
    """What some revisions of an image were built from.

    Args:
        image: its name.
        revisions: their numbers.

    Returns:
        TRACK/REVISION to the part of `build_metadata.json` that a rebuild needs; revisions without one are left out.
    """
    return sources.build_metadata(Settings.load(os.environ), image, frozenset(revisions), activity.heartbeat)


@activity.defn
def resolve_channels(image: str, digests: list[str]) -> dict[str, str]:
    """The tags that the registry has on some digests of an image.

    Args:
        image: its name.
        digests: the ones that matter.

    Returns:
        Tag to digest.
    """
    return sources.tags(Settings.load(os.environ), image, frozenset(digests), activity.heartbeat)


@activity.defn
def dispatch_rebuild(dispatch: Dispatch) -> Run:
    """Have GitHub rebuild an image: once, however often this is tried.

    Before it asks, it looks for a run with the dispatch's reference: an earlier attempt may have lost GitHub's answer,
    and a workflow that was reset has dispatched already.

    Args:
        dispatch: what to ask for.
    """
    settings = Settings.load(os.environ)
    with Web(settings.token, follows=True) as web:
        found = _find(web, settings, dispatch)
        if found:
            activity.logger.info('%s was dispatched before', dispatch.external_ref_id)
            return found
        return github.dispatch(web, settings, dispatch)


@activity.defn
def follow_run(dispatch: Dispatch, run: Run) -> Run:
    """Look how a run at GitHub ended. One that goes on is a failure that is retried: so waiting costs no history.

    Args:
        dispatch: what was asked for.
        run: what came of it; found by the reference if GitHub has not told its number.

    Returns:
        The run with its conclusion.
    """
    settings = Settings.load(os.environ)
    with Web(settings.token, follows=True) as web:
        known = run if run.id else _find(web, settings, dispatch)
        ended = github.conclusion(web, settings, known) if known else None
    if known is None or ended is None:
        raise _missed(dispatch, run)
    activity.heartbeat(False)
    if not ended:
        raise ApplicationError(
            f'the run goes on: {known.url}', type='RunNotEnded', category=ApplicationErrorCategory.BENIGN
        )
    return dataclasses.replace(known, conclusion=ended)


@activity.defn
def list_notifiers() -> list[str]:
    """The channels that the worker has settings for."""
    return sorted(notifiers.configured(os.environ))


@activity.defn
def notify(channel: str, notice: Notice, handle: str) -> str:
    """Tell people: at the start of a rebuild or scan, at its end, and of what it waits for.

    Args:
        channel: one of `list_notifiers`.
        notice: what to tell.
        handle: what the first call returned; empty at the first one, or if that failed.

    Returns:
        By which the channel finds again what it has told; empty if it keeps nothing.
    """
    info = activity.info()
    origin = telling.Origin(info.workflow_namespace or '', info.workflow_id or '', info.workflow_run_id or '')
    return notifiers.load(channel, os.environ).tell(notice, origin, handle)


def _missed(dispatch: Dispatch, run: Run) -> ApplicationError:
    """GitHub shows a run some seconds after it was asked for. Later on two looks in a row that miss it are the end."""
    before = bool(activity.info().heartbeat_details and activity.info().heartbeat_details[0])
    activity.heartbeat(True)
    sentence = f'GitHub has no run of {dispatch.external_ref_id}: it was deleted, or never begun'
    if run.id:
        sentence = f'the run was deleted, or GITHUB_TOKEN may not see it any more: {run.url}'
    return ApplicationError(sentence, type='NoRun', non_retryable=before and activity.info().attempt >= PATIENCE)


def _find(web: Web, settings: Settings, dispatch: Dispatch) -> Run | None:
    attempt = activity.info().attempt
    return github.find(web, settings, dispatch, dispatch.since - CLOCKS, activity.heartbeat, attempt=attempt)
