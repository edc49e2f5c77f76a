"""From facts to the loader's files, the Pebble layer and the conditions. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
import re
from collections.abc import Mapping

import ops
from ops import pebble
from temporal_charms import host_info
from temporal_charms.conditions import Condition, first_unmet, must_stop
from temporal_charms.workload import USER_ID, File, environment

import own_image
import standing
from environment import compose
from facts import Facts, Health
from loader import layout
from loader.standing import Standing

SERVICE, ANNOUNCER, WAKER = 'temporal-worker', 'announcer', 'waker'
_LOADER = pathlib.Path(__file__).parent / 'loader'


def _server_sentence(facts: Facts) -> str:
    return f'no server: juju integrate {facts.app}:temporal-host-info temporal-k8s:temporal-host-info, or set host'


_REMEDIED = re.compile(
    r'.*: (attach (it again|one|the right one|(one|an image) with Python, pip and temporalio)'
    r'|(change|keep one, or name one in) supported-(workflows|activities)'
    r'|set workflows-file-name|set it to one of them|it is tried again)',
    re.DOTALL,
)
"""Problems that end with what is to be done; what they quote before may use the same words."""


def _remedy(facts: Facts, problem: str) -> str:
    """The loader knows the resource, not the application's name."""
    if _REMEDIED.fullmatch(problem):
        return problem
    return f'{problem}: mend it and juju attach-resource {facts.app} workflows-file=FILE.tar'


