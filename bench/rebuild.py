"""How long the OCI Factory's plan takes for all images of the real release data."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
import statistics
import sys
import time

from oci_factory import plan

from bench import tables

# The world is the tests': real releases, and build metadata and tags made to go with them.
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'tests/oci_factory'))
import generator


@dataclasses.dataclass(frozen=True)
class Rebuild:
    """What one release of Ubuntu led to.

    Attributes:
        images: how many were looked at.
        uploads: that were planned.
        seconds: for all images, the median of some rounds.
        worked: share of the time for which this process had a processor.
    """

    images: int
    uploads: int
    seconds: float
    worked: float


def run(rounds: int) -> None:
    """Measure and print; no lab is needed."""
    found = measure(rounds)
    tables.show(
        (f'rebuild (medians of {rounds})', 'ms', 'what limits it'),
        [
            (
                f'plan of {found.images} images ({found.uploads} uploads)',
                f'{found.seconds * 1000:.0f}',
                f'one processor, which it had {found.worked:.0%} of the time',
            )
        ],
    )


def measure(rounds: int) -> Rebuild:
    """Plan for any release of Ubuntu, which is most."""
    world, now = generator.make(1), datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
    metadata = {image: _metadata(world.objects, image) for image in world.releases}
    times, shares, uploads = [], [], 0
    for _ in range(rounds):
        began, worked = time.perf_counter(), time.process_time()
        plans = [
            plan.plan_rebuild(releases, metadata[image], world.tags[image], now)
            for image, releases in world.releases.items()
        ]
        times.append(time.perf_counter() - began)
        shares.append((time.process_time() - worked) / times[-1])
        uploads = sum(len(each.uploads) for each in plans)
    return Rebuild(len(world.releases), uploads, statistics.median(times), statistics.median(shares))


def _metadata(objects: dict[str, str], image: str) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, text in objects.items():
        if name.startswith(f'{image}/') and name.endswith('/build_metadata.json'):
            try:
                found['/'.join(name.split('/')[1:3])] = json.loads(text)
            except ValueError:
                found['/'.join(name.split('/')[1:3])] = None
    return found
