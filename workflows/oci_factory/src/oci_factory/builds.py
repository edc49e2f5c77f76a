"""Reads the build metadata of a revision: what it was built from, and on which Ubuntu release."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from oci_factory.channels import number
from oci_factory.model import Note

KEYS = ('base', 'commit', 'digest', 'directory', 'ignored-vulnerabilities', 'source')
"""What a rebuild needs of `build_metadata.json`."""

ANY = '*'
"""Stands for every Ubuntu release."""

_BASE = re.compile(r'(?:ubuntu[:@])?(\d{2}\.\d{2})')


@dataclasses.dataclass(frozen=True)
class Build:
    """How a revision came to be.

    Attributes:
        name: TRACK/REVISION, as in the names of the stored objects.
        revision: its number.
        digest: of the image's index, as registries give it.
        source: repository.
        commit: of the source.
        directory: within the source.
        ignored_vulnerabilities: identifiers.
    """

    name: str
    revision: int
    digest: str
    source: str
    commit: str
    directory: str
    ignored_vulnerabilities: tuple[str, ...]

    @property
    def triplet(self) -> tuple[str, str, str]:
        """By which the OCI Factory tells uploads apart."""
        return self.source, self.commit, self.directory


def base_version(base: object) -> str:
    """The release in `ubuntu:24.04`, `ubuntu@24.04` or `24.04`; empty if it is none of these."""
    match = _BASE.fullmatch(base) if isinstance(base, str) else None
    return match[1] if match else ''


def revision_of(name: str) -> int | None:
    """The number in TRACK/REVISION; None for other names, such as those of lock files."""
    track, slash, last = name.rpartition('/')
    return number(last) if slash and track else None


def load(name: str, content: object, release: str) -> tuple[Build | None, tuple[Note, ...]]:
    """Read the metadata of one revision.

    Args:
        name: TRACK/REVISION.
        content: a parsed `build_metadata.json`, whatever it holds.
        release: the Ubuntu release that matters, or `*`, for which a base need not even be known.

    Returns:
        The build, or None if it does not matter or cannot be repeated; and what is odd about it.
    """
    if not isinstance(content, Mapping) or not content:
        return None, (Note('odd-metadata', name, f'The build metadata of {name} are no JSON object.'),)
    base = content.get('base')
    notes = _base_notes(name, base)
    revision = revision_of(name)
    if revision is None or (release != ANY and base_version(base) != release):
        return None, notes
    if not _text(content, 'digest'):
        return None, (*notes, Note('no-digest', name, f'The build metadata of {name} have no digest.'))
    missing = [key for key in ('source', 'commit', 'directory') if not _text(content, key)]
    if missing:
        return None, (*notes, Note('odd-metadata', name, f'The build metadata of {name} have no {missing[0]}.'))
    raw = content.get('ignored-vulnerabilities')
    if raw is not None and not isinstance(raw, str):
        text = f'The build metadata of {name} have {raw!r} for ignored-vulnerabilities; nothing is ignored.'
        notes = (*notes, Note('odd-metadata', name, text))
        raw = ''
    build = Build(
        name=name,
        revision=revision,
        digest=_text(content, 'digest'),
        source=_text(content, 'source'),
        commit=_text(content, 'commit'),
        directory=_text(content, 'directory'),
        ignored_vulnerabilities=tuple((raw or '').split()),
    )
    return build, notes


def _base_notes(name: str, base: object) -> tuple[Note, ...]:
    if base is None or base == '':
        return (Note('no-base', name, f'The build metadata of {name} have no base.'),)
    if not base_version(base):
        return (Note('odd-base', name, f'The base of {name} is {base!r}, which is no Ubuntu release.'),)
    return ()


def _text(content: Mapping[str, object], key: str) -> str:
    value = content.get(key)
    return value if isinstance(value, str) else ''
