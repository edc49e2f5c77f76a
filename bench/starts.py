"""How long the charm's worker takes to its first poll: from a start of its process, and from other code on."""

from __future__ import annotations

import subprocess
import time

import jubilant

from bench import figures, limits, polls

_POLL = 0.2


def process(juju: jubilant.Juju, app: str, address: str) -> figures.Taken:
    """From the start of the worker's process. The queue is called as the application is."""
    command = ['kubectl', '--namespace', juju.model or '', 'exec', f'{app}-0', '--container=temporal-worker', '--']
    # Without what ends before: only the new process's way to its first poll is measured.
    subprocess.run([*command, '/charm/bin/pebble', 'stop', 'temporal-worker'], check=True, capture_output=True)
    with limits.watched() as usage:
        began = time.time()
        starting = subprocess.Popen(
            [*command, '/charm/bin/pebble', 'start', 'temporal-worker'],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            seconds = polls.first(address, app, began) - began
        finally:
            starting.wait()
    return figures.Taken(seconds, usage)


def attached(juju: jubilant.Juju, app: str, resource: str, value: str, address: str) -> figures.Taken:
    """From `juju attach-resource` of other code, for which Juju replaces the pod; returns when all is quiet again."""
    with limits.watched() as usage:
        before, began = _pod(juju, app), time.time()
        juju.cli('attach-resource', app, f'{resource}={value}')
        while _pod(juju, app) in ('', before):
            if time.time() > began + polls.PATIENCE:
                raise TimeoutError(f'the pod of {app} is not replaced')
            time.sleep(_POLL)
        seconds = polls.first(address, app, time.time()) - began
    quiet(juju, app)
    return figures.Taken(seconds, usage)


def quiet(juju: jubilant.Juju, app: str) -> None:
    """Wait until the application is active, and no hook runs."""
    juju.wait(
        lambda status: jubilant.all_active(status, app) and jubilant.all_agents_idle(status, app),
        timeout=polls.PATIENCE,
    )


def _pod(juju: jubilant.Juju, app: str) -> str:
    query = ['--ignore-not-found', '--output=jsonpath={.metadata.uid}']
    command = ['kubectl', '--namespace', juju.model or '', 'get', 'pod', f'{app}-0', *query]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
