"""What workflows read of an image before they plan anything: its releases, and what is known of their builds."""

from __future__ import annotations

from typing import Any

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, channels, options


async def released(image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read it; nobody is asked for builds where nothing is released.

    Returns:
        What `activities.read_releases` and `activities.read_build_metadata` return.

    Raises:
        ActivityError: when a source refuses or does not answer.
    """
    releases = await workflow.execute_activity(activities.read_releases, image, **options.READ)
    revisions, _ = channels.released_revisions(releases)
    if not revisions:
        return releases, {}
    metadata = await workflow.execute_activity(
        activities.read_build_metadata, args=[image, sorted(revisions)], **options.READ
    )
    return releases, metadata
