"""What the integration tests share: deploying the suite from dist/, talking to the cluster, a small wheel to run.

The same files run on the lab and on any other controller: all they know is `juju`, `kubectl` and dist/.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import string
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jubilant

from bench import wheel

ROOT = pathlib.Path(__file__).parent.parent.parent
DIST = ROOT / 'dist'
SERVER, ADMIN, WORKER, POSTGRESQL, NGINX = (
    'temporal-k8s',
    'temporal-admin-k8s',
    'temporal-worker-k8s',
    'postgresql-k8s',
    'nginx-ingress-integrator',
)
CONTAINER = {SERVER: 'temporal', ADMIN: 'temporal-admin', WORKER: 'temporal-worker'}
TOKEN = 'stand-in-token'

PULSE = """
import asyncio
import datetime

from temporalio import activity, workflow


@activity.defn
def beat(number: int) -> int:
    return number


@workflow.defn
class Pulse:
    \"\"\"Goes on for a while: activities and timers in turn.\"\"\"

    @workflow.run
    async def run(self, beats: int, pause: float = 1) -> int:
        total = 0
        for number in range(beats):
            total += await workflow.execute_activity(
                beat, number, start_to_close_timeout=datetime.timedelta(seconds=10)
            )
            await asyncio.sleep(pause)
        return total
"""


def images() -> dict[str, str]:
    """dist/resources.env: resource to image."""
    return dict(line.split('=', 1) for line in (DIST / 'resources.env').read_text().splitlines() if '=' in line)


def charm(name: str) -> pathlib.Path:
    """A packed charm."""
    return DIST / f'{name}.charm'


def deploy_charm(juju: jubilant.Juju, app: str, config: Mapping[str, str | int] | None = None, units: int = 1) -> None:
    """The server's charm, unrelated."""
    image = images()['temporal-server-image']
    juju.deploy(charm(SERVER), app, resources={'temporal-server-image': image}, config=config, num_units=units)


def deploy_postgresql(juju: jubilant.Juju) -> None:
    """PostgreSQL."""
    juju.deploy(charm(POSTGRESQL), trust=True, resources={'postgresql-image': images()['postgresql-image']})


def deploy_server(
    juju: jubilant.Juju,
    *,
    databases: str,
    app: str = SERVER,
    admin: str = ADMIN,
    config: Mapping[str, str | int] | None = None,
    units: int = 1,
) -> None:
    """Server, admin tools and PostgreSQL, related; a PostgreSQL that is there already serves one more.

    Args:
        juju: the model.
        databases: `legacy` for db and visibility, `current` for database and visibility-database.
        app: what the server is called.
        admin: what the admin tools are called.
        config: of the server.
        units: of the server.
    """
    found = images()
    deploy_charm(juju, app, config, units)
    if POSTGRESQL not in juju.status().apps:
        deploy_postgresql(juju)
    juju.deploy(charm(ADMIN), admin, resources={'temporal-admin-image': found['temporal-admin-image']})
    pairs = {
        'legacy': (('db', 'db'), ('visibility', 'db')),
        'current': (('database', 'database'), ('visibility-database', 'database')),
    }
    for ours, theirs in pairs[databases]:
        juju.integrate(f'{app}:{ours}', f'{POSTGRESQL}:{theirs}')
    juju.integrate(f'{app}:admin', f'{admin}:admin')


def deploy_nginx(juju: jubilant.Juju) -> None:
    """The ingress."""
    juju.deploy(charm(NGINX), resources={'nginx-image': images()['nginx-image']})


def deploy_worker(juju: jubilant.Juju, app: str, *, workflows: pathlib.Path, env: pathlib.Path, queue: str) -> None:
    """A worker."""
    resources = {
        'temporal-worker-image': images()['temporal-worker-image'],
        'workflows-file': str(workflows),
        'env-file': str(env),
    }
    juju.deploy(charm(WORKER), app, resources=resources, config={'queue': queue})


def wait_active(
    juju: jubilant.Juju, *apps: str, timeout: float = 300, may_fail: bool = False, steady: float = 0
) -> jubilant.Status:
    """Wait until applications are active and nothing is under way.

    Args:
        juju: the model.
        apps: all of the model if none is named.
        timeout: seconds.
        may_fail: whether a hook may have failed meanwhile, so that Juju runs it again: one that was cut off has.
        steady: seconds for which it has to be so; a unit seems to be idle between two hooks, too.
    """
    pause = 0.5
    try:
        return juju.wait(
            lambda status: jubilant.all_active(status, *apps) and jubilant.all_agents_idle(status, *apps),
            error=None if may_fail else lambda status: _hook_failed(status, *apps),
            timeout=timeout,
            successes=1 + round(steady / pause),
            delay=pause,
        )
    except (TimeoutError, jubilant.WaitError) as error:
        # jubilant's own message is the whole status as Python, hundreds of lines long, and no log.
        table = juju.cli('status')
        log = [line for line in juju.cli('debug-log', '--replay', '--no-tail').splitlines() if line.startswith('unit-')]
        reason = f'not active after {timeout:.0f} s' if isinstance(error, TimeoutError) else 'a hook failed'
    raise AssertionError('\n'.join([reason, table, *log[-40:]]))


