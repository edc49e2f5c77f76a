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


NO_SCHEMA = '0.0'
"""Stands for the version where a database holds no schema."""

REQUIRED_SCHEMA: dict[Version, SchemaVersions] = {
    (1, 31): SchemaVersions('1.19', '1.14'),
    (1, 32): SchemaVersions('1.19', '1.14'),
}
"""Supported minors of the server, with the schema they need (schema/postgresql/v12/version.go of each release)."""

SUPPORTED = ' and '.join('.'.join(map(str, minor)) for minor in REQUIRED_SCHEMA)


def parse(text: str) -> Version | None:
    """The first version number in a text such as "temporal version 1.32.2"; None if there is none."""
    match = re.search(r'(?<![\w.])(\d{1,9}(?:\.\d{1,9})+)(?!\d)', text, re.ASCII)
    return tuple(int(part) for part in match[1].split('.')) if match else None


def required_schema(version: Version) -> SchemaVersions | None:
    """What a server of this version needs; None if the suite does not support it."""
    return REQUIRED_SCHEMA.get(version[:2])


def at_least(found: SchemaVersions, needed: SchemaVersions) -> bool:
    """Whether databases with `found` serve a program that needs `needed`.

    A newer schema does: Temporal changes its schemas so that one older server still works.
    """
    return all((parse(f) or ()) >= (parse(n) or ()) for f, n in zip(found, needed, strict=True))


def too_new(version: Version, found: SchemaVersions, oldest: SchemaVersions | None = None) -> str:
    """Why databases are too new for a program; empty if they are not.

    Temporal lets a server go back by one minor without its schema: each schema serves the servers of the minor before.
    So a newer schema is refused where it is known to be of a later minor than the next, or says so itself.

    Args:
        version: of the program, a supported one.
        found: what the databases hold.
        oldest: the versions that the schemas still serve, as they say themselves (`min_compatible_version`).
    """
    needed, following = required_schema(version), required_schema((version[0], version[1] + 1))
    if needed is None or at_least(needed, found):
        return ''
    which = f'the schema is {found.persistence} and {found.visibility} (persistence, visibility)'
    if oldest and not at_least(needed, oldest):
        return f'{which} and serves nothing older than {oldest.persistence} and {oldest.visibility}'
    if following and not at_least(following, found):
        return f'{which}, of a release more than one minor after {_text(version)}'
    return ''


KNOWN_BAD: dict[Version, Version] = {
    (1, 21, 0): (1, 21, 2),
    (1, 21, 1): (1, 21, 2),
    (1, 24, 0): (1, 24, 1),
    (1, 27, 0): (1, 27, 1),
}
"""Releases that nobody should run, with those to take in their place (temporal-operator's pkg/version/version.go)."""


def check_upgrade(from_: Version, to: Version) -> str:
    """Why a server may not follow another one on the same databases; empty if it may.

    Temporal goes up one minor at a time, and back by one at most; patches may be skipped.

    Args:
        from_: the version that served last.
        to: the version that is to serve.
    """
    if to[:3] in KNOWN_BAD:
        return f'Temporal {_text(to)} is known to be broken: take {_text(KNOWN_BAD[to[:3]])} or later'
    if to[0] != from_[0] or to[1] > from_[1] + 1:
        step = f'{from_[0]}.{from_[1] + 1}'
        return f'Temporal goes one minor at a time, not from {_text(from_)} to {_text(to)}: go to {step} first'
    if to[1] < from_[1] - 1:
        return f'Temporal goes back by one minor at most, not from {_text(from_)} to {_text(to)}'
    return ''


def _text(version: Version) -> str:
    return '.'.join(map(str, version))
