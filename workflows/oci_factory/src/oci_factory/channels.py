"""Reads `_releases.json` and the registry's tags: which channel a tag means, which revision a channel leads to.

A channel is a track and a risk. The OCI Factory writes `_releases.json` as
`{track: {risk: {"target": REVISION or TAG}, "end-of-life": TIME}}`; a target that is a tag follows another channel.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from collections.abc import Iterator, Mapping

from oci_factory.model import Note

RISKS = ('stable', 'candidate', 'beta', 'edge')
"""From the one that promises most."""

ODD = 'odd-releases'
"""The kind of the note on a file of which nothing can be read."""

UNREAD = ('odd-track', 'odd-target')
"""The kinds of notes on what cannot be read of a file: the registry may have something there all the same."""

EXPIRED = 'expired-track'
"""The kind of the note on a track that is kept no longer."""

LATEST = 'latest'
"""The track whose risks are tags of their own."""


@dataclasses.dataclass(frozen=True, order=True)
class Channel:
    """A track and a risk."""

    track: str
    risk: str

    def __str__(self) -> str:
        return f'{self.track}_{self.risk}'


def read_tag(tag: str) -> Channel | int | None:
    """What a tag means.

    Returns:
        A channel for `RISK` (of the track latest), for `TRACK_RISK` and for `TRACK` alone (its stable risk); the
        number of the revision for `TRACK_NUMBER`; None for anything else.
    """
    if tag in RISKS:
        return Channel(LATEST, tag)
    track, underscore, last = tag.rpartition('_')
    if not underscore:
        return Channel(tag, 'stable') if tag else None
    if not track:
        return None
    return Channel(track, last) if last in RISKS else number(last)


def released_channels(releases: object) -> tuple[dict[Channel, int], tuple[Note, ...]]:
    """The channels of an image that lead to a revision.

    Args:
        releases: a parsed `_releases.json`, whatever it holds.

    Returns:
        Channel to revision, and what is odd about the other channels.
    """
    if not isinstance(releases, Mapping):
        return {}, (Note(ODD, '_releases.json', '_releases.json is no JSON object.'),)
    found: dict[Channel, int] = {}
    notes: list[Note] = []
    for channel in _channels(releases, notes):
        end = _follow(releases, channel)
        if isinstance(end, Note):
            notes.append(end)
        else:
            found[channel] = end
    if not found and not notes:
        notes.append(Note('nothing-released', '_releases.json', 'No channel leads to a revision.'))
    return found, tuple(notes)


def released_revisions(releases: object) -> tuple[frozenset[int], tuple[Note, ...]]:
    """The revisions that the channels of an image lead to, and what is odd about the others: `released_channels`."""
    found, notes = released_channels(releases)
    return frozenset(found.values()), notes


def end_of_life(track: str, releases: Mapping[str, object], now: datetime.datetime) -> str | Note:
    """Until when a track is kept.

    Args:
        track: its name.
        releases: a parsed `_releases.json`.
        now: with a time zone.

    Returns:
        The time, as the OCI Factory writes it; or why nothing may be released to the track.
    """
    if track not in releases:
        return Note('unknown-track', track, f'The registry has tags of track {track}, _releases.json has none.')
    entry = releases[track]
    raw = entry.get('end-of-life') if isinstance(entry, Mapping) else None
    if not raw:
        return Note('no-end-of-life', track, f'Track {track} has no end-of-life.')
    end = _time(raw)
    if end is None:
        return Note('odd-end-of-life', track, f'Track {track} has {raw!r} for an end-of-life.')
    text = end.strftime('%Y-%m-%dT%H:%M:%SZ')
    if end < now:
        return Note(EXPIRED, track, f'Track {track} has reached its end of life on {text}.')
    return text


def number(text: str) -> int | None:
    """The number of a revision; None if it is none."""
    return int(text) if re.fullmatch('[0-9]{1,18}', text) else None


def _time(raw: object) -> datetime.datetime | None:
    """A time in UTC, which is also what a time without zone means."""
    try:
        time = datetime.datetime.fromisoformat(raw if isinstance(raw, str) else '')
        return (time if time.tzinfo else time.replace(tzinfo=datetime.UTC)).astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return None


def _channels(releases: Mapping[str, object], notes: list[Note]) -> Iterator[Channel]:
    for track, entry in releases.items():
        if not isinstance(entry, Mapping):
            notes.append(Note('odd-track', track, f'Track {track} of _releases.json is no JSON object.'))
            continue
        for risk in entry:
            if risk in RISKS:
                yield Channel(track, risk)
            elif risk != 'end-of-life':
                notes.append(
                    Note('odd-track', track, f'Track {track} of _releases.json has {risk!r}, which is no risk.')
                )


def _target(releases: Mapping[str, object], channel: Channel) -> object:
    """What stands in the file; None if there is nothing."""
    entry = releases.get(channel.track)
    leaf = entry.get(channel.risk) if isinstance(entry, Mapping) else None
    return leaf.get('target') if isinstance(leaf, Mapping) else None


def _follow(releases: Mapping[str, object], start: Channel) -> int | Note:
    """The revision at the end of a chain of targets, or why there is none."""
    seen, channel = {start}, start
    while True:
        target = _target(releases, channel)
        if isinstance(target, int) and not isinstance(target, bool):
            return target
        if not isinstance(target, str):
            kind = 'odd-target' if channel == start or target is not None else 'dangling-alias'
            return Note(kind, str(start), f'{start} leads to {channel}, which has no target.')
        revision = number(target)
        step = read_tag(target) if revision is None else revision
        if isinstance(step, int):
            return step
        if step is None:
            return Note('odd-target', str(start), f'{start} leads to {target!r}, which is neither revision nor tag.')
        if step in seen:
            return Note('alias-cycle', str(start), f'{start} leads to {step} again.')
        seen.add(step)
        channel = step
