"""Decides what to scan of one image, and what of the findings matters: pure, no clock, no I/O."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping

from oci_factory import builds, channels
from oci_factory.channels import Channel
from oci_factory.model import Note
from oci_factory.scan_model import Finding, ScanPlan, Target, Vulnerability

SEVERITIES = ('Critical', 'High')
"""What people are told of, the worst first; the OCI Factory lets the rest pass."""

_OF_BASES = ('no-base', 'odd-base')
"""Notes that matter to rebuilds only."""


def plan_scan(image: str, releases: object, metadata: Mapping[str, object], now: datetime.datetime) -> ScanPlan:
    """Decide what to scan: each revision that a channel leads to whose track has not reached its end of life.

    A track whose end of life is not known, or cannot be read, is scanned: people still get what it has.

    Args:
        image: its name.
        releases: its `_releases.json`, parsed.
        metadata: TRACK/REVISION to `build_metadata.json`, parsed; of the released revisions at least.
        now: with a time zone; decides which tracks have expired.
    """
    leading, odd = channels.released_channels(releases)
    known = releases if isinstance(releases, Mapping) else {}
    notes = list(odd)
    live: dict[int, list[Channel]] = {}
    for channel, revision in leading.items():
        end = channels.end_of_life(channel.track, known, now)
        if isinstance(end, Note):
            notes.append(end)
        if not isinstance(end, Note) or end.kind != channels.EXPIRED:
            live.setdefault(revision, []).append(channel)
    targets: dict[tuple[int, str], Target] = {}
    newest, source, seen = -1, '', set[int]()
    unscanned = ['_releases.json'] if any(note.kind == channels.ODD for note in odd) else []
    unread = {note.subject for note in odd if note.kind in channels.UNREAD and not _expired(note.subject, known, now)}
    for name, content in metadata.items():
        revision = builds.revision_of(name)
        if revision is None or revision not in leading.values():
            continue
        seen.add(revision)
        build, more = builds.load(name, content, builds.ANY)
        notes += [note for note in more if note.kind not in _OF_BASES]
        if build and revision > newest:
            newest, source = revision, build.source
        if revision not in live:
            continue
        if not build:
            unscanned.append(name)
            continue
        where = tuple(sorted(map(str, live[revision])))
        targets[revision, name] = Target(image, name, build.digest, where, build.ignored_vulnerabilities)
    for revision in sorted(live.keys() - seen):
        unscanned.append(str(revision))
        notes.append(Note('no-metadata', str(revision), f'Revision {revision} is released, but has no build metadata.'))
    ordered = tuple(sorted(set(notes), key=lambda note: (note.kind, note.subject, note.text)))
    ready = tuple(targets[key] for key in sorted(targets))
    return ScanPlan(ready, source, tuple(sorted(unscanned)), ordered, tuple(sorted(unread)))


def _expired(subject: str, releases: Mapping[str, object], now: datetime.datetime) -> bool:
    """Whether what a note is about, a channel or a track, belongs to a track that has reached its end of life."""
    channel = channels.read_tag(subject)
    tracks = {subject, channel.track if isinstance(channel, Channel) else subject}
    ends = [channels.end_of_life(track, releases, now) for track in tracks]
    return any(isinstance(end, Note) and end.kind == channels.EXPIRED for end in ends)


def relevant(found: Iterable[Finding], ignored: Iterable[str]) -> tuple[Finding, ...]:
    """What people can do something about: severe, with a fix, and not known already. The worst first.

    Args:
        found: what the scanner has found in a revision.
        ignored: identifiers that are let pass.
    """
    passing = frozenset(ignored)
    return tuple(
        sorted(
            {one for one in found if one.severity in SEVERITIES and one.fixed_in and one.id not in passing},
            key=_order,
        )
    )


def joined(found: Mapping[Target, Iterable[Finding]]) -> tuple[Vulnerability, ...]:
    """The findings of all revisions of an image, each one once, with all channels that have it. The worst first."""
    where: dict[Finding, set[str]] = {}
    for target, findings in found.items():
        for finding in findings:
            where.setdefault(finding, set()).update(target.channels)
    return tuple(Vulnerability(one, tuple(sorted(where[one]))) for one in sorted(where, key=_order))


def _order(finding: Finding) -> tuple[int, Finding]:
    return SEVERITIES.index(finding.severity), finding
