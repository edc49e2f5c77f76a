"""Writes an image trigger: the file from which the OCI Factory builds, version 2 of its schema, and checks it.

The models say what the OCI Factory's own schema says of a trigger with uploads, and are stricter where it lets pass
what it cannot use: an end of life has the one form that all of its scripts read, an upload is released somewhere, and
no risk comes twice.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Annotated, Literal

import pydantic
import yaml

from oci_factory.model import Upload

VERSION = 2

Text = Annotated[str, pydantic.StringConstraints(strict=True, min_length=1)]


class _Part(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra='forbid', frozen=True)


class TrackRelease(_Part):
    """Where in a track an upload goes, and until when the track is kept."""

    end_of_life: Annotated[
        str, pydantic.StringConstraints(strict=True, pattern=r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$')
    ] = pydantic.Field(alias='end-of-life')
    risks: list[Literal['stable', 'candidate', 'beta', 'edge']] = pydantic.Field(min_length=1)

    @pydantic.field_validator('risks')
    @classmethod
    def _once(cls, risks: list[str]) -> list[str]:
        if len(set(risks)) != len(risks):
            raise ValueError('a risk comes twice')
        return risks


class TriggerUpload(_Part):
    """One thing to build."""

    source: Text
    commit: Text
    directory: Text
    ignored_vulnerabilities: list[Text] = pydantic.Field(alias='ignored-vulnerabilities')
    release: dict[Text, TrackRelease] = pydantic.Field(min_length=1)


class Trigger(_Part):
    """The whole file."""

    version: Literal[2]
    upload: list[TriggerUpload]

    @pydantic.field_validator('upload')
    @classmethod
    def _unique(cls, uploads: list[TriggerUpload]) -> list[TriggerUpload]:
        triplets = [(upload.source, upload.commit, upload.directory) for upload in uploads]
        if len(set(triplets)) != len(triplets):
            raise ValueError('two uploads have the same source, commit and directory')
        return uploads


def dump(uploads: Iterable[Upload]) -> str:
    """The trigger as YAML.

    Raises:
        ValueError: when the OCI Factory would not take it.
    """
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
    Trigger.model_validate(content)
    return yaml.safe_dump(content, default_flow_style=False, sort_keys=False)


def encode(trigger: str) -> str:
    """As the OCI Factory's GitHub workflow takes it: base64."""
    return base64.b64encode(trigger.encode()).decode()
