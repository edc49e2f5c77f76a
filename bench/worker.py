"""The worker's figures, each beside a worker of the plain SDK against the same server."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import statistics
import tempfile
import uuid
from collections.abc import Callable

import jubilant

from bench import figures, image, labour, limits, load, models, restarts, starts, tables, wheel
from bench.deployment import DIST, WORKER, images
from bench.figures import Beside, Taken
from bench.plain import Plain

_WHEEL, _IMAGE = 'labour', 'own'
"""The applications, each of which polls a queue of its name: one that gets code, and one whose image has it."""


@dataclasses.dataclass(frozen=True)
class _Scene:
    """What is measured.

    Attributes:
        juju: the model.
        address: HOST:PORT of the server's frontend.
        wheel: one wheel, under a name that Juju takes.
        images: references of the image with a worker of its own, which are attached in turn.
    """

    juju: jubilant.Juju
    address: str
    wheel: pathlib.Path
    images: tuple[str, str]


@dataclasses.dataclass(frozen=True)
class _Round:
    """What was measured in one round.

    Attributes:
        figures: those that are compared.
        restarts: the charm's and the plain one.
    """

    figures: figures.Round
    restarts: tuple[restarts.Restart, restarts.Restart]


def run(rounds: int) -> None:
    """Measure in a model of its own."""
    with models.with_server() as (juju, address), tempfile.TemporaryDirectory() as name:
        scene = _deploy(juju, address, pathlib.Path(name))
        found = []
        for number in range(1, rounds + 1):
            print(f'worker: round {number} of {rounds}', flush=True)
            found.append(_round(scene, number))
            _print(found)


def _deploy(juju: jubilant.Juju, address: str, folder: pathlib.Path) -> _Scene:
    worker_image = images()['temporal-worker-image']
    own = image.ensure(worker_image)
    program = pathlib.Path(labour.__file__).read_text()
    # Juju takes a file with the ending that the charm names, and no other.
    code = folder / f'{_WHEEL}.tar'
    shutil.copy(wheel.wheel(folder, _WHEEL, {f'{_WHEEL}/__init__.py': program}, ['temporalio']), code)
    resources = {'temporal-worker-image': worker_image, 'workflows-file': str(code)}
    juju.deploy(DIST / f'{WORKER}.charm', _WHEEL, resources=resources, config={'queue': _WHEEL})
    config = {'queue': _IMAGE, 'worker-command': image.COMMAND}
    juju.deploy(DIST / f'{WORKER}.charm', _IMAGE, resources={'temporal-worker-image': own[0]}, config=config)
    for app in (_WHEEL, _IMAGE):
        juju.integrate(f'{app}:temporal-host-info', f'{models.SERVER}:temporal-host-info')
    for app in (_WHEEL, _IMAGE):
        starts.quiet(juju, app)
    return _Scene(juju, address, code, own)


def _round(scene: _Scene, number: int) -> _Round:
    """All figures once, the charm's and the plain worker's in turn."""
    juju, address = scene.juju, scene.address
    with Plain('bench.labour', address, f'plain-{uuid.uuid4().hex[:6]}') as plain:
        with limits.watched() as usage:
            plain_start = Taken(plain.first_poll(), usage)
        plain_rate = _watched(lambda: load.rate(address, plain.queue))
        plain_restart = restarts.under_load(address, plain.queue, plain.restart)
    found = {}
    # The wheel comes after the archive, since what follows needs its code.
    for kind, app, resource, value in (
        ("an image's own worker", _IMAGE, 'temporal-worker-image', scene.images[number % 2]),
        ('an archive of wheels', _WHEEL, 'workflows-file', str(DIST / 'oci-factory.tar')),
        ('one wheel', _WHEEL, 'workflows-file', str(scene.wheel)),
    ):
        # Those of one kind have the plain worker's start to be compared with; what limits that is told once.
        beside = plain_start if not found else Taken(plain_start.value)
        attached = starts.attached(juju, app, resource, value, address)
        found[f'{kind}: start of the process to first poll, s'] = Beside(starts.process(juju, app, address), beside)
        found[f'{kind}: attached to first poll, s'] = Beside(attached, Taken(plain_start.value))
    starts.quiet(juju, _WHEEL)
    rate = _watched(lambda: load.rate(address, _WHEEL))
    found['activities per second and processor'] = Beside(rate, plain_rate)
    # Another value each time, so that it is a change.
    restart = restarts.under_load(address, _WHEEL, lambda: juju.config(_WHEEL, {'max-cached-workflows': 900 + number}))
    starts.quiet(juju, _WHEEL)
    found['restart under load: without a poller, s'] = Beside(
        Taken(restart.gap, restart.usage), Taken(plain_restart.gap, plain_restart.usage)
    )
    found['restart under load: longest without an end, s'] = Beside(
        Taken(restart.silence), Taken(plain_restart.silence)
    )
    found['restart under load: slowest workflow, s'] = Beside(Taken(restart.slowest), Taken(plain_restart.slowest))
    return _Round(found, (restart, plain_restart))


def _watched(measure: Callable[[], float]) -> Taken:
    with limits.watched() as usage:
        value = measure()
    return Taken(value, usage)


def _print(found: list[_Round]) -> None:
    tables.beside('worker', [each.figures for each in found])
    of_both = [one for each in found for one in each.restarts]
    resolution = statistics.median(one.resolution for one in of_both)
    noise = statistics.median(one.noise for one in of_both)
    print(
        '\nWithout a poller: by the times of polls that the server tells. It was asked at least every '
        f'{resolution * 1000:.0f} ms, by which each end of the gap may be too far out; without a restart the longest '
        f'time between two polls was {noise * 1000:.0f} ms. The plain worker runs on this machine, beside the cluster; '
        'all first polls are compared with that after a start of its process.'
    )
