"""From facts to the loader's files and the Pebble layer. Pure."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from collections.abc import Mapping

from ops import pebble
from temporal_charms import host_info
from temporal_charms.conditions import Condition, first_unmet, must_stop
from temporal_charms.turns import Turn
from temporal_charms.workload import USER_ID, File, environment

import own_image
import standing
from conditions import BEFORE_CODE, CONDITIONS, is_to_be_prepared, preparation_key
from environment import compose
from facts import SERVICE, Facts
from loader import layout
from loader.standing import Standing

ANNOUNCER, WAKER, RETRY = 'announcer', 'waker', 'retry'
_LOADER = pathlib.Path(__file__).parent / 'loader'
_CODE = 'CODE'
"""The variable of the worker's service that identifies its code."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the charm wants to be so.

    Attributes:
        unmet: the first condition that is not met; None if all are.
        stop: whether a running worker must stop.
        files: the loader, its settings and the environment; empty while the code cannot even be prepared.
        at_once: what reaches a running worker even while it may not be (re)started.
        prepare: the key under which the code has still to be prepared; empty if it is.
        layer: the Pebble layer; empty while the worker may not be (re)started, or waits for its turn to be.
        replaces: whether a worker that runs gets other code by it.
        turn: what this unit asks of the others, and waits for.
        attended: whether the worker is the image's own.
        databag: what the application says on `temporal-worker-info`.
        request: what it asks of the server on `temporal-host-info`.
        requests: endpoint to what it asks of the applications that the code uses.
        standing: what the worker is told to keep running; None where it goes on as it was told before.
        wakes: whether to look again in a while, since nothing else brings the news.
        retry: seconds from the last try to prepare the code to the next one; 0 if that is not to be repeated.
    """

    unmet: Condition[Facts] | None
    stop: bool
    files: tuple[File, ...]
    at_once: tuple[File, ...]
    prepare: str
    layer: pebble.LayerDict
    replaces: bool
    turn: Turn
    attended: bool
    databag: dict[str, str]
    request: dict[str, str]
    requests: Mapping[str, Mapping[str, str]]
    standing: Standing | None
    wakes: bool
    retry: int


def make(facts: Facts) -> Plan:
    """Decide."""
    unmet = first_unmet(CONDITIONS, facts)
    # What guards only what the server is to keep running holds back none of the rest, but for other code.
    spared = () if _replaces(facts) else (standing.OPTIONS, standing.CODE)
    held = first_unmet((each for each in CONDITIONS if each not in spared), facts)
    ready_for_code = first_unmet((each for each in BEFORE_CODE if each not in spared), facts) is None
    files = _files(facts) if ready_for_code else ()
    layer: pebble.LayerDict = {}
    if files and held is None:
        layer = (_own_layer if facts.command.words else _layer)(facts, files)
    # One that is to work and does not keeps the turn: what broke it would break the others.
    # So does one whose container is away: what is in it cannot be told.
    settled = facts.health.polling or (held is not None and facts.code.reachable)
    turn = facts.asked.go_on(_why(facts, layer), settled=settled)
    waits = bool(turn.waits_for)
    return Plan(
        unmet=unmet,
        stop=must_stop(CONDITIONS, facts),
        files=files,
        at_once=_at_once(facts),
        prepare=preparation_key(facts) if files and is_to_be_prepared(facts) else '',
        layer={} if waits else layer,
        replaces=bool(layer) and not waits and _replaces(facts),
        turn=turn,
        attended=bool(facts.command.words),
        databag=_databag(facts),
        request=host_info.Request(facts.config.namespace).dump(),
        requests=facts.integrations.requests,
        # Whoever no longer leads must know it, even where its options are wrong.
        standing=standing.wanted(facts) if (unmet is None and not waits) or not facts.leader else None,
        wakes=bool(facts.withheld)
        or any(x.comes for x in (facts.secrets, facts.integrations, facts.authentication, facts.encryption)),
        retry=0 if facts.command.words else facts.code.prepared.pause,
    )


def _why(facts: Facts, layer: pebble.LayerDict) -> str:
    """Why a worker that polls is to be restarted; any other one has nothing to lose, and need not wait for its turn."""
    running = facts.code.running
    if not layer or running is None or not facts.health.polling or running == pebble.Layer(layer).services[SERVICE]:
        return ''
    return 'code' if _replaces(facts) else 'configuration'


def _at_once(facts: Facts) -> tuple[File, ...]:
    """The credentials with which a running worker gets its tokens; not those of another secret or provider."""
    identity, told = facts.authentication, facts.code.told
    if facts.command.words or not told or not identity.provider:
        return ()
    same = (told.provider, told.secret) == (identity.provider, identity.secret)
    return (_credentials(facts),) if same else ()


def _credentials(facts: Facts) -> File:
    return File(layout.CREDENTIALS, json.dumps(dict(facts.authentication.credentials)), 0o600)


def _replaces(facts: Facts) -> bool:
    """Whether a worker that runs would get other code."""
    running = facts.code.running
    return running is not None and running.environment.get(_CODE, '') != _code_key(facts)


def _code_key(facts: Facts) -> str:
    """Identifies what of the code a worker runs; empty for one that the image brings."""
    if facts.command.words:
        return ''
    config = facts.config
    parts = [facts.workflows.key, config.file_name, config.workflows, config.activities]
    return hashlib.sha256(f'{parts}'.encode()).hexdigest()[:16]


def _databag(facts: Facts) -> dict[str, str]:
    """Canonical's charms read one queue; `queues` has all, where there are several."""
    queues = facts.config.queues
    told = {'namespace': facts.config.namespace, 'queue': facts.config.queue}
    return {**told, 'queues': ','.join(queues)} if len(queues) > 1 else told


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
        _credentials(facts),
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
                'environment': environment(
                    {'PYTHONPATH': layout.PROGRAMS, 'HOME': layout.HOME, _CODE: _code_key(facts)}, files
                ),
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
