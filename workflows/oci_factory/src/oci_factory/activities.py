"""The activities of the rebuild. Synchronous: a worker runs them in threads, where waiting harms nobody.

Each one reads the settings when it runs, so that a worker whose environment lacks something says so in the workflow
that needs it.
"""

from __future__ import annotations

import datetime
import os
from typing import Any

from temporalio import activity

from oci_factory import github, sources
from oci_factory.model import Dispatch
from oci_factory.settings import Settings
from oci_factory.web import Web

CLOCKS = datetime.timedelta(minutes=2)
"""By how much GitHub's clock and Temporal's may differ."""


@activity.defn
def list_released(image: str) -> list[str]:
    """Which images there are.

    Args:
        image: shell pattern that their names match.
    """
    return sources.images(Settings.load(os.environ), image)


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
def dispatch_rebuild(dispatch: Dispatch) -> None:
    """Have GitHub rebuild an image: once, however often the activity is tried.

    A first attempt asks at once. Any other one first looks for the run of an attempt whose answer was lost.

    Args:
        dispatch: what to ask for.
    """
    settings = Settings.load(os.environ)
    info = activity.info()
    with Web(settings.token) as web:
        since = info.scheduled_time - CLOCKS
        if info.attempt > 1 and github.was_dispatched(web, settings, dispatch, since, activity.heartbeat):
            activity.logger.info('%s was dispatched by an earlier attempt', dispatch.external_ref_id)
            return
        github.dispatch(web, settings, dispatch)
