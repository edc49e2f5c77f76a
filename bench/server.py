"""The server's figures: deployments, changes and workflows in some models; hooks, sizes and memory in the last."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Callable

import jubilant

from bench import changes, deployment, hooks, limits, models, resources, roles, tables, throughput


@dataclasses.dataclass(frozen=True)
class _Round:
    """What was measured in one model."""

    deployment: deployment.Deployment
    deploying: limits.Usage
    throughput: throughput.Throughput
    changes: list[changes.Change]


def run(rounds: int) -> None:
    """Measure in so many models, one after the other."""
    found = []
    for number in range(1, rounds + 1):
        print(f'server: round {number} of {rounds}', flush=True)
        with models.empty() as juju:
            found.append(_round(juju))
            # What is known so far is worth having, should a later round fail.
            _print(found)
            if number == rounds:
                _last(juju)


def _round(juju: jubilant.Juju) -> _Round:
    with limits.watched() as deploying:
        deployed = deployment.measure(juju)
    return _Round(deployed, deploying, throughput.measure(models.opened(juju)), changes.measure(juju))


def _last(juju: jubilant.Juju) -> None:
    """What is measured once, and leaves the server as no round begins with it."""
    juju.cli('scale-application', models.SERVER, '1')
    deployment.add_worker(juju)
    _print_hooks({f'{app}/0': hooks.measure(juju, f'{app}/0') for app in (*deployment.APPS, deployment.WORKER)})
    sizes = {**resources.charms(), **{f'image {n}': s for n, s in resources.unpacked_images().items()}}
    tables.show(('size', 'MB'), [(name, f'{size:.1f}') for name, size in sizes.items()])
    tables.show(('memory', 'MiB'), [(name, str(mib)) for name, mib in resources.memory().items()])
    by_role = roles.measure(juju)
    tables.show(('memory of a role', 'MiB'), [(role, str(mib)) for role, mib in by_role.items()])


def _print(found: list[_Round]) -> None:
    deployments, last = [each.deployment for each in found], found[-1].deployment

    def seconds(of: Callable[[deployment.Deployment], float]) -> str:
        return f'{statistics.median(map(of, deployments)):.1f}'

    tables.show(
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
    tables.show(
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
    tables.show(
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


def _print_hooks(costs: dict[str, hooks.Cost]) -> None:
    rows = []
    for unit, cost in costs.items():
        values = (cost.hook, cost.empty, cost.hook - cost.empty, cost.imports - cost.ops)
        rows.append((unit, *(f'{value * 1000:.0f}' for value in values), f'{cost.hook / cost.empty:.2f}'))
    tables.show(('hook, ms', 'reconcile', 'empty', 'more', 'of it imports', 'ratio'), rows)
