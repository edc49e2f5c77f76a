"""Decides what to rebuild of one image: pure, no clock, no I/O."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from oci_factory import builds
from oci_factory.builds import ANY, Build
from oci_factory.channels import EXPIRED, RISKS, Channel, end_of_life, read_tag, released_channels, released_revisions
from oci_factory.model import ImagePlan, Note, Track, Upload

_UNTAGGED = 'untagged-revision'


def plan_rebuild(
    releases: object,
    metadata: Mapping[str, object],
    tags: Mapping[str, str],
    now: datetime.datetime,
    *,
    release: str = ANY,
) -> ImagePlan:
    """Decide what to rebuild of one image, and where to release it.

    A released revision whose base is the Ubuntu release is built again from the same source, and released to the
    channels whose tags the registry shows on it now. Where a tag and its alias are on different revisions, the one to
    which the release file leads keeps the channel, or else the newest: a tag that was left behind undoes no roll-back.
    What cannot be done is noted, and never keeps the rest from being done.

    Args:
        releases: the image's `_releases.json`, parsed.
        metadata: TRACK/REVISION to `build_metadata.json`, parsed; of the released revisions at least.
        tags: tag to digest, as the registry has them; of the revisions' digests at least.
        now: with a time zone; decides which tracks have expired.
        release: the Ubuntu release, like 24.04, or `*` for any.
    """
    found, notes = _relevant(releases, metadata, release)
    known = releases if isinstance(releases, Mapping) else {}
    leads = released_channels(known)[0]
    claims: dict[Channel, list[Build]] = {}
    ends: dict[str, str] = {}
    tagged: set[Channel] = set()
    shown: set[int] = set()
    for build in found:
        channels, more = _channels(build, tags)
        notes += more
        tagged.update(channels)
        if not any(note.kind == _UNTAGGED for note in more):
            shown.add(build.revision)
        for channel in channels:
            end = end_of_life(channel.track, known, now)
            if isinstance(end, Note):
                notes.append(end)
                continue
            ends[channel.track] = end
            claims.setdefault(channel, []).append(build)
    owners = {channel: _owner(claiming, leads.get(channel)) for channel, claiming in claims.items()}
    for channel, claiming in claims.items():
        notes += _contested(channel, claiming, owners[channel])
    notes += [
        Note(
            'untagged-channel',
            str(channel),
            f'{channel} leads to revision {revision}, but the registry has its tag on nothing that is rebuilt.',
        )
        for channel, revision in leads.items()
        if channel not in tagged and revision in shown and not _expired(channel.track, known, now)
    ]
    uploads = _uploads(owners, found, ends)
    return ImagePlan(uploads, tuple(sorted(set(notes), key=lambda note: (note.kind, note.subject, note.text))))


def wanted_digests(releases: object, metadata: Mapping[str, object], release: str) -> tuple[str, ...]:
    """The digests whose tags `plan_rebuild` needs; none if there is nothing to rebuild on that release."""
    return tuple(sorted({build.digest for build in _relevant(releases, metadata, release)[0]}))


def _relevant(releases: object, metadata: Mapping[str, object], release: str) -> tuple[list[Build], list[Note]]:
    """The builds to repeat, by ascending revision."""
    revisions, odd = released_revisions(releases)
    notes = list(odd)
    found: list[Build] = []
    seen: set[int] = set()
    for name, content in metadata.items():
        revision = builds.revision_of(name)
        if revision not in revisions:
            continue
        seen.add(revision)
        build, more = builds.load(name, content, release)
        notes += more
        if build:
            found.append(build)
    notes += [
        Note('no-metadata', str(revision), f'Revision {revision} is released, but has no build metadata.')
        for revision in revisions - seen
    ]
    return sorted(found, key=lambda build: (build.revision, build.name)), notes


def _channels(build: Build, tags: Mapping[str, str]) -> tuple[list[Channel], list[Note]]:
    """The channels whose tags are on a build."""
    channels: list[Channel] = []
    notes: list[Note] = []
    for tag in sorted(tag for tag, digest in tags.items() if digest == build.digest):
        meaning = read_tag(tag)
        if isinstance(meaning, Channel):
            channels.append(meaning)
        elif meaning is None:
            notes.append(Note('unrecognised-tag', tag, f'Tag {tag} of {build.name} is neither channel nor revision.'))
        # The tag with its number, which every revision keeps for ever, says nothing of channels.
    if not channels and not notes:
        text = f'{build.name} is released, but no channel has it in the registry.'
        notes.append(Note(_UNTAGGED, build.name, text))
    return channels, notes


def _owner(claiming: Sequence[Build], lead: int | None) -> Build:
    """Which of the builds with a tag of a channel keeps it; they come by ascending revision."""
    return ([build for build in claiming if build.revision == lead] or claiming)[-1]


def _contested(channel: Channel, claiming: Sequence[Build], owner: Build) -> list[Note]:
    """What is to be said where builds of different sources have tags of a channel."""
    if len({build.triplet for build in claiming}) < 2:
        return []
    names = ' and '.join(build.name for build in claiming)
    return [
        Note('contested-channel', str(channel), f'{names} have tags of {channel}; only {owner.name} is rebuilt for it.')
    ]


def _expired(track: str, releases: Mapping[str, object], now: datetime.datetime) -> bool:
    """Whether nobody expects its channels in the registry any more."""
    end = end_of_life(track, releases, now)
    return isinstance(end, Note) and end.kind == EXPIRED


def _uploads(owners: Mapping[Channel, Build], found: Iterable[Build], ends: Mapping[str, str]) -> tuple[Upload, ...]:
    """One upload per triplet, with all that its revisions have."""
    owning = set(owners.values())
    grouped: dict[tuple[str, str, str], list[Build]] = {}
    for build in found:
        if build in owning:
            grouped.setdefault(build.triplet, []).append(build)
    uploads = []
    for triplet, members in grouped.items():
        channels = {channel for channel, build in owners.items() if build.triplet == triplet}
        release = {
            track: Track(ends[track], tuple(risk for risk in RISKS if Channel(track, risk) in channels))
            for track in sorted({channel.track for channel in channels})
        }
        ignored = dict.fromkeys(name for build in members for name in build.ignored_vulnerabilities)
        uploads.append(Upload(*triplet, ignored_vulnerabilities=tuple(ignored), release=release))
    return tuple(uploads)
