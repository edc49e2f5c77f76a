"""Everything together, on the real releases: the plan against `expected`, which works the other way round."""

from __future__ import annotations

import datetime
import json
from typing import Any

import expected
import generator
import pytest
import trigger_schema
import yaml
from oci_factory import builds, plan, trigger
from samples import NOW, notes


def parsed_builds(world: generator.World, image: str) -> dict[str, Any]:
    """What `read_build_metadata` makes of an image."""
    found = {}
    for name, text in world.objects.items():
        if name.startswith(f'{image}/') and name.endswith('/build_metadata.json'):
            try:
                content = json.loads(text)
            except ValueError:
                content = None
            found['/'.join(name.split('/')[1:3])] = content
    return found


@pytest.mark.parametrize('now', [NOW, datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC)], ids=['2026', '2024'])
@pytest.mark.parametrize('release', ['20.04', '22.04', '24.04', '26.04', '*'])
@pytest.mark.parametrize('seed', [1, 2, 3])
def test_the_real_releases(seed: int, release: str, now: datetime.datetime) -> None:
    world = generator.make(seed)
    uploads = 0
    for image, releases in world.releases.items():
        planned = plan.plan_rebuild(releases, parsed_builds(world, image), world.tags[image], now, release=release)
        content = yaml.safe_load(trigger.dump(planned.uploads))
        wanted, findings = expected.rebuild(world, image, release, now)
        assert content == wanted, image
        assert notes(planned) == findings, image
        if planned.uploads:
            trigger_schema.check(content)
        uploads += len(planned.uploads)
    # Fewer would mean that the generator no longer makes what this is to be tested with.
    assert uploads >= (10 if release == '*' else 1)


def risks_of_one_track_on_two_revisions(world: generator.World, image: str) -> int:
    """How often two revisions of one source have risks of one track between them."""
    seen = expected.Image(world, image, '*', NOW)
    found = seen.builds(seen.revisions())
    revisions: dict[tuple[object, str], set[str]] = {}
    for name, channels in seen.choose(found).items():
        for track, _ in channels:
            revisions.setdefault((seen.triplet(found[name]), track), set()).add(name)
    return sum(len(names) > 1 for names in revisions.values())


def test_the_generator_makes_every_oddity() -> None:
    kinds, shared, bases, split = set(), 0, set(), 0
    for seed in (1, 2, 3):
        world = generator.make(seed)
        for image in world.releases:
            wanted, findings = expected.rebuild(world, image, '*', NOW)
            kinds |= {kind for kind, _ in findings}
            metadata = parsed_builds(world, image)
            sources = [one.triplet for name in metadata if (one := builds.load(name, metadata[name], '*')[0])]
            shared += len(sources) - len(set(sources))
            bases |= {content.get('base') for content in metadata.values() if isinstance(content, dict)}
            assert len(wanted['upload']) <= len(sources)
            split += risks_of_one_track_on_two_revisions(world, image)
    assert kinds == {
        'alias-cycle',
        'contested-channel',
        'dangling-alias',
        'expired-track',
        'no-base',
        'no-digest',
        'no-end-of-life',
        'no-metadata',
        'odd-base',
        'odd-end-of-life',
        'odd-metadata',
        'odd-target',
        'odd-track',
        'unknown-track',
        'unrecognised-tag',
        'untagged-channel',
        'untagged-revision',
    }
    assert shared > 50
    assert split > 2
    assert {'bare', '24.04', 'ubuntu@26.04', 'ubuntu:24.04', None} <= bases
