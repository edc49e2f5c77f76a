"""Makes up an OCI Factory around the real release files: build metadata and registry tags, from a seed.

The shapes are those of the OCI Factory's own workflows. Most of it is as it should be, some of it is as it should not,
but may: what is wrong, and where, the seed decides. Needs Python's standard library only.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import random
import re
from typing import Any

RISKS = ('stable', 'candidate', 'beta', 'edge')
BASES = ('20.04', '22.04', '24.04', '26.04')
ODD = 'mock-oddities'
"""An image of no release file but our own, with everything that such a file can get wrong."""

_DATA = pathlib.Path(__file__).parent / 'data' / 'releases'


@dataclasses.dataclass(frozen=True)
class World:
    """Everything that the OCI Factory knows.

    Attributes:
        releases: image to its `_releases.json`.
        objects: names of stored objects to their text: IMAGE/TRACK/REVISION/build_metadata.json, and others.
        tags: image to tag to digest.
    """

    releases: dict[str, dict[str, Any]]
    objects: dict[str, str]
    tags: dict[str, dict[str, str]]


@functools.cache
def make(seed: int) -> World:
    """The world of a seed; nobody may change it."""
    releases = {path.parent.name: json.loads(path.read_text()) for path in sorted(_DATA.glob('*/_releases.json'))}
    releases[ODD] = _odd_releases()
    objects: dict[str, str] = {}
    tags: dict[str, dict[str, str]] = {}
    for image, tracks in releases.items():
        maker = _Maker(image, tracks, random.Random(f'{seed}/{image}'))
        maker.make()
        objects |= maker.objects
        tags[image] = maker.tags
    return World(releases, dict(sorted(objects.items())), tags)


def _odd_releases() -> dict[str, Any]:
    far = '2090-01-01T00:00:00Z'
    return {
        'latest': {'end-of-life': far, 'stable': {'target': '11'}, 'edge': {'target': 12}},
        '1-24.04': {'end-of-life': far, 'stable': {'target': '11'}, 'candidate': {'target': '1-24.04_stable'}},
        # A chain through three tracks, by every way to write a tag.
        '2-24.04': {
            'end-of-life': far,
            'stable': {'target': 'edge'},
            'beta': {'target': '1-24.04'},
            'edge': {'target': '2-24.04_beta'},
        },
        # Only this leads to revision 13.
        '3-24.04': {'end-of-life': far, 'edge': {'target': '3-24.04_13'}},
        'cycle-24.04': {
            'end-of-life': far,
            'beta': {'target': 'cycle-24.04_edge'},
            'edge': {'target': 'cycle-24.04_beta'},
            'stable': {'target': 'cycle-24.04'},
        },
        'dangling-24.04': {'end-of-life': far, 'edge': {'target': 'nowhere_edge'}},
        'undated-24.04': {'stable': {'target': '14'}},
        'misdated-24.04': {'end-of-life': 'when it is done', 'stable': {'target': '15'}},
        'numbered-24.04': {'end-of-life': 20900101, 'stable': {'target': '16'}},
        'naive-24.04': {'end-of-life': '2090-01-01', 'stable': {'target': '17'}},
        'empty-24.04': {},
        'null-24.04': None,
        'untargeted-24.04': {'end-of-life': far, 'beta': {}, 'edge': {'target': None}},
        'misspelt-24.04': {'end-of-life': far, 'edgy': {'target': '18'}, 'edge': {'target': 'a_b_c'}},
        'expired-24.04': {'end-of-life': '2020-01-01T00:00:00Z', 'stable': {'target': '19'}},
    }


class _Maker:
    """Makes one image."""

    def __init__(self, image: str, tracks: dict[str, Any], rng: random.Random) -> None:
        self.image, self.tracks, self.rng = image, tracks, rng
        self.objects: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.triplets: list[tuple[str, str, str]] = []

    def chance(self, share: float) -> bool:
        return self.rng.random() < share

    def digest(self, *of: object) -> str:
        return 'sha256:' + hashlib.sha256('/'.join(map(str, (self.image, *of, self.rng.random()))).encode()).hexdigest()

    def make(self) -> None:
        leading = self.leading()
        digests: dict[int, str] = {}
        for revision in sorted(set(leading.values())):
            track = next(t for (t, _), end in leading.items() if end == revision)
            digests[revision] = self.build(revision, track)
        for (track, risk), revision in leading.items():
            self.tag(track, risk, digests[revision])
        self.clutter(list(digests.values()))
        for revision, digest in digests.items():
            if self.chance(0.03):
                # Released, and yet no channel has it.
                self.tags = {t: d for t, d in self.tags.items() if d != digest or t.endswith(f'_{revision}')}
        for track, risk in leading:
            if risk != 'stable' and self.chance(0.02):
                self.tags.pop(risk if track == 'latest' else f'{track}_{risk}', None)

    def leading(self) -> dict[tuple[str, str], int]:
        """Channel to revision, for the channels that lead to one."""
        ends = {}
        for track, entry in self.tracks.items():
            for risk in RISKS:
                end = self.end(f'{track}_{risk}', 9) if entry and risk in entry else None
                if end is not None:
                    ends[track, risk] = end
        return ends

    def end(self, tag: str, steps: int) -> int | None:
        """Where a target leads to within some steps."""
        if tag.isdigit():
            return int(tag)
        tag = f'latest_{tag}' if tag in RISKS else tag
        tag = tag if '_' in tag else f'{tag}_stable'
        track, last = tag.rsplit('_', 1)
        if last.isdigit():
            return int(last)
        target = ((self.tracks.get(track) or {}).get(last) or {}).get('target')
        return self.end(str(target), steps - 1) if target and steps else None

    def build(self, revision: int, track: str) -> str:
        """Store the metadata of a revision; its digest."""
        digest = self.digest(revision)
        metadata = self.metadata(revision, track, digest)
        self.tags[f'{track}_{revision}'] = digest
        name = f'{self.image}/{track}/{revision}'
        self.objects[f'{name}/dummy.txt'] = ''
        if self.chance(0.03):
            return digest
        self.objects[f'{name}/build_metadata.json'] = self.spoilt(metadata)
        self.objects[f'{name}/{self.image}.sbom.spdx.zip'] = 'PK'
        if self.chance(0.01):
            twin = {**metadata, 'digest': self.digest('twin', revision)}
            self.objects[f'{self.image}/other/{revision}/build_metadata.json'] = json.dumps(twin)
        return digest

    def metadata(self, revision: int, track: str, digest: str) -> dict[str, Any]:
        found = re.search(r'-(\d\d\.\d\d)$', track)
        base = found[1] if found else self.rng.choice(BASES)
        source, commit, directory = self.triplet(track)
        ignored = sorted(self.rng.sample(range(1000, 1020), self.rng.choice((0, 0, 1, 3))))
        return {
            'source': source,
            'commit': commit,
            'directory': directory,
            'ignored-vulnerabilities': ' '.join(f'CVE-2026-{number}' for number in ignored),
            'name': self.image,
            'path': f'oci/{self.image}',
            'revision': revision,
            'dir_identifier': directory.rstrip('/').replace('/', '_'),
            'track': track,
            'base': f'ubuntu:{base}',
            'digest': digest,
        }

    def triplet(self, track: str) -> tuple[str, str, str]:
        """What a revision is built from; now and then the same as an earlier one."""
        if self.triplets and self.chance(1 if self.image == ODD else 0.3):
            return self.rng.choice(self.triplets)
        commit = hashlib.sha1(f'{self.rng.random()}'.encode(), usedforsecurity=False).hexdigest()
        triplet = (f'canonical/{self.image}-rock', commit, f'{self.image}/{track}')
        self.triplets.append(triplet)
        return triplet

    def spoilt(self, metadata: dict[str, Any]) -> str:
        """As text, and now and then not as it should be."""
        if not self.chance(0.2):
            return json.dumps(metadata)
        without_base = {key: value for key, value in metadata.items() if key != 'base'}
        without_digest = {key: value for key, value in metadata.items() if key != 'digest'}
        without_ignored = {key: value for key, value in metadata.items() if key != 'ignored-vulnerabilities'}
        return self.rng.choice(
            [
                '',
                '{}',
                '["metadata"]',
                '{"base": "ubuntu:24.04"',
                json.dumps(without_base),
                json.dumps({**metadata, 'base': None}),
                json.dumps({**metadata, 'base': 'bare'}),
                json.dumps({**metadata, 'base': 'ubuntu:devel'}),
                json.dumps({**metadata, 'base': 24.04}),
                json.dumps({**metadata, 'base': 'ubuntu@26.04'}),
                json.dumps({**metadata, 'base': '24.04'}),
                json.dumps(without_digest),
                json.dumps({**metadata, 'commit': 7}),
                json.dumps({**metadata, 'source': ''}),
                json.dumps({**metadata, 'ignored-vulnerabilities': ['CVE-2026-1']}),
                json.dumps(without_ignored),
            ]
        )

    def tag(self, track: str, risk: str, digest: str) -> None:
        """Tag as the OCI Factory's release does: `latest` goes without a name, stable has an alias."""
        self.tags[risk if track == 'latest' else f'{track}_{risk}'] = digest
        if risk == 'stable':
            self.tags[track] = digest

    def clutter(self, digests: list[str]) -> None:
        """What lies about in a registry and in an object store."""
        self.objects[f'{self.image}/lockfile.lock'] = ''
        for number in range(self.rng.randint(1, 8)):
            old = self.digest('old', number)
            self.tags[f'old-22.04_{9000 + number}'] = old
            name = f'{self.image}/old-22.04/{9000 + number}/build_metadata.json'
            self.objects[name] = json.dumps(self.metadata(9000 + number, 'old-22.04', old))
        if not digests:
            return
        for tag in ('gone-24.04_stable', 'gone-24.04', 'sha-1_x', '_edge', 'latest_edge', 'candidate', 'v1_2_beta'):
            if self.chance(0.1):
                self.tags[tag] = self.rng.choice(digests)
        for tag in sorted(self.tags):
            # An alias that stayed behind when its channel moved on.
            if '_' not in tag and self.chance(0.05):
                self.tags[tag] = self.rng.choice(digests)
