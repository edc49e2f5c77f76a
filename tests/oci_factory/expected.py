"""A second opinion on what is to be rebuilt: from the channels to the revisions, where the plan goes the other way.

Shares no code with the plan, and is written for being read rather than for odd data of every sort: it knows what
`generator` makes.
"""

from __future__ import annotations

import datetime
import json
import re
from typing import Any

import generator

Finding = tuple[str, str]
"""Kind and subject of a note."""


class Image:
    """One image of a world, seen from its channels."""

    def __init__(self, world: generator.World, image: str, release: str, now: datetime.datetime) -> None:
        self.releases, self.tags = world.releases[image], world.tags[image]
        self.release, self.now = release, now
        self.findings: set[Finding] = set()
        self.leading: dict[str, int] = {}
        self.dates: dict[str, str] = {}
        stored = re.compile(rf'{re.escape(image)}/(.+)/build_metadata\.json')
        self.stored = {found[1]: text for name, text in world.objects.items() if (found := stored.fullmatch(name))}

    def trigger(self) -> dict[str, Any]:
        """The content of the trigger; its uploads may be none."""
        builds = self.builds(self.revisions())
        self.untagged(builds)
        chosen = self.choose(builds)
        self.missing(builds)
        uploads: dict[tuple[str, ...], dict[str, Any]] = {}
        for name in sorted(chosen, key=self.age):
            build = builds[name]
            empty = {key: build[key] for key in ('source', 'commit', 'directory')}
            empty |= {'ignored-vulnerabilities': [], 'release': {}}
            upload = uploads.setdefault(self.triplet(build), empty)
            ignored = build.get('ignored-vulnerabilities')
            for one in ignored.split() if isinstance(ignored, str) else []:
                if one not in upload['ignored-vulnerabilities']:
                    upload['ignored-vulnerabilities'].append(one)
            for track, risk in chosen[name]:
                release = upload['release'].setdefault(track, {'end-of-life': self.dates[track], 'risks': []})
                release['risks'] = sorted([*release['risks'], risk], key=generator.RISKS.index)
        return {'version': 2, 'upload': list(uploads.values())}

    def choose(self, builds: dict[str, dict[str, Any]]) -> dict[str, list[tuple[str, str]]]:
        """Build to channels: of those with a tag of it, a channel goes to the one it leads to, or to the newest."""
        chosen: dict[str, list[tuple[str, str]]] = {}
        for track in self.live_tracks(builds):
            for risk in generator.RISKS:
                claims = [name for name, build in builds.items() if self.spellings(track, risk) & build['tags']]
                if len({self.triplet(builds[name]) for name in claims}) > 1:
                    self.findings.add(('contested-channel', f'{track}_{risk}'))
                lead = self.leading.get(f'{track}_{risk}')
                if claims:
                    owner = max(claims, key=lambda name: (self.age(name)[0] == lead, self.age(name)))
                    chosen.setdefault(owner, []).append((track, risk))
        return chosen

    @staticmethod
    def triplet(build: dict[str, Any]) -> tuple[str, ...]:
        return build['source'], build['commit'], build['directory']

    @staticmethod
    def age(name: str) -> tuple[int, str]:
        return int(name.split('/')[1]), name

    @staticmethod
    def spellings(track: str, risk: str) -> set[str]:
        """Every tag that means a channel."""
        spelt = {f'{track}_{risk}'}
        if risk == 'stable':
            spelt.add(track)
        if track == 'latest':
            spelt.add(risk)
        return spelt

    def targets(self) -> dict[str, Any]:
        """Channel to what it targets."""
        targets: dict[str, Any] = {}
        for track, entry in self.releases.items():
            if entry is None or set(entry) - {*generator.RISKS, 'end-of-life'}:
                self.findings.add(('odd-track', track))
            risks = set(entry or {}) & set(generator.RISKS)
            targets |= {f'{track}_{risk}': self.releases[track][risk].get('target') for risk in risks}
        return targets

    def revisions(self) -> set[int]:
        """Backwards from the numbers: a channel is released once what it targets is."""
        targets = self.targets()
        spelt: dict[str, int] = {}
        known: dict[str, int] = {}
        settled = -1
        while settled < len(known):
            settled = len(known)
            for channel, target in targets.items():
                number = re.fullmatch(r'(?:.+_)?(\d+)', str(target))
                if number or target in spelt:
                    known[channel] = int(number[1]) if number else spelt[target]
                    spelt |= dict.fromkeys(self.spellings(*channel.rsplit('_', 1)), known[channel])
        self.leading = known
        for channel in set(targets) - set(known):
            self.findings.add((self.fault(targets[channel]), channel))
        return set(known.values())

    @staticmethod
    def fault(target: Any) -> str:
        """Why a target leads to no revision."""
        if target is None or not re.fullmatch('[^_]+(_(stable|candidate|beta|edge))?', target):
            return 'odd-target'
        return 'alias-cycle' if target.startswith('cycle') else 'dangling-alias'

    def builds(self, revisions: set[int]) -> dict[str, dict[str, Any]]:
        """The builds to repeat, each with the tags that are on it."""
        builds = {}
        described = set()
        for name, text in self.stored.items():
            revision = self.age(name)[0]
            if revision not in revisions:
                continue
            described.add(revision)
            try:
                build = json.loads(text)
            except ValueError:
                build = None
            if not isinstance(build, dict) or not build:
                self.findings.add(('odd-metadata', name))
            elif self.sound(name, build):
                on_it = {tag for tag, digest in self.tags.items() if digest == build['digest']}
                builds[name] = {**build, 'tags': on_it}
        self.findings |= {('no-metadata', str(revision)) for revision in revisions - described}
        return builds

    def sound(self, name: str, build: dict[str, Any]) -> bool:
        """Whether a build is of the release and can be repeated."""
        base = build.get('base')
        version = re.fullmatch(r'(ubuntu[:@])?([0-9]{2}\.[0-9]{2})', str(base))
        if not isinstance(base, str) or not version:
            self.findings.add(('odd-base' if base else 'no-base', name))
        if self.release != '*' and base not in (self.release, f'ubuntu:{self.release}', f'ubuntu@{self.release}'):
            return False
        if 'digest' not in build:
            self.findings.add(('no-digest', name))
            return False
        if not isinstance(build['commit'], str) or not build['source']:
            self.findings.add(('odd-metadata', name))
            return False
        if isinstance(build.get('ignored-vulnerabilities'), list):
            self.findings.add(('odd-metadata', name))
        return True

    def live_tracks(self, builds: dict[str, dict[str, Any]]) -> list[str]:
        """The tracks to release to, in order; the others are found fault with if there is a tag of theirs."""
        tags = {tag for build in builds.values() for tag in build['tags']}
        mentioned = set()
        for tag in tags:
            if tag in generator.RISKS:
                mentioned.add('latest')
            elif found := re.fullmatch(r'(.+)_(stable|candidate|beta|edge)|([^_]+)', tag):
                mentioned.add(found[1] or found[3])
            elif not re.fullmatch(r'.+_\d+', tag):
                self.findings.add(('unrecognised-tag', tag))
        live = []
        for track in sorted(mentioned):
            if track not in self.releases:
                self.findings.add(('unknown-track', track))
                continue
            date = (self.releases[track] or {}).get('end-of-life')
            if date is None:
                self.findings.add(('no-end-of-life', track))
            elif not re.match(r'\d{4}-\d\d-\d\d', str(date)):
                self.findings.add(('odd-end-of-life', track))
            else:
                # All that the files have is midnights.
                self.dates[track] = f'{date[:10]}T00:00:00Z'
                if self.dates[track] < f'{self.now:%Y-%m-%dT%H:%M:%SZ}':
                    self.findings.add(('expired-track', track))
                else:
                    live.append(track)
        return live

    def missing(self, builds: dict[str, dict[str, Any]]) -> None:
        """Channels without a tag, of revisions that have others."""
        tags = {tag for build in builds.values() for tag in build['tags']}
        telling = {name for name, build in builds.items() if not all(re.search(r'_\d+$', tag) for tag in build['tags'])}
        revisions = {self.age(name)[0] for name in telling}
        for channel, revision in self.leading.items():
            track, risk = channel.rsplit('_', 1)
            end = str(self.releases[track].get('end-of-life', ''))
            over = re.match(r'\d{4}-\d\d-\d\d', end) and f'{end[:10]}T00:00:00Z' < f'{self.now:%Y-%m-%dT%H:%M:%SZ}'
            if revision in revisions and not over and not self.spellings(track, risk) & tags:
                self.findings.add(('untagged-channel', channel))

    def untagged(self, builds: dict[str, dict[str, Any]]) -> None:
        for name, build in builds.items():
            if all(re.fullmatch(r'.+_\d+', tag) for tag in build['tags']):
                self.findings.add(('untagged-revision', name))


def rebuild(
    world: generator.World, image: str, release: str, now: datetime.datetime
) -> tuple[dict[str, Any], set[Finding]]:
    """The trigger to expect for an image, and the notes."""
    one = Image(world, image, release, now)
    return one.trigger(), one.findings
