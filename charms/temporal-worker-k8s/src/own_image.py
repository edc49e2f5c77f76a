"""A worker that `temporal-worker-image` brings with it: what its program is told, and how it is started."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping

from ops import pebble
from temporal_charms.workload import USER_ID, File, environment

from facts import Facts
from loader import layout

PROGRAM = '/usr/local/bin/temporal-attendant'
"""Started as root, and so root's. attendant/main.go says what it does."""

_CA = f'{layout.HOME}/ca.pem'


def files(facts: Facts, variables: Mapping[str, str]) -> tuple[File, ...]:
    """What the program is told: variables in a file, of which the attendant makes its environment.

    Args:
        facts: what the charm knows.
        variables: what code that comes as a wheel would have.
    """
    config = facts.config
    told = {
        'TWC_QUEUES': ','.join(config.queues),
        # As the SDK's parameters are called, for programs that have options for them.
        **{f'TWC_{name.upper()}': str(value) for name, value in config.limits.items()},
    }
    ca = facts.server.frontend.ca if facts.server.frontend else ''
    authority = (File(_CA, ca, restarts=True),) if ca else ()
    told['TWC_TLS_CA_FILE'] = _CA if ca else ''
    if token := facts.authentication.credentials.get('token', ''):
        # As Temporal's clients call it; the attendant asks with it, too.
        told['TEMPORAL_API_KEY'] = token
    if keys := facts.encryption.keys:
        told |= {'TWC_ENCRYPTION_KEYS': ','.join(keys), 'TWC_ENCRYPTION_CIPHER': config.access.cipher}
    return (*authority, File(layout.ENVIRONMENT, json.dumps({**variables, **told}), 0o600, restarts=True))


def layer(facts: Facts, files: tuple[File, ...], service: str, announcer: str) -> pebble.LayerDict:
    """The Pebble layer; the attendant announces the worker itself.

    Args:
        facts: what the charm knows.
        files: that are read at the start.
        service: the name of the worker's service.
        announcer: the name of the one that announces workers that come as wheels.
    """
    command = [PROGRAM, '-environment', layout.ENVIRONMENT, '-restarts', layout.RESTARTS, '-home', layout.HOME]
    command += ['-user', str(USER_ID), '-listen', f'127.0.0.1:{layout.HEALTH_PORT}', '-notify', layout.NOTICE]
    command += ['-grace', f'{layout.GRACE + layout.CANCELLED + layout.HAND_OVER}s']
    for queue in facts.config.queues:
        command += ['-queue', queue]
    return {
        'services': {
            service: {
                'override': 'replace',
                'summary': "The image's own Temporal worker",
                'command': shlex.join([*command, '--', *facts.command.words]),
                'startup': 'enabled',
                'environment': environment({}, files),
                'kill-delay': f'{layout.KILL_DELAY}s',
            },
            announcer: {
                'override': 'replace',
                'summary': 'Not needed beside a worker of the image',
                'command': 'true',
                'startup': 'disabled',
            },
        },
    }
