"""Decides which Ubuntu release an event is about: the event of a base image that was published."""

from __future__ import annotations

import csv
import functools
import importlib.resources
import re
from collections.abc import Mapping

from temporalio.exceptions import ApplicationError

UNDECIDABLE = 'UndecidableRelease'
"""The type of the failure by which a caller knows such an event."""

_QUOTED = 100

_VERSION = re.compile(r'(?:ubuntu[:@ -])?(\d\d\.\d\d)(?:\.\d+)?(?: LTS)?', re.IGNORECASE)
_IN_TAG = re.compile(r'(\d\d\.\d\d|[a-z]+)(?![a-z0-9.])')


def decide(event: Mapping[str, object]) -> str:
    """The Ubuntu release, like 24.04.

    The field `release` decides if the event's schema has it. If not, `series` does (`noble`), by distro-info-data as
    pinned in this package. A series that is newer than the pin is told by the tags under which the image was published
    (`registry_tags`), if all that name a release name the same.

    Args:
        event: the decoded message; a registry's Oci schema.

    Raises:
        ApplicationError: of type `UNDECIDABLE`, not to be retried: no field tells. It never guesses: an unreadable
            `release` is not overruled by the series, nor one tag by others.
    """
    release = event.get('release')
    if release not in (None, ''):
        version = _read(release)
        if not version:
            raise _undecidable(f'the field release is {quoted(release)}, which is no Ubuntu release')
        return version
    series = event.get('series')
    version = _read(series)
    if version:
        return version
    tags = event.get('registry_tags')
    found = sorted({version for tag in tags if (version := _tagged(tag))} if isinstance(tags, (list, tuple)) else ())
    if len(found) == 1:
        return found[0]
    told = f'its tags name {", ".join(found)}' if found else 'no tag names a release'
    raise _undecidable(f'it has no field release, its series {quoted(series)} is unknown, and {told}')


@functools.cache
def series() -> Mapping[str, str]:
    """Ubuntu's series, like noble, to their versions."""
    text = (importlib.resources.files('oci_factory') / 'data' / 'ubuntu.csv').read_text(encoding='utf-8')
    # `24.04 LTS` in the file.
    return {row['series']: row['version'].split()[0] for row in csv.DictReader(text.splitlines())}


def quoted(value: object) -> str:
    """What a field says, for a sentence; cut if it is long."""
    text = repr(value)
    return text if len(text) <= _QUOTED else f'{text[:_QUOTED]}...'


def _read(value: object) -> str:
    """A version, or a series' version; empty if the value is neither."""
    if not isinstance(value, str):
        return ''
    match = _VERSION.fullmatch(value.strip())
    return match[1] if match else series().get(value.strip().lower(), '')


def _tagged(reference: object) -> str:
    """The release that the tag of an image's reference names, like `public.ecr.aws/ubuntu/ubuntu:24.04_stable`."""
    if not isinstance(reference, str) or '@' in reference:
        return ''
    _, colon, tag = reference.rpartition('/')[2].partition(':')
    match = _IN_TAG.match(tag) if colon else None
    return _read(match[1]) if match else ''


def _undecidable(why: str) -> ApplicationError:
    return ApplicationError(f'the event does not tell its Ubuntu release: {why}', type=UNDECIDABLE, non_retryable=True)