_BEFORE_CODE: tuple[Condition[Facts], ...] = (
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
    own_image.OPTION,
    Condition(
        'resources',
        lambda facts: not facts.withheld,
        lambda facts: ops.WaitingStatus(f'waiting for Juju to hand over {facts.withheld}'),
        stops=False,
    ),
    Condition(
        'workflows-file',
        lambda facts: bool(facts.workflows.path or facts.workflows.trouble or facts.command.words),
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
    ),
    Condition(
        'frontend',
        lambda facts: facts.server.frontend is not None,
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


def _is_prepared(facts: Facts) -> bool:
    prepared = facts.code.prepared
    return prepared.key == preparation_key(facts) and not prepared.passing


def _unprepared_status(facts: Facts) -> ops.StatusBase:
    prepared = facts.code.prepared
    if prepared.key == preparation_key(facts):
        return ops.BlockedStatus(_remedy(facts, prepared.problem))
    return ops.MaintenanceStatus('installing the workflow code')


CONDITIONS: tuple[Condition[Facts], ...] = (
    *_BEFORE_CODE,
    Condition('namespace', _has_namespace, _namespace_status, stops=False),
    Condition(
        'prepared',
        lambda facts: bool(facts.command.words) or _is_prepared(facts),
        _unprepared_status,
        stops=False,
    ),
    Condition(
        'code',
        lambda facts: bool(facts.command.words) or facts.code.prepared.passing or not facts.code.prepared.problem,
        lambda facts: ops.BlockedStatus(_remedy(facts, facts.code.prepared.problem)),
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


def active(health: Health) -> ops.ActiveStatus:
    """The status of a worker that polls; tells what will end that, or how often it had to be started anew."""
    if health.warning:
        return ops.ActiveStatus(health.warning)
    times = 'once' if health.restarts == 1 else f'{health.restarts} times'
    return ops.ActiveStatus(f'restarted {times}, last {health.reason}' if health.restarts else '')


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the charm wants to be so.

    Attributes:
        unmet: the first condition that keeps the worker from being (re)started; None if nothing does.
        stop: whether a running worker must stop.
        files: the loader, its settings and the environment; empty while the code cannot even be prepared.
        prepare: the key under which the code has still to be prepared; empty if it is.
        layer: the Pebble layer; empty while the worker may not be (re)started.
        attended: whether the worker is the image's own.
        databag: what the application says on `temporal-worker-info`.
        request: what it asks of the server on `temporal-host-info`.
        requests: endpoint to what it asks of the applications that the code uses.
        standing: what the worker is told to keep running; None where it goes on as it was told before.
        wakes: whether to look again in a while, since nothing else brings the news.
    """

    unmet: Condition[Facts] | None
    stop: bool
    files: tuple[File, ...]
    prepare: str
    layer: pebble.LayerDict
    attended: bool
    databag: dict[str, str]
    request: dict[str, str]
    requests: Mapping[str, Mapping[str, str]]
    standing: Standing | None
    wakes: bool


def make(facts: Facts) -> Plan:
    """Decide."""
    unmet = first_unmet(CONDITIONS, facts)
    ready_for_code = first_unmet(_BEFORE_CODE, facts) is None
    files = _files(facts) if ready_for_code else ()
    layer = _own_layer if facts.command.words else _layer
    return Plan(
        unmet=unmet,
        stop=must_stop(CONDITIONS, facts),
        files=files,
        prepare=preparation_key(facts) if files and not facts.command.words and not _is_prepared(facts) else '',
        layer=layer(facts, files) if files and unmet is None else {},
        attended=bool(facts.command.words),
        databag=_databag(facts),
        request=host_info.Request(facts.config.namespace).dump(),
        requests=facts.integrations.requests,
        # Whoever no longer leads must know it, even where its options are wrong.
        standing=standing.wanted(facts) if unmet is None or not facts.leader else None,
        wakes=bool(facts.withheld)
        or (facts.code.prepared.passing and not facts.command.words)
        or any(x.comes for x in (facts.secrets, facts.integrations, facts.authentication, facts.encryption)),
    )


def _databag(facts: Facts) -> dict[str, str]:
    """Canonical's charms read one queue; `queues` has all, where there are several."""
    queues = facts.config.queues
    told = {'namespace': facts.config.namespace, 'queue': facts.config.queue}
    return {**told, 'queues': ','.join(queues)} if len(queues) > 1 else told


def preparation_key(facts: Facts) -> str:
    """Identifies everything on which the result of preparing the code depends; tells nothing of the variables in it."""
    config = facts.config
    parts = [facts.workflows.key, config.file_name, config.workflows, config.activities, config.index, facts.proxies]
    variables = json.dumps(sorted(facts.given.items()))
    return hashlib.sha256(f'{parts}{variables}'.encode()).hexdigest()[:16]


def _settings(facts: Facts) -> layout.Settings:
    config, frontend = facts.config, facts.server.frontend
    assert frontend is not None
    return layout.Settings(
        code=facts.workflows.key,
        file_name=config.file_name,
        index=config.index,
        workflows=config.workflows,
        activities=config.activities,
        address=frontend.address,
        tls=frontend.tls,
        ca=frontend.ca,
        namespace=config.namespace,
        queues=config.queues,
        limits=config.limits,
        metrics_port=config.prometheus_port,
        log_level=config.log_level,
        provider=facts.authentication.provider,
        secret=facts.authentication.secret,
        cipher=config.access.cipher,
        sentry=config.sentry.settings,
    )


def _own_layer(facts: Facts, files: tuple[File, ...]) -> pebble.LayerDict:
    return own_image.layer(facts, files, SERVICE, ANNOUNCER)


def _files(facts: Facts) -> tuple[File, ...]:
    frontend = facts.server.frontend
    assert frontend is not None
    variables = compose(facts.config, frontend, facts.given, facts.proxies, facts.own)
    if facts.command.words:
        return own_image.files(facts, variables)
    loader = [
        File(f'{layout.PROGRAMS}/loader/{path.name}', path.read_text(), owner=0, restarts=True)
        for path in sorted(_LOADER.glob('*.py'))
    ]
    return (
        *loader,
        File(layout.SETTINGS, _settings(facts).dump(), restarts=True),
        File(
            layout.ENVIRONMENT,
            json.dumps(variables),
            0o600,
            restarts=True,
        ),
        # Read again whenever it changes.
        File(layout.CREDENTIALS, json.dumps(dict(facts.authentication.credentials)), 0o600),
        File(layout.KEYS, _keys(facts).dump(), 0o600, restarts=True),
    )


def python(facts: Facts) -> str:
    """The Python of the code's virtual environment, in the container."""
    return f'{pathlib.PurePosixPath(layout.archive(facts.workflows.key)).parent}/venv/bin/python'


def _keys(facts: Facts) -> layout.Keys:
    identity = facts.authentication
    return layout.Keys(identity.certificate, identity.key, facts.encryption.keys)


def _layer(facts: Facts, files: tuple[File, ...]) -> pebble.LayerDict:
    return {
        'services': {
            SERVICE: {
                'override': 'replace',
                'summary': 'Temporal worker',
                'command': f'{python(facts)} -m loader.run',
                'startup': 'enabled',
                'working-dir': layout.HOME,
                'environment': environment({'PYTHONPATH': layout.PROGRAMS, 'HOME': layout.HOME}, files),
                'user-id': USER_ID,
                'group-id': USER_ID,
                'kill-delay': f'{layout.KILL_DELAY}s',
            },
            ANNOUNCER: {
                'override': 'replace',
                'summary': 'Tells Juju how the worker is',
                'command': f'python3 {layout.PROGRAMS}/loader/announce.py {layout.HEALTH_PORT} {layout.NOTICE}',
                'startup': 'enabled',
                # Restarted with the worker, so that it announces the new one.
                'environment': environment({}, files),
            },
        },
    }
