"""Small releases and build metadata, and how to look at a plan."""

from __future__ import annotations

import datetime
from typing import Any

from oci_factory import model

NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.UTC)
LATER = '2030-05-01T00:00:00Z'
Notes = set[tuple[str, str]]


def build(digest: Any = 'sha256:a', base: Any = 'ubuntu:24.04', **changes: Any) -> dict[str, Any]:
    """The build metadata of a revision; a key that is changed to `...` is left out."""
    metadata = {
        'source': 'canonical/rocks',
        'commit': 'c0ffee',
        'directory': 'rock/1.0',
        'ignored-vulnerabilities': 'CVE-1 CVE-2',
        'name': 'rock',
        'path': 'oci/rock',
        'revision': 5,
        'dir_identifier': 'rock_1.0',
        'track': '1.0-24.04',
        'base': base,
        'digest': digest,
    }
    return {key: value for key, value in (metadata | changes).items() if value is not ...}


def track(target: object = '5', end: object = LATER, risk: str = 'stable') -> dict[str, Any]:
    """A track of `_releases.json`."""
    return {'end-of-life': end, risk: {'target': target}}


def notes(planned: model.ImagePlan) -> Notes:
    return {(note.kind, note.subject) for note in planned.notes}


def released(planned: model.ImagePlan) -> list[dict[str, tuple[str, ...]]]:
    """Per upload, track to risks."""
    return [{name: one.risks for name, one in upload.release.items()} for upload in planned.uploads]
