"""Where the processors' time went while something was measured: what limits it, or that something was waited for."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import time
from collections.abc import Iterator, Sequence

_GROUPS = pathlib.Path('/sys/fs/cgroup')
_AGENTS = 'hooks and agents'
_REST = 'cluster and client'
_FULL = 0.9
"""Share of the time from which on there was no processor to be had for more."""


@dataclasses.dataclass
class Usage:
    """Of all processors of the machine, complete when the measurement has ended.

    Attributes:
        seconds: how long it took.
        busy: share of the time in which they worked, 0 to 1.
        shares: the same for each kind of container (`hooks and agents` for all of Juju's), and for all else.
    """

    seconds: float = 0.0
    busy: float = 0.0
    shares: dict[str, float] = dataclasses.field(default_factory=dict)

    def __str__(self) -> str:
        largest = sorted(self.shares.items(), key=lambda item: -item[1])[:3]
        named = ', '.join(f'{name} {share:.0%}' for name, share in largest if share >= 0.01)
        return f'{self.busy:.0%} busy' + (f': {named}' if named else '')

    @property
    def limit(self) -> str:
        """What it comes to: that there are no more processors, or something that more of them would not mend."""
        return f'{"" if self.busy >= _FULL else "not "}the number of processors, {self}'


@contextlib.contextmanager
def watched() -> Iterator[Usage]:
    """Measure the body. Containers that end within it are not told apart from all else."""
    usage = Usage()
    # Asking for the containers takes a while, and is no part of what is measured.
    before = _containers()
    began, worked = time.monotonic(), processors()
    yield usage
    usage.seconds = time.monotonic() - began
    total = usage.seconds * (os.cpu_count() or 1)
    usage.busy = (processors() - worked) / total
    # Those that began within the body have used all that they have since.
    for (name, identifier), used in _containers().items():
        share = (used - before.get((name, identifier), 0.0)) / total
        usage.shares[name] = usage.shares.get(name, 0.0) + share
    usage.shares[_REST] = max(0.0, usage.busy - sum(usage.shares.values()))


def median(usages: Sequence[Usage]) -> Usage:
    """What is in the middle, for each figure by itself."""
    names = {name for usage in usages for name in usage.shares}
    return Usage(
        statistics.median(usage.seconds for usage in usages),
        statistics.median(usage.busy for usage in usages),
        {name: statistics.median(usage.shares.get(name, 0.0) for usage in usages) for name in names},
    )


def processors() -> float:
    """Seconds that all processors have worked since the machine started."""
    user, nice, system, _idle, _iowait, irq, softirq, *_ = map(
        int, pathlib.Path('/proc/stat').read_text().splitlines()[0].split()[1:]
    )
    return (user + nice + system + irq + softirq) / os.sysconf('SC_CLK_TCK')


def _containers() -> dict[tuple[str, str], float]:
    """Name and identifier of each running container to the processor seconds it has used."""
    command = ['kubectl', 'get', 'pods', '--all-namespaces', '--output=json']
    pods = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)['items']
    groups = {path.name: path for path in _GROUPS.glob('cpuacct/kubepods/*/*/*')}
    groups |= {path.name: path for path in _GROUPS.glob('kubepods/*/*/*')}
    found = {}
    for pod in pods:
        for container in pod['status'].get('containerStatuses', []):
            identifier = container.get('containerID', '').rpartition('/')[2]
            if identifier in groups:
                name = _AGENTS if container['name'] in ('charm', 'charm-init') else container['name']
                found[name, identifier] = _seconds(groups[identifier])
    return found


def _seconds(group: pathlib.Path) -> float:
    with contextlib.suppress(OSError):
        return int((group / 'cpuacct.usage').read_text()) / 1e9
    with contextlib.suppress(OSError):
        lines = dict(line.split() for line in (group / 'cpu.stat').read_text().splitlines())
        return int(lines['usage_usec']) / 1e6
    # It has just ended.
    return 0.0
