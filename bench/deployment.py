"""How long it takes from `juju deploy` until the server answers, until `juju status` says so, and with which hooks."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import subprocess
import time
import urllib.error
import urllib.request

import jubilant

DIST = pathlib.Path(__file__).parent.parent / 'dist'
APPS = ('temporal-k8s', 'temporal-admin-k8s', 'postgresql-k8s')
WORKER = 'temporal-worker-k8s'


def images() -> dict[str, str]:
    """dist/resources.env."""
    return dict(line.split('=', 1) for line in (DIST / 'resources.env').read_text().splitlines() if '=' in line)


@dataclasses.dataclass(frozen=True)
class Deployment:
    """One deployment of server, admin tools and database.

    Attributes:
        agents: seconds from the first `juju deploy` until the last of the three units' agents runs: until then it is
            Juju's and Kubernetes' time.
        answers: seconds from the first `juju deploy` until the frontend's HTTP API answers.
        serving: seconds until every role serves, by the server's own health service.
        status: seconds until `juju status` says that the server is active.
        hooks: how many hooks each application's unit ran until then.
        notices: how many of the server's were for notices.
    """

    agents: float
    answers: float
    serving: float
    status: float
    hooks: dict[str, int]
    notices: int


def measure(juju: jubilant.Juju) -> Deployment:
    """Deploy into an empty model and watch."""
    resources = images()
    began = time.monotonic()
    juju.deploy(DIST / 'temporal-k8s.charm', resources={'temporal-server-image': resources['temporal-server-image']})
    juju.deploy(
        DIST / 'postgresql-k8s.charm', trust=True, resources={'postgresql-image': resources['postgresql-image']}
    )
    juju.integrate('temporal-k8s:db', 'postgresql-k8s:db')
    juju.integrate('temporal-k8s:visibility', 'postgresql-k8s:db')
    juju.deploy(
        DIST / 'temporal-admin-k8s.charm', resources={'temporal-admin-image': resources['temporal-admin-image']}
    )
    juju.integrate('temporal-k8s:admin', 'temporal-admin-k8s:admin')
    agents = answers = serving = status = 0.0
    while not status:
        now = time.monotonic() - began
        if now > 600:
            raise TimeoutError('the server is not active after 600 s')
        agents = agents or (now if _agents_run(juju.model or '') else 0.0)
        answers = answers or (now if _answers(juju.model or '') else 0.0)
        serving = serving or (now if answers and _serves(juju.model or '') else 0.0)
        # `juju status` is asked only once the server serves, so that asking does not slow it down.
        status = now if serving and _active(juju) else 0.0
        time.sleep(0.1)
    # A hook is logged when it has ended.
    juju.wait(lambda found: jubilant.all_agents_idle(found, *APPS), timeout=60)
    hooks, notices = _hooks(juju)
    return Deployment(agents, answers, serving, status, hooks, notices)


def add_worker(juju: jubilant.Juju) -> None:
    """Deploy the OCI Factory's worker beside it, and wait until it polls."""
    image = images()['temporal-worker-image']
    resources = {'temporal-worker-image': image, 'workflows-file': str(DIST / 'oci-factory.tar')}
    juju.deploy(DIST / f'{WORKER}.charm', resources=resources, config={'queue': 'bench'})
    juju.integrate(f'{WORKER}:temporal-host-info', 'temporal-k8s:temporal-host-info')
    juju.wait(lambda status: jubilant.all_active(status, *APPS, WORKER), timeout=180)


def _agents_run(model: str) -> bool:
    """Whether the container with the agent runs in each of the three pods."""
    query = '--output=jsonpath={.items[*].status.containerStatuses[?(@.name=="charm")].state.running.startedAt}'
    names = [f'{app}-0' for app in APPS]
    command = ['kubectl', '--namespace', model, 'get', 'pod', *names, query]
    found = subprocess.run(command, capture_output=True, text=True)
    return found.returncode == 0 and len(found.stdout.split()) == len(names)


def _pod_ip(model: str) -> str:
    command = ['kubectl', '--namespace', model, 'get', 'pod', 'temporal-k8s-0', '--output=jsonpath={.status.podIP}']
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def _answers(model: str) -> bool:
    """Whether the frontend answers a request that reads its database."""
    address = _pod_ip(model)
    if not address:
        return False
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f'http://{address}:7243/api/v1/namespaces', timeout=1) as response:
            return response.status == 200
    except (OSError, urllib.error.URLError):
        return False


def _serves(model: str) -> bool:
    """Whether every role serves: asked where the charm asks."""
    script = 'import urllib.request as u; u.urlopen("http://127.0.0.1:7232/", timeout=1)'
    command = [
        'kubectl',
        '--namespace',
        model,
        'exec',
        'temporal-k8s-0',
        '--container=charm',
        '--',
        'python3',
        '-c',
        script,
    ]
    return subprocess.run(command, capture_output=True).returncode == 0


def _active(juju: jubilant.Juju) -> bool:
    unit = juju.status().apps['temporal-k8s'].units.get('temporal-k8s/0')
    return unit is not None and unit.workload_status.current == 'active'


def _hooks(juju: jubilant.Juju) -> tuple[dict[str, int], int]:
    log = juju.cli('debug-log', '--replay', '--no-tail', '--include-module', 'juju.worker.uniter.operation')
    ran = re.findall(r'^unit-([a-z0-9-]+)-0: .* ran "([a-z-]+)" hook', log, re.MULTILINE)
    hooks = {app: sum(name == app for name, _ in ran) for app in APPS}
    notices = sum(name == 'temporal-k8s' and hook.endswith('pebble-custom-notice') for name, hook in ran)
    return hooks, notices
