"""The interface `s3`, requirer's side, as s3-integrator speaks it in both of its versions.

Requirer, application databag (raw strings): `bucket`, without which version 0 answers nothing; `path`; `version` ("1")
and `requested-secrets` (JSON list), by which version 1 knows that the bucket is meant to be made.
Provider, application databag: `bucket`, `endpoint`, `region`, `path`, `s3-uri-style` ("host" or "path"),
`s3-api-version`, `storage-class`, `tls-ca-chain` (a JSON list), `attributes` (a JSON list in version 0; in version 1 as
the operator has written them, separated by commas).
The keys are `access-key` and `secret-key`: version 1 has them in the secret whose URI is `secret-extra`, version 0 as
plain text. A bucket in the provider's options replaces the requirer's. Source: s3-integrator 1 and 2,
data_platform_libs v0/s3, object-storage-charmlib 1.0.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import ops

from temporal_charms import databags

_SECRET = 'secret-extra'  # noqa: S105
_REQUESTED = ('access-key', 'secret-key')


@dataclasses.dataclass(frozen=True)
class Bucket:
    """A bucket and how to get at it; what the provider does not say is empty.

    Attributes:
        name: of the bucket.
        access_key: of the user.
        secret_key: of the user.
        endpoint: URL of the store; empty for Amazon's own.
        region: of the bucket.
        path: the beginning of the names of objects.
        uri_style: `host` or `path`: where the bucket stands in a URL.
        api_version: of signatures.
        storage_class: for new objects.
        attributes: headers for new objects.
        ca_chain: PEMs of the authorities that signed the store's certificate.
    """

    name: str
    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    endpoint: str = ''
    region: str = ''
    path: str = ''
    uri_style: str = ''
    api_version: str = ''
    storage_class: str = ''
    attributes: tuple[str, ...] = ()
    ca_chain: tuple[str, ...] = ()


def request(bucket: str, path: str = '') -> dict[str, str]:
    """What the requirer's leader writes to ask for a bucket.

    Args:
        bucket: its name.
        path: the beginning of the names of objects.
    """
    asked = {'bucket': bucket, 'path': path, 'version': '1', 'requested-secrets': databags.dump_json(_REQUESTED)}
    return {key: value for key, value in asked.items() if value}


def secret_uris(relation: ops.Relation) -> list[str]:
    """The secrets that the provider has named so far."""
    return [uri for uri in [relation.data[relation.app].get(_SECRET)] if uri]


def bucket(relation: ops.Relation, secret: Callable[[str], Mapping[str, str]]) -> Bucket | None:
    """The bucket; None until everything is there.

    Args:
        relation: the relation; its remote application's databag is read.
        secret: reads a secret, by its URI.
    """
    remote = relation.data[relation.app]
    try:
        keys = secret(remote[_SECRET]) if _SECRET in remote else remote
    except ops.ModelError:
        # The URI can arrive before the grant, and the grant can go before the relation.
        return None
    name, access_key, secret_key = remote.get('bucket', ''), keys.get('access-key', ''), keys.get('secret-key', '')
    if not (name and access_key and secret_key):
        return None
    return Bucket(
        name,
        access_key,
        secret_key,
        endpoint=remote.get('endpoint', ''),
        region=remote.get('region', ''),
        path=remote.get('path', ''),
        uri_style=remote.get('s3-uri-style', ''),
        api_version=remote.get('s3-api-version', ''),
        storage_class=remote.get('storage-class', ''),
        attributes=_attributes(remote),
        ca_chain=_texts(remote, 'tls-ca-chain'),
    )


def _attributes(databag: Mapping[str, str]) -> tuple[str, ...]:
    if databags.load_json(databag, 'attributes') is not None:
        return _texts(databag, 'attributes')
    return tuple(each.strip() for each in databag.get('attributes', '').split(',') if each.strip())


def _texts(databag: Mapping[str, str], key: str) -> tuple[str, ...]:
    found = databags.load_json(databag, key)
    return tuple(each for each in found if isinstance(each, str)) if isinstance(found, list) else ()
