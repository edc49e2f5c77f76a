"""What an operator can have done or told by `juju run`: one function for each action, named in `_HANDLERS`.

A function takes the action's parameters and gives back its results; what goes wrong is one sentence. Results have flat
keys; what is nested is JSON. Imported where it is used: hooks that run no action do not pay for it.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import ops
from ops import pebble
from temporal_charms import results, versions

import declared
import namespaces
import probe
import report
from client import NOT_FOUND, UNAVAILABLE, Client, Namespace, Refused
from declared import Wanted
from facts import Facts
from plan import Plan
from workload import Workload

_DELETION = 60.0
"""Seconds for a deletion to begin: a workflow of the server's does it."""

_RELEASE = re.compile(r'\d+\.\d+\.\d+(-[-.\w]+)?')

_SEARCH = 60.0
"""Seconds to look for running workflows in every namespace."""

_NAMED = 20
"""Running workflows of each namespace that are named, as far as there is room; all are counted."""

_PLACES = 10
"""Namespaces that the sentence names in which workflows are running; the results have all."""


class Failed(Exception):
    """The action fails; one sentence.

    Attributes:
        results: what is told all the same.
    """

    def __init__(self, sentence: str, results: Mapping[str, object] | None = None):
        super().__init__(sentence)
        self.results = results or {}


