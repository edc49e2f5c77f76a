"""How much memory each role of the server takes: four applications with a role each."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
import re

import jubilant

from bench.deployment import DIST, images


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
    return {role: _memory(role) for role in apps}


def _memory(role: str) -> int:
    """MiB of the server that runs one role; a container's own root may not look at another user's memory."""
    for process in pathlib.Path('/proc').glob('[0-9]*'):
        with contextlib.suppress(OSError):
            if (process / 'comm').read_text().strip() != 'temporal-server':
                continue
            arguments = (process / 'cmdline').read_text().split('\0')
            if [word for before, word in itertools.pairwise(arguments) if before == '--service'] == [role]:
                found = re.search(r'^Pss:\s+(\d+) kB$', (process / 'smaps_rollup').read_text(), re.MULTILINE)
                return int(found[1]) // 1024 if found else 0
    raise LookupError(f'no server runs {role} alone')
