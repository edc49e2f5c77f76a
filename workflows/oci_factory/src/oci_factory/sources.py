"""What the OCI Factory knows of its images: where it can be, and which place the settings mean.

Three kinds of knowledge, each behind a protocol: releases (a folder, or GitHub), build metadata (a folder, or Swift),
and the registry's tags (ECR's gallery). The activities ask here and know none of the places.
"""

from __future__ import annotations

import contextlib
import fnmatch
import json
from collections.abc import Callable, Collection, Iterator
from typing import Any, Protocol

from temporalio.exceptions import ApplicationError

from oci_factory import builds
from oci_factory.ecr import Gallery
from oci_factory.folders import BuildsFolder, ReleasesFolder
from oci_factory.github_releases import ReleasesBranch
from oci_factory.settings import Settings, is_url

Alive = Callable[[], None]
"""Called between the steps of what takes long."""


class Releases(Protocol):
    """Where the release files are. All methods raise ApplicationError."""

    def images(self) -> Collection[str]:
        """The names of all images."""
        ...

    def file(self, image: str) -> bytes | None:
        """An image's `_releases.json`; None if it has none."""
        ...


class Builds(Protocol):
    """Where the build metadata are. All methods raise ApplicationError."""

    def names(self, image: str, alive: Alive) -> Iterator[str]:
        """TRACK/REVISION for each `build_metadata.json` of an image, and perhaps other names."""
        ...

    def file(self, image: str, name: str) -> bytes | None:
        """The metadata of TRACK/REVISION; None if they went meanwhile."""
        ...


class Registry(Protocol):
    """Where the images are published. All methods raise ApplicationError."""

    def tags(self, image: str, alive: Alive) -> Iterator[tuple[str, str]]:
        """Every tag of an image, with the digest that it is on."""
        ...


def images(settings: Settings, pattern: str) -> list[str]:
    """The names of the images that match a shell pattern, sorted."""
    with _releases(settings) as source:
        return sorted(fnmatch.filter(source.images(), pattern))


def releases(settings: Settings, image: str) -> Any:
    """An image's `_releases.json`, parsed; empty if it has none, like an image that was never released.

    Raises:
        ApplicationError: not to be retried: the file is no JSON.
    """
    with _releases(settings) as source:
        raw = source.file(image)
    try:
        return {} if raw is None else json.loads(raw)
    except ValueError:
        raise ApplicationError(f'_releases.json of {image} is no JSON: repair it', non_retryable=True) from None


def build_metadata(settings: Settings, image: str, revisions: Collection[int], alive: Alive) -> dict[str, Any]:
    """The build metadata of some revisions of an image.

    Args:
        settings: where they are.
        image: its name.
        revisions: the ones that matter.
        alive: called between the steps.

    Returns:
        TRACK/REVISION to what a rebuild needs of `build_metadata.json`; None where that is no JSON object.
    """
    found = {}
    with _builds(settings) as source:
        for name in source.names(image, alive):
            if builds.revision_of(name) not in revisions:
                continue
            raw = source.file(image, name)
            alive()
            if raw is not None:
                found[name] = _needed(raw)
    return found


def tags(settings: Settings, image: str, digests: Collection[str], alive: Alive) -> dict[str, str]:
    """The tags that an image's registry has on some digests; tag to digest."""
    with _registry(settings) as source:
        return {tag: digest for tag, digest in source.tags(image, alive) if digest in digests}


def _releases(settings: Settings) -> contextlib.AbstractContextManager[Releases]:
    if is_url(settings.releases):
        return ReleasesBranch(settings)
    return contextlib.nullcontext(ReleasesFolder(settings.releases))


def _builds(settings: Settings) -> contextlib.AbstractContextManager[Builds]:
    if is_url(settings.builds):
        # Not at the top: its libraries take a while to import, and folders need none of them.
        from oci_factory.swift import Container

        return Container(settings)
    return contextlib.nullcontext(BuildsFolder(settings.builds))


def _registry(settings: Settings) -> contextlib.AbstractContextManager[Registry]:
    return Gallery(settings.registry)


def _needed(raw: bytes) -> dict[str, Any] | None:
    """What goes through the workflow's history."""
    try:
        parsed = json.loads(raw)
    except ValueError:
        return None
    return {key: parsed[key] for key in builds.KEYS if key in parsed} if isinstance(parsed, dict) else None
