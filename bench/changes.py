"""What a change costs: seconds and hooks until all is quiet again, for options, units and an upgrade."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import subprocess
import time
from collections.abc import Iterator

import jubilant

from bench import limits
from bench.deployment import images

_APP = 'temporal-k8s'


@dataclasses.dataclass
class Change:
    """One change.

    Attributes:
        what: was changed.
        seconds: until every unit is active and idle, and what was asked for is so.
        hooks: that all units of the server ran.
        usage: where the time went.
    """

    what: str
    seconds: float
    hooks: int
    usage: limits.Usage


def measure(juju: jubilant.Juju) -> list[Change]:
    """Change one thing after the other in a deployed model; at its end there are three units."""
    found = []
    with _measured(juju, 'an option without a restart', found) as before:
        juju.config(_APP, {'global-rps-limit': 2000})
        _wait_for_hook(juju, before)
    with _measured(juju, 'an option with a restart, one unit', found) as before:
        juju.config(_APP, {'log-level': 'warn'})
        _wait_for_hook(juju, before)
    with _measured(juju, 'one unit to three', found):
        juju.add_unit(_APP, num_units=2)
        juju.wait(lambda status: len(status.apps[_APP].units) == 3, timeout=60, successes=1)
    with _measured(juju, 'an option with a restart, three units', found):
        restarts = _restarts(juju)
        juju.config(_APP, {'log-level': 'info'})
        while _restarts(juju) < restarts + 3:
            time.sleep(1)
    if 'temporal-server-image-previous' in images():
        for what, resource in (
            ('three units to the previous minor', 'temporal-server-image-previous'),
            ('three units to the next minor', 'temporal-server-image'),
        ):
            with _measured(juju, what, found):
                version = juju.status().apps[_APP].version
                juju.cli('attach-resource', _APP, f'temporal-server-image={images()[resource]}')
                juju.wait(lambda status, version=version: status.apps[_APP].version != version, timeout=600, delay=0.5)
    return found


def _restarts(juju: jubilant.Juju) -> int:
    """How often the three units' servers have been restarted, by their journals."""
    found = 0
    for unit in range(3):
        command = ['kubectl', '--namespace', juju.model or '', 'exec', f'{_APP}-{unit}', '--container=temporal', '--']
        command += ['cat', '/etc/temporal-charm/restarts.jsonl']
        found += subprocess.run(command, capture_output=True, text=True).stdout.count('"what": "restart"')
    return found


def _waits(status: jubilant.Status) -> bool:
    return any('restarts after' in unit.workload_status.message for unit in status.apps[_APP].units.values())


def _quiet(status: jubilant.Status) -> bool:
    return jubilant.all_active(status, _APP) and jubilant.all_agents_idle(status, _APP) and not _waits(status)


@contextlib.contextmanager
def _measured(juju: jubilant.Juju, what: str, found: list[Change]) -> Iterator[int]:
    before = len(_ran(juju))
    with limits.watched() as usage:
        yield before
        juju.wait(_quiet, timeout=600, successes=1, delay=0.3)
    # Still so a moment later: a hook may have been about to begin.
    juju.wait(_quiet, timeout=600, successes=4, delay=1)
    found.append(Change(what, usage.seconds, len(_ran(juju)) - before, usage))


def _ran(juju: jubilant.Juju) -> list[str]:
    log = juju.cli('debug-log', '--replay', '--no-tail', '--include-module', 'juju.worker.uniter.operation')
    return re.findall(rf'^unit-{_APP}-\d+: .* ran "([a-z-]+)" hook', log, re.MULTILINE)


def _wait_for_hook(juju: jubilant.Juju, before: int) -> None:
    """Wait until the server's unit has run a hook more than before."""
    end = time.monotonic() + 60
    while len(_ran(juju)) == before and time.monotonic() < end:
        time.sleep(0.1)
