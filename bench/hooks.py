"""What a hook costs: each charm's, beside one that does nothing but ops, in the same pod, in turn."""

from __future__ import annotations

import dataclasses
import json
import statistics

import jubilant

_ROUNDS = 9

# Runs in the unit, inside a hook context, so that the hook commands work as in a real hook.
_SCRIPT = """
import json, os, pathlib, subprocess, sys, time
charm = pathlib.Path(os.environ['JUJU_CHARM_DIR'])
empty = pathlib.Path('/tmp/empty-charm')
(empty / 'src').mkdir(parents=True, exist_ok=True)
(empty / 'src/charm.py').write_text('import ops\\nclass C(ops.CharmBase):\\n    pass\\nops.main(C)\\n')
(empty / 'metadata.yaml').write_text((charm / 'metadata.yaml').read_text())
python = sys.executable
paths = [str(charm / 'lib'), str(charm / 'src'), *map(str, (charm / 'venv/lib').glob('python3*/site-packages'))]

def run(folder, code=None):
    environment = {
        **os.environ, 'PYTHONPATH': ':'.join(paths), 'JUJU_CHARM_DIR': str(folder), 'JUJU_HOOK_NAME': 'update-status',
        'JUJU_DISPATCH_PATH': 'hooks/update-status',
    }
    for name in ('JUJU_ACTION_NAME', 'JUJU_ACTION_UUID', 'JUJU_ACTION_TAG'):
        environment.pop(name, None)
    command = [python, '-c', code] if code else [python, str(folder / 'src/charm.py')]
    began = time.perf_counter()
    subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - began

rounds = int(sys.argv[1])
times = {'hook': [], 'empty': [], 'imports': [], 'ops': []}
for i in range(rounds + 1):
    measured = {
        'hook': run(charm), 'empty': run(empty), 'imports': run(charm, 'import charm'), 'ops': run(charm, 'import ops'),
    }
    for name, seconds in measured.items():
        if i:
            times[name].append(seconds)
print('FIGURES' + json.dumps(times))
"""


@dataclasses.dataclass(frozen=True)
class Cost:
    """Seconds, medians of some rounds in which all four were run in turn.

    Attributes:
        hook: update-status of the charm, a full reconcile.
        empty: the same event of a charm without a line of its own.
        imports: starting Python and importing the charm.
        ops: starting Python and importing ops.
    """

    hook: float
    empty: float
    imports: float
    ops: float


def measure(juju: jubilant.Juju, unit: str) -> Cost:
    """Measure in a running unit."""
    task = juju.exec('python3', '-c', _SCRIPT, str(_ROUNDS), unit=unit)
    times = json.loads(task.stdout.split('FIGURES', 1)[1])
    return Cost(**{name: statistics.median(values) for name, values in times.items()})
