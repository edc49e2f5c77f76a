"""Writes an image trigger: the file from which the OCI Factory builds, version 2 of its schema."""

from __future__ import annotations

import base64
from collections.abc import Iterable

import yaml

from oci_factory.model import Upload

VERSION = 2


def dump(uploads: Iterable[Upload]) -> str:
    """The trigger as YAML. The schema forbids other keys than these."""
    content = {
        'version': VERSION,
        'upload': [
            {
                'source': upload.source,
                'commit': upload.commit,
                'directory': upload.directory,
                'ignored-vulnerabilities': list(upload.ignored_vulnerabilities),
                'release': {
                    name: {'end-of-life': track.end_of_life, 'risks': list(track.risks)}
                    for name, track in upload.release.items()
                },
            }
            for upload in uploads
        ],
    }
    return yaml.safe_dump(content, default_flow_style=False, sort_keys=False)


def encode(trigger: str) -> str:
    """As the OCI Factory's GitHub workflow takes it: base64."""
    return base64.b64encode(trigger.encode()).decode()
