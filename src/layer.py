"""The Pebble layer: the server, the service that watches its roles, and the checks. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ops import pebble
from temporal_charms.workload import USER_ID, File, environment

import probe
from facts import SERVICE, Facts
from settings import CONFIG_FILE

HEALTH = 'temporal-health'
"""The service that watches the roles."""

SERVING = 'serving'
"""The check of a server that has served: brings the news that it does not any more."""

STARTED = 'started'
"""The check that keeps Kubernetes from sending clients to a pod whose server has not come to serve."""

NOTICE = 'canonical.com/temporal-k8s/serving'
HEALTH_PROGRAM = '/usr/local/bin/temporal-health'
_PATIENCE = '9s'
"""How long a server that is to stop waits for those of other pods to serve."""

_URL = f'http://127.0.0.1:{probe.PORT}/'


def make(facts: Facts, files: tuple[File, ...], causes: Mapping[str, str]) -> pebble.LayerDict:
    """The whole layer.

    Args:
        facts: what the charm knows.
        files: that the server reads.
        causes: values whose change is told as the reason for a restart.
    """
    roles = facts.options.roles
    services = ' '.join(f'--service {role.name}' for role in roles)
    targets = [f'{role.name}=127.0.0.1:{role.port}/{role.health}' for role in roles]
    asked = ' '.join(targets)
    run = ' '.join([
        f'{HEALTH_PROGRAM} run --others {facts.here.pods} --self {facts.here.address} --patience {_PATIENCE}',
        *(f'--role {target}' for target in targets),
    ])  # fmt: skip
    return {
        'services': {
            SERVICE: {
                'override': 'replace',
                'summary': 'Temporal server',
                'command': f'{run} -- temporal-server --config-file {CONFIG_FILE} --allow-no-auth start {services}',
                'startup': 'enabled',
                'environment': environment(causes, files),
                # It stops when others serve, and hands over before it ends. Kubernetes kills after 30 seconds.
                'kill-delay': '27s',
                'user-id': USER_ID,
                'group-id': USER_ID,
            },
            HEALTH: {
                'override': 'replace',
                'summary': 'Tells whether every role of the server is serving',
                'command': f'{HEALTH_PROGRAM} watch --listen 127.0.0.1:{probe.PORT} --notify {NOTICE} {asked}',
                'startup': 'enabled',
                # Restarted with the server, so that it announces the new one. As root: Juju is not told of the notices
                # of other users.
                'environment': environment({}, files),
            },
        },
        'checks': {
            SERVING: {
                'override': 'replace',
                'level': 'ready',
                # Started when the server first serves: a start takes longer than any threshold should.
                'startup': 'disabled',
                'period': '3s',
                'timeout': '2s',
                'threshold': 2,
                'http': {'url': _URL},
            },
            STARTED: _started(),
        },
    }


def why(running: pebble.Service | None, wanted: pebble.LayerDict) -> tuple[str, ...]:
    """The names of what has changed since the server was started; empty if it need not be restarted.

    Args:
        running: the server as it runs; None if it does not.
        wanted: the layer it should run with.
    """
    if running is None:
        return ()
    raw = wanted.get('services', {})[SERVICE]
    if pebble.Service(SERVICE, raw) == running:
        return ()
    now, then = raw.get('environment', {}), running.environment
    changed = [
        name.removeprefix('CHARM_').lower().replace('_', '-')
        for name, value in now.items()
        if name.startswith('CHARM_') and then.get(name) != value
    ]
    # What else is in the configuration comes from the charm itself.
    return tuple(changed) or ('charm',)


def unready() -> pebble.LayerDict:
    """A layer for a container whose server may not run: Kubernetes sends no clients to it."""
    return {'checks': {STARTED: _started()}}


def _started() -> pebble.CheckDict:
    return {
        'override': 'replace',
        'level': 'ready',
        # Kubernetes first asks a container of Juju's after 30 seconds. Fails shortly before, and never for a server
        # that starts as it should.
        'period': '3s',
        'timeout': '2s',
        'threshold': 8,
        'http': {'url': _URL},
    }
