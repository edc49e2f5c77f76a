"""What the OCI Factory accepts as an image trigger, version 2: checked from its schema's rules, not from our code."""

from __future__ import annotations

import datetime
from typing import Any

UPLOAD_KEYS = {'source', 'commit', 'directory', 'ignored-vulnerabilities', 'release'}


class Refused(Exception):
    """The OCI Factory would not take it."""


def check(trigger: Any) -> None:
    """Check a parsed trigger with uploads.

    Raises:
        Refused: when a rule is broken.
    """
    _need(isinstance(trigger, dict) and not set(trigger) - {'version', 'upload', 'release'}, 'keys of the trigger')
    _need(str(trigger.get('version')) == '2', 'version')
    _need(isinstance(trigger.get('upload'), list) and trigger['upload'], 'uploads')
    for upload in trigger['upload']:
        _upload(upload)
    triplets = [(upload['source'], upload['commit'], upload['directory']) for upload in trigger['upload']]
    _need(len(set(triplets)) == len(triplets), 'unique uploads')


def _upload(upload: Any) -> None:
    _need(isinstance(upload, dict) and not set(upload) - UPLOAD_KEYS, 'keys of the upload')
    for key in ('source', 'commit', 'directory'):
        _need(isinstance(upload.get(key), str), key)
    _need(_texts(upload.get('ignored-vulnerabilities', [])), 'ignored vulnerabilities')
    # Without a release, the schema would accept it, and nothing would be released.
    _need(isinstance(upload.get('release'), dict) and upload['release'], 'release')
    for track, release in upload['release'].items():
        _need(isinstance(track, str), 'track')
        _need(isinstance(release, dict) and set(release) == {'end-of-life', 'risks'}, 'keys of the release')
        risks = release['risks']
        _need(_texts(risks) and risks and not set(risks) - {'stable', 'candidate', 'beta', 'edge'}, 'risks')
        _need(len(set(risks)) == len(risks), 'each risk once')
        try:
            # The one form that the OCI Factory parses when it looks for expired tracks.
            datetime.datetime.strptime(release['end-of-life'], '%Y-%m-%dT%H:%M:%SZ').replace(tzinfo=datetime.UTC)
        except (TypeError, ValueError):
            raise Refused('end-of-life') from None


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _need(met: object, rule: str) -> None:
    if not met:
        raise Refused(rule)