def _hook_failed(status: jubilant.Status, *apps: str) -> bool:
    """Whether a hook has; an error is to Juju, too, what Kubernetes tries again: a container whose secret is late."""
    units = (unit for name in apps or status.apps for unit in status.apps[name].units.values())
    told = (unit.workload_status for unit in units)
    return any(one.current == 'error' and one.message.startswith('hook failed') for one in told)


def deploy_pulse(
    juju: jubilant.Juju, folder: pathlib.Path, *, server: str = SERVER, admin: str = ADMIN, app: str = 'pulse'
) -> str:
    """A worker with the workflow Pulse, and the namespace it works in.

    Returns:
        Its task queue, which is called as the worker is.
    """
    register_namespace(juju, admin)
    env = folder / 'pulse.env'
    env.write_text('UNUSED=1\n')
    deploy_worker(juju, app, workflows=pulse_archive(folder), env=env, queue=app)
    juju.integrate(f'{app}:temporal-host-info', f'{server}:temporal-host-info')
    wait_active(juju, server, admin, app)
    return app


def unit_status(status: jubilant.Status, app: str) -> str:
    """The first unit's status and message, as one line."""
    unit = next(iter(status.apps[app].units.values()))
    return f'{unit.workload_status.current}: {unit.workload_status.message}'


def wait_status(juju: jubilant.Juju, app: str, text: str, timeout: float = 180, *, settled: bool = False) -> None:
    """Wait until an application's first unit says something, like `blocked: no database`.

    Args:
        juju: the model.
        app: the application.
        text: how status and message begin.
        timeout: seconds.
        settled: whether it must have nothing more to do, for who takes an option back then. Where another hook than
            config-changed has read the option, and it has its former value again before that hook ends, Juju calls none
            for it: its agent compares only between two hooks. The unit would go by the value that was taken back until
            the next update-status.
    """

    def says(status: jubilant.Status) -> bool:
        if not status.apps[app].units or not unit_status(status, app).startswith(text):
            return False
        return not settled or jubilant.all_agents_idle(status, app)

    try:
        juju.wait(says, timeout=timeout, successes=4 if settled else 1, delay=0.3)
    except TimeoutError:
        raise AssertionError(f'{app} says {unit_status(juju.status(), app)!r}, not {text!r}') from None


def wait_until(condition: Callable[[], bool], what: str, timeout: float = 60, pause: float = 0.2) -> None:
    """Wait until something is so that `juju status` does not show."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f'not so after {timeout:.0f} s: {what}'
        time.sleep(pause)


def wait_forgotten(juju: jubilant.Juju, endpoint: str, *apps: str, timeout: float = 60) -> None:
    """Wait until the agents have forgotten a removed relation, so that it can be made anew.

    An agent that learns of removal and new relation at the same time takes the new one for the old one and never
    watches it (remotestate/watcher.go of Juju, ensureRelationUnits: it knows relations by their endpoints). While an
    agent still remembers, it logs so whenever it looks for something to do.
    """
    juju.wait(lambda status: endpoint not in status.apps[apps[0]].relations, timeout=timeout, successes=1)
    for app in apps:

        def remembers(app: str = app) -> bool:
            def logged() -> int:
                log = juju.cli('debug-log', '--replay', '--no-tail', '--include', f'{app}/0')
                return log.count('unknown relation')

            before = logged()
            juju.exec('true', unit=f'{app}/0', wait=timeout)
            return logged() > before

        wait_until(lambda: not remembers(), f'{app} has forgotten {endpoint}', timeout)


_BY_JUJU = ' failed: context canceled'
"""How the line of a failed hook ends that Juju 4 itself has cut off.

