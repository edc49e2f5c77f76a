"""What workflows read of an image before they plan anything: its releases, and what is known of their builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, channels


async def released(image: str, how: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read it; nobody is asked for builds where nothing is released.

    Args:
        image: its name.
        how: each activity is tried, of `options`.

    Returns:
        What `activities.read_releases` and `activities.read_build_metadata` return.

    Raises:
        ActivityError: when a source refuses or does not answer.
    """
    releases = await workflow.execute_activity(activities.read_releases, image, **how)
    revisions, _ = channels.released_revisions(releases)
    if not revisions:
        return releases, {}
    metadata = await workflow.execute_activity(activities.read_build_metadata, args=[image, sorted(revisions)], **how)
    return releases, metadata
