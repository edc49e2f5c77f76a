"""Prints the figures as tables; absolute times depend on the machine, ratios less."""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import uuid
from collections.abc import Callable

import jubilant

from bench import changes, deployment, hooks, limits, rebuild, resources, roles, throughput, worker
from demo.terminal import table

_SERVER = 'temporal-k8s'


@dataclasses.dataclass(frozen=True)
class _Round:
    """What was measured in one model."""

    deployment: deployment.Deployment
    deploying: limits.Usage
    throughput: throughput.Throughput
    changes: list[changes.Change]


def main() -> None:
    """Measure in some models, one after the other; hooks, sizes and memory in the last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=5, help='how many models')
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error('--rounds is at least 1')
    found = []
    for number in range(1, rounds):
        print(f'round {number} of {rounds}', flush=True)
        juju = _model()
        found.append(_round(juju))
        # What is known so far is worth having, should a later round fail.
        _print(found)
        # Each model has the machine to itself.
        _destroy(juju, wait=True)
    print(f'round {rounds} of {rounds}', flush=True)
    juju = _model()
    found.append(_round(juju))
    _print(found)
    juju.cli('scale-application', _SERVER, '1')
    deployment.add_worker(juju)
    costs = {f'{app}/0': hooks.measure(juju, f'{app}/0') for app in (*deployment.APPS, deployment.WORKER)}
    memory = resources.memory()
    labour = worker.measure(juju)
    by_role = roles.measure(juju)
    _destroy(juju, wait=False)
    _print_hooks(costs)
    _print_worker(labour)
    sizes = {**resources.charms(), **{f'image {n}': s for n, s in resources.unpacked_images().items()}}
    _table(('size', 'MB'), [(name, f'{size:.1f}') for name, size in sizes.items()])
    _table(('memory', 'MiB'), [(name, str(mib)) for name, mib in memory.items()])
    _table(('memory of a role', 'MiB'), [(role, str(mib)) for role, mib in by_role.items()])


def _round(juju: jubilant.Juju) -> _Round:
    with limits.watched() as deploying:
        deployed = deployment.measure(juju)
    juju.run(f'{_SERVER}/0', 'register-namespace', {'name': 'default'})
    rate = throughput.measure(f'{juju.status().apps[_SERVER].address}:7233')
    return _Round(deployed, deploying, rate, changes.measure(juju))


def _model() -> jubilant.Juju:
    juju = jubilant.Juju()
    juju.add_model(f'bench-{uuid.uuid4().hex[:6]}')
    return juju


def _destroy(juju: jubilant.Juju, *, wait: bool) -> None:
    options = ['--no-prompt', '--force', '--destroy-storage', *([] if wait else ['--no-wait'])]
    juju.cli('destroy-model', *options, juju.model or '', include_model=False)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    print()
    table(head, rows)


def _print(found: list[_Round]) -> None:
    deployments, last = [each.deployment for each in found], found[-1].deployment

    def seconds(of: Callable[[deployment.Deployment], float]) -> str:
        return f'{statistics.median(map(of, deployments)):.1f}'

    _table(
        (f'deployment (medians of {len(found)})', 'figure'),
        [
            ('deploy to the last agent started, s', seconds(lambda d: d.agents)),
            ('deploy to first answer, s', seconds(lambda d: d.answers)),
            ('deploy to every role serving, s', seconds(lambda d: d.serving)),
            ('deploy to active in juju status, s', seconds(lambda d: d.status)),
            ('serving to active, s', seconds(lambda d: d.status - d.serving)),
            *((f'hooks of {app}', str(count)) for app, count in last.hooks.items()),
            ('of these for notices of the server', str(last.notices)),
            ('processors meanwhile', str(limits.median([each.deploying for each in found]))),
        ],
    )
    by_change = zip(*(each.changes for each in found), strict=True)
    _table(
        ('change (medians)', 'seconds', 'hooks of the server', 'processors meanwhile'),
        [
            (
                same[0].what,
                f'{statistics.median(change.seconds for change in same):.1f}',
                f'{statistics.median(change.hooks for change in same):.0f}',
                str(limits.median([change.usage for change in same])),
            )
            for same in by_change
        ],
    )
    rates = [each.throughput for each in found]
    _table(
        ('workflows, default options (medians)', 'per second', 'processors meanwhile'),
        [
            (
                'started',
                f'{statistics.median(rate.started for rate in rates):.0f}',
                str(limits.median([rate.starting for rate in rates])),
            ),
            (
                'started and completed',
                f'{statistics.median(rate.completed for rate in rates):.0f}',
                str(limits.median([rate.completing for rate in rates])),
            ),
        ],
    )


def _print_worker(found: worker.Worker) -> None:
    _table(
        ('worker (medians)', 'charm', 'plain SDK', 'ratio'),
        [
            ('activities per second and processor', *_beside(found.activities, 0)),
            ('start of the process to its first poll, s', *_beside(found.start, 1)),
        ],
    )
    planned = rebuild.measure()
    _table(
        ('worker', 'figure'),
        [
            *((f'attached {kind} to its first poll, s', f'{seconds:.1f}') for kind, seconds in found.shipped.items()),
            ('longest silence of a restart under load, s', f'{found.silence:.1f}'),
            (f'plan of {planned.images} images ({planned.uploads} uploads), ms', f'{planned.seconds * 1000:.0f}'),
        ],
    )


def _beside(found: worker.Beside, digits: int) -> tuple[str, str, str]:
    return f'{found.charm:.{digits}f}', f'{found.plain:.{digits}f}', f'{found.ratio:.2f}'


def _print_hooks(costs: dict[str, hooks.Cost]) -> None:
    rows = []
    for unit, cost in costs.items():
        values = (cost.hook, cost.empty, cost.hook - cost.empty, cost.imports - cost.ops)
        rows.append((unit, *(f'{value * 1000:.0f}' for value in values), f'{cost.hook / cost.empty:.2f}'))
    _table(('hook, ms', 'reconcile', 'empty', 'more', 'of it imports', 'ratio'), rows)


if __name__ == '__main__':
    main()
