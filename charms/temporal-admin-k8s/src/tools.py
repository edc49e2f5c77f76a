"""The actions `tctl` and `cli`: one command of Temporal's tools against the related server, as a shell would run it."""

from __future__ import annotations

import itertools
import re
import shlex
from collections.abc import Mapping
from typing import Any

import ops
from ops import pebble
from temporal_charms.admin import Frontend
from temporal_charms.results import cut, sentence
from temporal_charms.workload import File

from facts import Facts
from plan import FOLDER
from workload import NotEnded, NotRun, Workload, last_line

SHORTEST, LONGEST = 1, 600
"""Seconds that `timeout` may be: no other hook runs meanwhile."""

_CA_FILE = f'{FOLDER}/frontend-ca.pem'
_SHORTEST_SECRET = 4
_REMEDY = 'ask for less, or run the tool with kubectl exec'
_YES = {'tctl': '--auto_confirm', 'temporal': '--yes'}
_WORDS = 'key|token|auth|password|secret|grpc-meta|codec-header'
_SECRET = re.compile(rf'-{{1,2}}[\w-]*(?:{_WORDS})[\w-]*')
_STORED = re.compile(rf'[\w.-]*(?:{_WORDS})[\w.-]*')
_NAMES, _VALUES = ('--key', '-k', '--prop', '-p'), ('--value', '-v')
"""Options that name an entry of a tool's own configuration and fill it (`temporal env set`, `temporal config set`)."""


def run(event: ops.ActionEvent, program: str, facts: Facts, workload: Workload) -> None:
    """Run a tool and give back what it says; whatever goes wrong is one sentence."""
    arguments: list[str] = []
    try:
        frontend, arguments, timeout = _frontend(facts), _arguments(event.params['args']), _timeout(event.params)
        if frontend.ca:
            workload.write([File(_CA_FILE, frontend.ca)])
        output = workload.run([program, *arguments], environment(program, frontend), timeout=timeout)
    except (ValueError, NotRun) as error:
        event.fail(sentence(str(error)))
        return
    except pebble.ConnectionError:
        event.fail('the container has gone away: try again')
        return
    except NotEnded as error:
        event.fail(sentence(f'{error}: take a longer timeout, or {_YES[program]} if it asks for a confirmation'))
        event.set_results(_shown(error.stdout, error.stderr, _secrets(facts, arguments)))
        return
    secrets = _secrets(facts, arguments)
    # First, since results may be refused: nothing of what failed is lost with them.
    if output.status != 0:
        said = _redacted(output.stderr or output.stdout, secrets)
        event.fail(sentence(f'{program} ended with status {output.status}: {last_line(said)}'))
    event.set_results({'status': output.status, **_shown(output.stdout, output.stderr, secrets)})


def _shown(stdout: str, stderr: str, secrets: set[str]) -> dict[str, str]:
    """The results; of messages the last ones say why a tool failed."""
    output, messages = _redacted(stdout, secrets), _redacted(stderr, secrets)
    return cut('output', output, remedy=_REMEDY) | cut('messages', messages, end=True, remedy=_REMEDY)


def _frontend(facts: Facts) -> Frontend:
    """Where to go.

    Raises:
        ValueError: when nothing can be run yet.
    """
    server = facts.server
    if not facts.image.reachable:
        raise ValueError('the container has not started yet: try again in a moment')
    if not server.app:
        raise ValueError(f'no server: juju integrate {facts.app}:admin temporal-k8s:admin')
    if server.frontend is None:
        raise ValueError(f'{server.app} has not said yet where it answers: try again when it is active')
    return server.frontend


def _arguments(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise ValueError(f'args cannot be split as a shell would: {error}') from error


def _timeout(params: Mapping[str, Any]) -> float:
    seconds = params['timeout']
    if not SHORTEST <= seconds <= LONGEST:
        raise ValueError(f'timeout must be between {SHORTEST} and {LONGEST} seconds, not {seconds}')
    return float(seconds)


def environment(program: str, frontend: Frontend) -> dict[str, str]:
    """What tells a tool where to go; arguments of the same meaning take precedence."""
    if program == 'tctl':
        variables = {'TEMPORAL_CLI_ADDRESS': frontend.address}
        if frontend.tls:
            # It has no switch for TLS; one of these turns it on.
            variables['TEMPORAL_CLI_TLS_SERVER_NAME'] = frontend.host
        if frontend.tls and frontend.ca:
            variables['TEMPORAL_CLI_TLS_CA'] = _CA_FILE
        return variables
    variables = {'TEMPORAL_ADDRESS': frontend.address}
    if frontend.tls:
        variables['TEMPORAL_TLS'] = 'true'
    if frontend.tls and frontend.ca:
        variables['TEMPORAL_TLS_SERVER_CA_CERT_PATH'] = _CA_FILE
    return variables


def _secrets(facts: Facts, arguments: list[str]) -> set[str]:
    """What no result may hold: the databases' passwords, and what was given as a key or a token."""
    found = {database.password for database in (facts.server.persistence, facts.server.visibility) if database}
    options = [_option(*pair) for pair in itertools.zip_longest(arguments, arguments[1:], fillvalue='')]
    stores = any(option in _NAMES and _STORED.fullmatch(given) for option, given in options)
    for option, given in options:
        # Of those the former is a name, not a secret.
        if option not in _NAMES and (_SECRET.fullmatch(option) or (stores and option in _VALUES)):
            # Metadata is NAME=VALUE, and a value may be "Bearer TOKEN".
            found |= {given, given.partition('=')[2], given.rpartition(' ')[2]}
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}


def _option(argument: str, following: str) -> tuple[str, str]:
    """An option and its value, which stands behind it or behind `=`."""
    option, _, own = argument.partition('=')
    return option, own or following


def _redacted(text: str, secrets: set[str]) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, '***')
    return text
