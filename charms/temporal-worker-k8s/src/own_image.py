"""A worker that `temporal-worker-image` brings with it: the option `worker-command`, and how the program is started.

Nothing but an option can tell: Juju starts Pebble instead of what an image is built to start, and an image from which
wheels are run has a command as well.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

import ops
from ops import pebble
from temporal_charms.conditions import Condition
from temporal_charms.workload import USER_ID, File, environment

from loader import layout

if TYPE_CHECKING:
    from facts import Facts

PROGRAM = '/usr/local/bin/temporal-attendant'
"""Started as root, and so root's. attendant/main.go says what it does."""

_CA = f'{layout.HOME}/ca.pem'


@dataclasses.dataclass(frozen=True)
class Command:
    """The option.

    Attributes:
        words: the program and its arguments; none for a worker that comes as a wheel.
        problem: what is wrong with the option.
    """

    words: tuple[str, ...] = ()
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Command:
        """Read it as a shell would, which there need not be."""
        try:
            return cls(tuple(shlex.split(str(raw['worker-command']))))
        except ValueError as error:
            return cls(problem=f'worker-command: {str(error).lower()}: juju config {app} worker-command=...')


OPTION: Condition[Facts] = Condition(
    'worker-command',
    lambda facts: not facts.command.problem,
    lambda facts: ops.BlockedStatus(facts.command.problem),
    stops=False,
)


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
