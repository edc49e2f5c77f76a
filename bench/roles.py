"""How much memory each role of the server takes: four applications with a role each."""

from __future__ import annotations

import subprocess

import jubilant

from bench.deployment import DIST, images

_SCRIPT = 'for p in /proc/[0-9]*; do grep -qs temporal-server $p/comm && grep ^Pss: $p/smaps_rollup; done; true'


def measure(juju: jubilant.Juju, provider: str = 'temporal-k8s') -> dict[str, int]:
    """Spread the roles of a deployed server over applications.

    Args:
        juju: the model; afterwards the server in it runs the frontend only.
        provider: the application with the databases.

    Returns:
        Role to MiB of proportional memory, soon after its start.
    """
    image = {'temporal-server-image': images()['temporal-server-image']}
    roles = ('history', 'matching', 'worker')
    for role in roles:
        juju.deploy(DIST / 'temporal-k8s.charm', role, resources=image, config={'services': role})
        juju.integrate(f'{role}:join-cluster', f'{provider}:cluster')
    juju.config(provider, {'services': 'frontend'})
    apps = {'frontend': provider, **{role: role for role in roles}}
    juju.wait(
        lambda status: jubilant.all_active(status, *apps.values()) and jubilant.all_agents_idle(status, *apps.values()),
        timeout=600,
        successes=5,
    )
    return {role: _memory(juju, app) for role, app in apps.items()}


def _memory(juju: jubilant.Juju, app: str) -> int:
    unit = next(iter(juju.status().apps[app].units))
    pod = unit.replace('/', '-')
    command = [
        'kubectl',
        '--namespace',
        juju.model or '',
        'exec',
        pod,
        '--container=temporal',
        '--',
        'sh',
        '-c',
        _SCRIPT,
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return sum(int(line.split()[1]) for line in text.splitlines()) // 1024
