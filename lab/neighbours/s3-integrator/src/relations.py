"""The wire format: which bucket a client gets, and what it is told. Pure functions on databags and options.

Sources: events/provider.py and core/domain.py of s3-integrator 2, object-storage-charmlib 1; for the former version
charm.py of s3-integrator 1, data_platform_libs v0/s3.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

VERSION = '1'
KEYS = ('access-key', 'secret-key')
_SAID = ('region', 'attributes', 'storage-class', 's3-uri-style', 's3-api-version')
_BUCKET = re.compile(r'(?!xn--)(?!.*-s3alias$)[a-z0-9][a-z0-9-]{1,61}[a-z0-9]')


def asks(asked: Mapping[str, str]) -> bool:
    """Whether a client has asked: the present version says its version, the former one says a bucket."""
    return bool(asked.get('version') or asked.get('bucket'))


def wants_secrets(asked: Mapping[str, str]) -> bool:
    """Whether a client wants the keys as a secret."""
    return set(KEYS) <= set(json.loads(asked.get('requested-secrets', '[]')))


def bucket(asked: Mapping[str, str], options: Mapping[str, object], *, former: bool) -> str:
    """The bucket for a client; empty where nobody has named one.

    What a client of the former version names is made up by its library, and is not meant.
    """
    meant = former or 'requested-secrets' in asked
    return str(options.get('bucket') or '') or (asked.get('bucket', '') if meant else '')


def is_bucket(name: str) -> bool:
    """Whether a bucket may be called so."""
    return _BUCKET.fullmatch(name) is not None


def answer(
    asked: Mapping[str, str], options: Mapping[str, object], *, name: str, endpoint: str, former: bool
) -> dict[str, str]:
    """What goes into the application's databag in clear, besides the keys.

    Args:
        asked: the client's databag.
        options: of the application.
        name: of the bucket.
        endpoint: URL of the store.
        former: whether as s3-integrator 1 does.
    """
    said = {key: str(options.get(key) or '') for key in _SAID}
    path = str(options.get('path') or '')
    if former:
        if said['attributes']:
            said['attributes'] = json.dumps(said['attributes'].split(','))
        told = {**said, 'path': path}
    else:
        told = {**said, 'path': path or asked.get('path', ''), 'version': VERSION}
    told |= {'bucket': name, 'endpoint': endpoint}
    return {key: value for key, value in told.items() if value}
