"""What must be so before the worker may run: the one list behind the gate and the unit's status.

The order is the operator's: first what only a person can do, then what comes by itself. What can only be told once the
hook has done its work stands in `OUTCOMES`. docs/how-to/statuses.md explains each by its name.
"""

from __future__ import annotations

import hashlib
import json

import ops
from temporal_charms import host_info
from temporal_charms.conditions import Condition
from temporal_charms.turns import Turn

import standing
from facts import Facts, Health


def _server_sentence(facts: Facts) -> str:
    return f'no server: juju integrate {facts.app}:temporal-host-info temporal-k8s:temporal-host-info, or set host'


def _remedy(facts: Facts) -> str:
    """What the loader says; it knows the resource, not the application's name."""
    prepared = facts.code.prepared
    if prepared.remedied:
        return prepared.problem
    return f'{prepared.problem}: mend it and juju attach-resource {facts.app} workflows-file=FILE.tar'


BEFORE_CODE: tuple[Condition[Facts], ...] = (
    Condition(
        'config',
        lambda facts: not facts.config.problem,
        lambda facts: ops.BlockedStatus(facts.config.problem),
        stops=False,
    ),
    Condition(
        'one-server',
        lambda facts: not (facts.server.related and facts.config.host),
        lambda facts: ops.BlockedStatus(
            f'the server is named twice, by relation and by host: juju config {facts.app} --reset host'
        ),
        stops=False,
    ),
    Condition(
        'server',
        lambda facts: bool(facts.server.related or facts.config.host),
        lambda facts: ops.BlockedStatus(_server_sentence(facts)),
    ),
    Condition(
        'worker-command',
        lambda facts: not facts.command.problem,
        lambda facts: ops.BlockedStatus(facts.command.problem),
        stops=False,
    ),
    Condition(
        'resources',
        lambda facts: not facts.withheld,
        lambda facts: ops.WaitingStatus(f'waiting for Juju to hand over {facts.withheld}'),
        stops=False,
    ),
    Condition(
        'workflows-file',
        lambda facts: bool(
            facts.workflows.path or facts.workflows.trouble or facts.command.words or facts.command.problem
        ),
        lambda facts: ops.BlockedStatus(
            f'no workflow code: juju attach-resource {facts.app} workflows-file=FILE.tar, or set worker-command'
        ),
    ),
    Condition(
        'env-file',
        lambda facts: not facts.variables.problem,
        lambda facts: ops.BlockedStatus(facts.variables.problem),
        stops=False,
    ),
    Condition(
        'environment-secrets',
        lambda facts: not facts.secrets.problem,
        lambda facts: ops.BlockedStatus(facts.secrets.problem),
        stops=False,
    ),
    standing.OPTIONS,
    Condition(
        'integrations',
        lambda facts: not facts.integrations.problem,
        lambda facts: ops.BlockedStatus(facts.integrations.problem),
        stops=False,
    ),
    Condition(
        'required-integrations',
        lambda facts: not facts.integrations.missing,
        lambda facts: facts.integrations.status(facts.app),
    ),
    Condition(
        'authentication',
        lambda facts: not facts.authentication.problem,
        lambda facts: ops.BlockedStatus(facts.authentication.problem),
        stops=False,
    ),
    Condition(
        'encryption',
        lambda facts: not facts.encryption.problem,
        lambda facts: ops.BlockedStatus(facts.encryption.problem),
        stops=False,
    ),
    Condition(
        'container',
        lambda facts: facts.code.reachable,
        lambda facts: ops.WaitingStatus('waiting for the container to start'),
        # Pebble may only have been slow to answer: a worker that runs all the same goes on.
        stops=False,
    ),
    Condition(
        'frontend',
        # A `host` that makes no sense is for `config` to say.
        lambda facts: facts.server.frontend is not None or not facts.server.related,
        lambda facts: ops.WaitingStatus(f'waiting for {facts.server.related} to say where it answers'),
    ),
)


def _has_namespace(facts: Facts) -> bool:
    """Whether the namespace is there, as far as the server tells; one that registers none says nothing."""
    grant = facts.server.grant
    return not grant.status or (grant.status == host_info.GRANTED and grant.namespace == facts.config.namespace)


def _namespace_status(facts: Facts) -> ops.StatusBase:
    grant, app = facts.server.grant, facts.server.related
    if grant.status == host_info.REFUSED:
        what = grant.reason or f'namespace {facts.config.namespace}'
        return ops.BlockedStatus(f'{app} registers no {what}: juju config {facts.app} namespace=NAME')
    return ops.WaitingStatus(f'waiting for {app} to register namespace {facts.config.namespace}')


def is_to_be_prepared(facts: Facts) -> bool:
    """Whether to prepare the code now; after a problem that may pass by itself only from time to time."""
    if facts.command.words or is_prepared(facts):
        return False
    return facts.code.due or facts.code.prepared.key != preparation_key(facts)


def preparation_key(facts: Facts) -> str:
    """Identifies everything on which the result of preparing the code depends; tells nothing of the variables in it."""
    config = facts.config
    parts = [facts.workflows.key, config.file_name, config.workflows, config.activities, config.index, facts.proxies]
    variables = json.dumps(sorted(facts.given.items()))
    return hashlib.sha256(f'{parts}{variables}'.encode()).hexdigest()[:16]


def is_prepared(facts: Facts) -> bool:
    """Whether the code was prepared from what there is now, and not with a problem that may pass by itself."""
    prepared = facts.code.prepared
    return prepared.key == preparation_key(facts) and not prepared.passing


def _unprepared_status(facts: Facts) -> ops.StatusBase:
    prepared = facts.code.prepared
    if prepared.key == preparation_key(facts):
        return ops.BlockedStatus(_remedy(facts))
    return ops.MaintenanceStatus('installing the workflow code')


CONDITIONS: tuple[Condition[Facts], ...] = (
    *BEFORE_CODE,
    Condition('namespace', _has_namespace, _namespace_status, stops=False),
    Condition(
        'prepared',
        lambda facts: bool(facts.command.words) or is_prepared(facts),
        _unprepared_status,
        stops=False,
    ),
    Condition(
        'code',
        lambda facts: bool(facts.command.words) or facts.code.prepared.passing or not facts.code.prepared.problem,
        lambda facts: ops.BlockedStatus(_remedy(facts)),
    ),
    standing.CODE,
)

OUTCOMES: tuple[Condition[Health], ...] = (
    Condition(
        'polling',
        lambda health: health.polling,
        lambda health: (
            ops.BlockedStatus(health.problem) if health.operator else ops.WaitingStatus(f'waiting for {health.problem}')
        ),
    ),
    standing.OUTCOME,
)
"""What can only be told once the hook has done its work."""


def active(health: Health, turn: Turn) -> ops.ActiveStatus:
    """The status of a worker that polls; tells what will end that, or how often it had to be started anew."""
    if health.warning:
        return ops.ActiveStatus(health.warning)
    if turn.waits_for:
        return ops.ActiveStatus(f'restarts after {turn.waits_for} ({turn.request})')
    times = 'once' if health.restarts == 1 else f'{health.restarts} times'
    return ops.ActiveStatus(f'restarted {times}, last {health.reason}' if health.restarts else '')
