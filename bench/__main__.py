"""Prints the figures as tables; absolute times depend on the machine, ratios less."""

from __future__ import annotations

import argparse
import statistics
import uuid

import jubilant

from bench import changes, deployment, hooks, resources, roles, throughput
from demo.terminal import table


def main() -> None:
    """Deploy some times, measure hooks in the last deployment, weigh everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--rounds', type=int, default=5, help='how many deployments')
    rounds = parser.parse_args().rounds
    if rounds < 1:
        parser.error('--rounds is at least 1')
    found = []
    for number in range(1, rounds):
        print(f'deployment {number} of {rounds}', flush=True)
        juju = _model()
        found.append(deployment.measure(juju))
        # Each deployment has the machine to itself.
        _destroy(juju, wait=True)
    print(f'deployment {rounds} of {rounds}', flush=True)
    juju = _model()
    found.append(deployment.measure(juju))
    deployment.add_worker(juju)
    _print(found, juju)
    _print_throughput(juju)
    _print_changes(juju)
    juju.cli('scale-application', 'temporal-k8s', '1')
    print()
    table(('memory of a role', 'MiB'), [(role, str(mib)) for role, mib in roles.measure(juju).items()])
    _destroy(juju, wait=False)


def _model() -> jubilant.Juju:
    juju = jubilant.Juju()
    juju.add_model(f'bench-{uuid.uuid4().hex[:6]}')
    return juju


def _destroy(juju: jubilant.Juju, *, wait: bool) -> None:
    options = ['--no-prompt', '--force', '--destroy-storage', *([] if wait else ['--no-wait'])]
    juju.cli('destroy-model', *options, juju.model or '', include_model=False)


def _print(found: list[deployment.Deployment], juju: jubilant.Juju) -> None:
    last = found[-1]
    print()
    table(
        ('deployment (medians)', 'figure'),
        [
            ('deploy to the last agent started, s', f'{statistics.median(f.agents for f in found):.1f}'),
            ('deploy to first answer, s', f'{statistics.median(f.answers for f in found):.1f}'),
            ('deploy to every role serving, s', f'{statistics.median(f.serving for f in found):.1f}'),
            ('deploy to active in juju status, s', f'{statistics.median(f.status for f in found):.1f}'),
            ('serving to active, s', f'{statistics.median(f.status - f.serving for f in found):.1f}'),
            *((f'hooks of {app}', str(count)) for app, count in last.hooks.items()),
            ('of these for notices of the server', str(last.notices)),
        ],
    )
    print()
    rows = []
    for unit in (f'{app}/0' for app in (*deployment.APPS, deployment.WORKER)):
        cost = hooks.measure(juju, unit)
        values = (cost.hook, cost.empty, cost.hook - cost.empty, cost.imports - cost.ops)
        rows.append((unit, *(f'{value * 1000:.0f}' for value in values), f'{cost.hook / cost.empty:.2f}'))
    table(('hook, ms', 'reconcile', 'empty', 'more', 'of it imports', 'ratio'), rows)
    print()
    sizes = {**resources.charms(), **{f'image {n}': s for n, s in resources.unpacked_images().items()}}
    table(('size', 'MB'), [(name, f'{size:.1f}') for name, size in sizes.items()])
    print()
    table(('memory', 'MiB'), [(name, str(mib)) for name, mib in resources.memory().items()])


def _print_throughput(juju: jubilant.Juju) -> None:
    address = juju.status().apps['temporal-k8s'].address
    rate = throughput.measure(f'{address}:7233')
    print()
    rows = [('started', f'{rate.started:.0f}'), ('started and completed', f'{rate.completed:.0f}')]
    table(('workflows per second, default options', 'figure'), rows)


def _print_changes(juju: jubilant.Juju) -> None:
    print()
    rows = [(change.what, f'{change.seconds:.1f}', str(change.hooks)) for change in changes.measure(juju)]
    table(('change', 'seconds', 'hooks of the server'), rows)


if __name__ == '__main__':
    main()
