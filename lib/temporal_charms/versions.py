"""Which Temporal versions the suite runs, and the schema that each of them needs."""

from __future__ import annotations

import re
from typing import NamedTuple

Version = tuple[int, ...]
"""A version as numbers, comparable."""


class SchemaVersions(NamedTuple):
    """Versions of the two schemas, as the table `schema_version` holds them ("1.19")."""

    persistence: str
    visibility: str


REQUIRED_SCHEMA: dict[Version, SchemaVersions] = {
    (1, 31): SchemaVersions('1.19', '1.14'),
    (1, 32): SchemaVersions('1.19', '1.14'),
}
"""Supported minors of the server, with the schema they need (schema/postgresql/v12/version.go of each release)."""

SUPPORTED = ' and '.join('.'.join(map(str, minor)) for minor in REQUIRED_SCHEMA)


def parse(text: str) -> Version | None:
    """The first version number in a text such as "temporal version 1.32.2"; None if there is none."""
    match = re.search(r'\b(\d+(?:\.\d+)+)', text)
    return tuple(int(part) for part in match[1].split('.')) if match else None


def required_schema(version: Version) -> SchemaVersions | None:
    """What a server of this version needs; None if the suite does not support it."""
    return REQUIRED_SCHEMA.get(version[:2])


def at_least(found: SchemaVersions, needed: SchemaVersions) -> bool:
    """Whether databases with `found` serve a program that needs `needed`.

    A newer schema does: Temporal changes its schemas so that one older server still works.
    """
    return all((parse(f) or ()) >= (parse(n) or ()) for f, n in zip(found, needed, strict=True))


def check_upgrade(from_: Version, to: Version) -> str:
    """Why a server may not follow another one on the same databases; empty if it may."""
    if abs(to[1] - from_[1]) > 1 or to[0] != from_[0]:
        return f'Temporal goes one minor at a time: not from {from_} to {to}'
    return ''