While a unit with a volume goes, it restarts the unit's agent (juju/juju issue 22971).
"""


def failed_hooks(juju: jubilant.Juju, *apps: str) -> list[str]:
    """The lines of Juju's log that tell of a failed hook or an exception.

    A hook that Juju 4 itself cuts off while a unit goes counts as none: Juju runs it again (`_BY_JUJU`).

    Args:
        juju: the model.
        apps: whose; those of the suite's charms that are there if none is named.
    """
    ours = apps or [app for app, status in juju.status().apps.items() if status.charm_name in CONTAINER]
    units = tuple(f'unit-{app}-' for app in ours)
    words = (' failed: ', 'Traceback', 'Uncaught exception')
    lines = juju.cli('debug-log', '--replay', '--no-tail', '--level', 'ERROR').splitlines()
    lines = [line for line in lines if line.startswith(units) and not line.endswith(_BY_JUJU)]
    return [line for line in lines if any(word in line for word in words)]


def register_namespace(juju: jubilant.Juju, admin: str = ADMIN) -> None:
    """The namespace `default`."""
    juju.run(f'{admin}/0', 'tctl', {'args': '--ns default namespace register -rd 3'})


def kubectl(juju: jubilant.Juju, *arguments: str, stdin: str | None = None) -> str:
    """kubectl in the model's namespace."""
    command = ['kubectl', '--namespace', juju.status().model.name, *arguments]
    result = subprocess.run(command, input=stdin, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def pod_exec(juju: jubilant.Juju, pod: str, container: str, script: str) -> str:
    """Run a shell script in a container."""
    return kubectl(juju, 'exec', pod, f'--container={container}', '--', 'sh', '-c', script)


def kill_process(juju: jubilant.Juju, pod: str, container: str, argument: str) -> None:
    """Kill the process that has an argument, as the kernel would if memory ran out."""
    found = f"tr '\\0' '\\n' < $p/cmdline 2>/dev/null | grep -qx {argument}"
    script = f'for p in /proc/[0-9]*; do {found} && kill -9 ${{p#/proc/}} && echo killed; done; true'
    assert 'killed' in pod_exec(juju, pod, container, script)


def replace_pod(juju: jubilant.Juju, pod: str) -> None:
    """Kill a pod without notice, and wait until Kubernetes has replaced it."""

    def query() -> str:
        return kubectl(juju, 'get', 'pod', pod, '--ignore-not-found', '--output=jsonpath={.metadata.uid}')

    before = query()
    kubectl(juju, 'delete', 'pod', pod, '--grace-period=0', '--force')
    wait_until(lambda: query() not in ('', before), f'{pod} is replaced')
    kubectl(juju, 'wait', '--for=condition=Ready', f'pod/{pod}', '--timeout=120s')


def pulse_archive(folder: pathlib.Path) -> pathlib.Path:
    """A tar archive of one wheel with the workflow Pulse."""
    return wheel.archive(folder, 'pulse', PULSE)


def outside(juju: jubilant.Juju, name: str, expression: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """Let a client outside the cluster, for which a name is nginx, evaluate an expression about `temporal`.

    Returns:
        The ended process; what the expression gave is its output.
    """
    command, environment = _outside(juju, name, expression)
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout)


@contextlib.contextmanager
def outside_meanwhile(juju: jubilant.Juju, name: str, expression: str) -> Iterator[subprocess.Popen[str]]:
    """The same in the background; it is killed if the body fails."""
    command, environment = _outside(juju, name, expression)
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    with process:
        try:
            yield process
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _outside(juju: jubilant.Juju, name: str, expression: str) -> tuple[list[str], dict[str, str]]:
    address = juju.status().apps[NGINX].address
    # Without an interpreter's orderly end: the SDK's threads now and then crash it.
    script = f'import os, temporal; print({expression}, flush=True); os._exit(0)'
    command = [str(ROOT / 'demo' / 'with-name'), name, address, sys.executable, '-c', script]
    return command, {**os.environ, 'PYTHONPATH': str(ROOT / 'tests' / 'integration')}


class StandIns:
    """The services that the OCI Factory's workflows ask, in a pod of the model."""

    base = 'http://oci-factory-stand-ins:8080'

    def __init__(self, juju: jubilant.Juju):
        template = (ROOT / 'tests' / 'oci_factory' / 'stand_ins' / 'pod.yaml').read_text()
        manifest = string.Template(template).safe_substitute(IMAGE=images()['oci-factory-stand-ins'])
        kubectl(juju, 'apply', '-f', '-', stdin=manifest)
        kubectl(juju, 'wait', '--for=condition=Ready', 'pod/oci-factory-stand-ins', '--timeout=120s')
        address = kubectl(juju, 'get', 'pod', 'oci-factory-stand-ins', '--output=jsonpath={.status.podIP}')
        self._url = f'http://{address}:8080'

    def env_file(self, folder: pathlib.Path, instead: Mapping[str, str] | None = None) -> pathlib.Path:
        """The worker's environment, with which it finds them.

        Args:
            folder: for the file.
            instead: variables that it has besides, or in the place of those.
        """
        variables = {
            'OCI_FACTORY_RELEASES': f'{self.base}/github',
            'OCI_FACTORY_BUILDS': f'{self.base}/builds',
            'OCI_FACTORY_REGISTRY': f'{self.base}/registry',
            'OCI_FACTORY_GITHUB': f'{self.base}/github',
            'GITHUB_TOKEN': TOKEN,
        }
        path = folder / 'oci-factory.env'
        path.write_text('\n'.join(f'{name}={value}' for name, value in {**variables, **(instead or {})}.items()))
        return path

    def recorded(self) -> list[dict[str, Any]]:
        """The dispatches that GitHub got."""
        return self._ask('GET', '/_recorded')

    def forget(self) -> None:
        """Empty the record, and be faultless."""
        self._ask('DELETE', '/_recorded')
        self._ask('DELETE', '/_faults')

    def fail(self, *faults: dict[str, Any]) -> None:
        """Fail as told: see stand_ins/faults.py."""
        self._ask('POST', '/_faults', faults)

    def _ask(self, method: str, path: str, content: Any = None) -> Any:
        data = None if content is None else json.dumps(content).encode()
        request = urllib.request.Request(f'{self._url}{path}', data, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as response:
            body = response.read()
        return json.loads(body) if body else None