@dataclasses.dataclass(frozen=True)
class Context:
    """What an action works with.

    Attributes:
        facts: what the charm knows.
        plan: what it wants to be so.
        workload: the container.
        params: of the action.
    """

    facts: Facts
    plan: Plan
    workload: Workload
    params: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The namespace that the action is about."""
        return self.params['name'].strip()

    def server(self, timeout: float = 10.0) -> Client:
        """A client of the server."""
        return namespaces.ask(self.facts, timeout)

    def wanted(self) -> Wanted:
        """The namespace as the parameters describe it."""
        settings = {key: value for key, value in self.params.items() if key != 'name'}
        for key in ('data', 'search-attributes'):
            if key in settings:
                settings[key] = declared.pairs(key, settings[key])
        return declared.wanted(self.name, settings)


def run(event: ops.ActionEvent, facts: Facts, plan: Plan, workload: Workload) -> None:
    """Run an action.

    Args:
        event: Juju's.
        facts: what the charm knows.
        plan: what it wants to be so.
        workload: the container.
    """
    name = event.handle.kind.removesuffix('_action').replace('_', '-')
    try:
        event.set_results(results.flat(_HANDLERS[name](Context(facts, plan, workload, event.params))))
    except Failed as failed:
        # The sentence first, since results may be refused.
        event.fail(results.sentence(str(failed)))
        event.set_results(results.flat(failed.results))
    except declared.Wrong as wrong:
        event.fail(results.sentence(str(wrong)))
    except Refused as refused:
        standing = report.standing(facts, plan)
        away = refused.code == UNAVAILABLE and not facts.health.serving
        sentence = f'the server does not serve ({standing.name}: {standing.message})' if away else refused.sentence
        event.fail(results.sentence(sentence))


def _find(server: Client, name: str) -> Namespace:
    try:
        return server.describe(name)
    except Refused as refused:
        if refused.code == NOT_FOUND:
            raise Failed(f'there is no namespace {name}') from refused
        raise


def _register(context: Context) -> dict[str, object]:
    wanted = context.wanted()
    with context.server() as server:
        try:
            found = server.describe(wanted.name)
        except Refused as refused:
            if refused.code != NOT_FOUND:
                raise
        else:
            if steps := namespaces.plan([found], [wanted]):
                differences = '; '.join(str(step) for step in steps)
                raise Failed(f'there is another {wanted.name} already: use update-namespace for {differences}')
            return report.namespace(found) | {'changed': False}
        return _make(server, wanted, ())


def _update(context: Context) -> dict[str, object]:
    wanted = context.wanted()
    _refuse_declared(context)
    with context.server() as server:
        return _make(server, wanted, (_find(server, wanted.name),))


def _make(server: Client, wanted: Wanted, observed: tuple[Namespace, ...]) -> dict[str, object]:
    """Let a namespace be as it is wanted, and show it."""
    steps = namespaces.plan(observed, [wanted])
    problems = namespaces.carry_out(server, steps)
    if problems:
        raise Failed(problems[wanted.name].sentence)
    return report.namespace(server.describe(wanted.name)) | {'changed': bool(steps)}


def _refuse_declared(context: Context) -> None:
    """Refuse to touch a namespace that is declared, or may be."""
    facts = context.facts
    if facts.member:
        raise Failed(f'namespaces belong to {facts.membership.provider}: run the action there')
    if facts.options.problem:
        raise Failed(f'which namespaces are declared cannot be told: {facts.options.problem}')
    if context.name in {each.name for each in facts.options.declared}:
        raise Failed(f'{context.name} is declared: change it in the option {declared.OPTION}')


def _describe(context: Context) -> dict[str, object]:
    with context.server() as server:
        found = _find(server, context.name)
        return report.namespace(dataclasses.replace(found, search_attributes=server.search_attributes(found.name)))


def _list(context: Context) -> dict[str, object]:
    with context.server() as server:
        found = server.namespaces()
    found = sorted(found, key=lambda each: each.name)
    return {
        'count': len(found),
        **results.joined('names', [each.name for each in found]),
        'namespaces': [report.namespace(each) for each in found],
    }


def _delete(context: Context) -> dict[str, object]:
    name = context.name
    if name == declared.SYSTEM:
        raise Failed(f'{name} is where Temporal keeps its own workflows')
    if context.params.get('confirm', '').strip() != name:
        raise Failed(f'this deletes {name} with all its workflows: repeat the name with confirm={name}')
    _refuse_declared(context)
    with context.server(_DELETION) as server:
        return {'name': _find(server, name).name, 'deleting-as': server.delete(name)}


def _restart(context: Context) -> dict[str, object]:
    if context.facts.image.running is None:
        standing = report.standing(context.facts, context.plan)
        raise Failed(f'the server does not run ({standing.name}: {standing.message})')
    try:
        context.workload.restart('action restart')
    except pebble.ChangeError as error:
        raise Failed('the server ended as it started, and is started again: juju debug-log has its words') from error
    except pebble.TimeoutError as error:
        raise Failed(
            'the server takes long to stop, and is started after that: juju status says when it serves'
        ) from error
    return {'restarted': context.facts.here.unit}


def _wait_ready(context: Context) -> dict[str, object]:
    unmet, timeout = context.plan.unmet, context.params['timeout']
    if unmet:
        status = unmet.status(context.facts)
        # What is waited for would come by a hook, and Juju runs none while an action runs.
        advice = '' if isinstance(status, ops.BlockedStatus) else '; this action would keep it from coming: try again'
        raise Failed(f'{status.name}: {status.message}{advice}')
    began = time.monotonic()
    while not (health := probe.ask()).well:
        if time.monotonic() - began >= timeout:
            raise Failed(f'not ready after {timeout} s: waiting for {health.silent or health.detail}')
        time.sleep(0.5)
    return {'ready': True, 'waited': f'{time.monotonic() - began:.1f}'}


def _pre_upgrade_check(context: Context) -> dict[str, object]:
    facts, text = context.facts, context.params['version'].strip()
    target, present = versions.parse(text), facts.image.version
    if target is None or not _RELEASE.fullmatch(text):
        raise Failed(f'version must be like 1.32.2, not {text[:40] or "empty"}')
    needed = versions.required_schema(target)
    if needed is None:
        raise Failed(f'this charm runs {versions.SUPPORTED}, not {text}')
    if present and (problem := versions.check_upgrade(present, target)):
        raise Failed(problem)
    standing = report.standing(facts, context.plan)
    if not isinstance(standing, ops.ActiveStatus):
        raise Failed(f'the server is to be upgraded while it serves ({standing.name}: {standing.message})')
    found = facts.schema.answer.versions if facts.schema.answer else None
    told: dict[str, object] = {
        'from': facts.image.version_text,
        'to': text,
        'schema-found': found._asdict() if found else {},
        'schema-needed': needed._asdict(),
    }
    if not found or not versions.at_least(found, needed):
        raise Failed(f'the schema is older than {text} needs: give the admin charm an image of {text} first', told)
    return told


def _prepare_removal(context: Context) -> dict[str, object]:
    try:
        with context.server(_SEARCH) as server:
            found = [each for each in server.running(_NAMED) if each.running]
    except Refused as refused:
        if context.params['force']:
            return {'running': 'unknown', 'reason': refused.sentence}
        raise Failed(f'cannot tell what is running, unless with force=true: {refused}') from refused
    total = sum(each.running for each in found)
    told: dict[str, object] = {
        'running': total,
        'namespaces': {each.namespace: each.running for each in found},
        'executions': [
            {'namespace': each.namespace} | dataclasses.asdict(e) for each in found for e in each.executions
        ],
    }
    if total and not context.params['force']:
        where = [f'{each.running} in {each.namespace}' for each in found[:_PLACES]]
        if len(found) > _PLACES:
            where.append(f'{sum(each.running for each in found[_PLACES:])} in {len(found) - _PLACES} more')
        sentence = f'workflows are running ({", ".join(where)}): end them, or give them up with force=true'
        raise Failed(sentence, told)
    return told


def _status_report(context: Context) -> dict[str, object]:
    content = report.gather(context.facts, context.plan, context.workload)
    if context.params['format'] == 'json':
        return {**results.shortened('report', content)}
    return {**results.cut('report', report.text(content))}


_HANDLERS: dict[str, Callable[[Context], dict[str, object]]] = {
    'register-namespace': _register,
    'update-namespace': _update,
    'describe-namespace': _describe,
    'list-namespaces': _list,
    'delete-namespace': _delete,
    'restart': _restart,
    'wait-ready': _wait_ready,
    'pre-upgrade-check': _pre_upgrade_check,
    'prepare-removal': _prepare_removal,
    'status-report': _status_report,
}
