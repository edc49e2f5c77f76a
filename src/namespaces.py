"""Makes namespaces be as they were declared or asked for: what is to be done is planned first, and then carried out.

`Keeper` is what the leader does in a hook: for the option `declared-namespaces`, and for clients that ask for a
namespace on `temporal-host-info`. It asks the server only where something is declared, or asked for and not granted.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import ops
from temporal_charms import admin, databags, host_info
from temporal_charms.host_info import GRANTED, PENDING, REFUSED, Grant, Request

import declared
import probe
from declared import Wanted
from facts import Facts
from roles import FRONTEND

if TYPE_CHECKING:
    from client import Client, Namespace

_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Register:
    """Make a namespace."""

    wanted: Wanted

    @property
    def name(self) -> str:
        """The namespace's."""
        return self.wanted.name

    def __str__(self) -> str:
        return f'namespace {self.name}: registered'

    def run(self, server: Client) -> None:
        """Do it; a namespace that somebody else has just made will be compared by the next plan."""
        from client import ALREADY_EXISTS, Refused

        wanted = self.wanted
        retention = declared.seconds(declared.RETENTION) if wanted.retention is None else wanted.retention
        try:
            server.register(
                wanted.name,
                retention=retention,
                description=wanted.description,
                owner=wanted.owner,
                data=dict(wanted.data),
            )
        except Refused as refused:
            if refused.code != ALREADY_EXISTS:
                raise


@dataclasses.dataclass(frozen=True)
class Update:
    """Change a namespace.

    Attributes:
        name: the namespace's.
        settings: what is to change, as `Client.update` takes it.
        before: what it was, by the same names.
    """

    name: str
    settings: Mapping[str, object]
    before: Mapping[str, object]

    def __str__(self) -> str:
        def show(key: str, value: object) -> str:
            return declared.period(value) if key == 'retention' and isinstance(value, int) else repr(value)

        changes = (
            f'{key} {show(key, value)}, not {show(key, self.before[key])}' for key, value in self.settings.items()
        )
        return f'namespace {self.name}: {"; ".join(changes)}'

    def run(self, server: Client) -> None:
        """Do it."""
        server.update(self.name, **self.settings)


@dataclasses.dataclass(frozen=True)
class AddSearchAttributes:
    """Add search attributes, name to type, to a namespace."""

    name: str
    attributes: Mapping[str, str]

    def __str__(self) -> str:
        added = ', '.join(f'{name} ({kind})' for name, kind in sorted(self.attributes.items()))
        return f'namespace {self.name}: with search attributes {added}'

    def run(self, server: Client) -> None:
        """Do it."""
        server.add_search_attributes(self.name, self.attributes)


@dataclasses.dataclass(frozen=True)
class Conflict:
    """Something that cannot be done; the sentence says why."""

    name: str
    sentence: str

    def __str__(self) -> str:
        return self.sentence


Step = Register | Update | AddSearchAttributes | Conflict


def plan(observed: Iterable[Namespace], desired: Iterable[Wanted]) -> tuple[Step, ...]:
    """What is to be done so that namespaces are as they should be. Pure.

    Args:
        observed: the namespaces that there are.
        desired: those that there should be; one that is named twice is wanted as the first one has it.
    """
    known = {namespace.name: namespace for namespace in observed}
    steps: list[Step] = []
    seen: set[str] = set()
    for wanted in desired:
        if wanted.name in seen:
            continue
        seen.add(wanted.name)
        found = known.get(wanted.name)
        if found is None:
            steps.append(Register(wanted))
            steps += _attributes(wanted, {})
        elif wanted.managed:
            steps += _changes(wanted, found)
            steps += _attributes(wanted, found.search_attributes)
    return tuple(steps)


def _changes(wanted: Wanted, found: Namespace) -> list[Step]:
    settings: dict[str, object] = {}
    before: dict[str, object] = {}
    for key in ('retention', 'description', 'owner'):
        value = getattr(wanted, key)
        if value and value != getattr(found, key):
            settings[key], before[key] = value, getattr(found, key)
    data = {key: value for key, value in wanted.data.items() if found.data.get(key) != value}
    if data:
        settings['data'], before['data'] = data, {key: found.data[key] for key in data if key in found.data}
    return [Update(wanted.name, settings, before)] if settings else []


def _attributes(wanted: Wanted, found: Mapping[str, str]) -> list[Step]:
    steps: list[Step] = [
        Conflict(
            wanted.name,
            f'search attribute {name} of namespace {wanted.name} is {found[name]}, not {kind}, and its type cannot be '
            'changed',
        )
        for name, kind in wanted.search_attributes.items()
        if found.get(name, kind) != kind
    ]
    missing = {name: kind for name, kind in wanted.search_attributes.items() if name not in found}
    return [*steps, AddSearchAttributes(wanted.name, missing)] if missing else steps


@dataclasses.dataclass(frozen=True)
class Problem:
    """Why a namespace is not as it should be.

    Attributes:
        sentence: for people.
        passing: whether it may go away by itself.
        missing: whether there is no such namespace.
    """

    sentence: str
    passing: bool = False
    missing: bool = False


def carry_out(server: Client, steps: Iterable[Step]) -> dict[str, Problem]:
    """Do what was planned, as far as the server does it.

    Returns:
        The namespaces that are not as they should be, and the first reason.
    """
    from client import Refused

    problems: dict[str, Problem] = {}
    for step in steps:
        if isinstance(step, Conflict):
            problems.setdefault(step.name, Problem(step.sentence))
        elif not (step.name in problems and problems[step.name].missing):
            try:
                step.run(server)
                _logger.info('%s', step)
            except Refused as refused:
                problem = Problem(f'namespace {step.name}: {refused}', refused.passing, isinstance(step, Register))
                problems.setdefault(step.name, problem)
    return problems


def ask(facts: Facts, timeout: float = 10.0) -> Client:
    """A client of the server: of this unit's own frontend where it runs one.

    Args:
        facts: what the charm knows.
        timeout: seconds for each question.
    """
    from client import Client

    own = admin.Frontend('127.0.0.1', FRONTEND.port)
    return Client(own if facts.options.has_frontend else facts.frontend, timeout=timeout)


def judge(request: Request | None, before: Grant) -> Grant | Wanted:
    """What a client is told, or the namespace that has to be there before it can be told.

    Args:
        request: what it asks for; None for nothing.
        before: what it was told.
    """
    if request is None:
        return Grant()
    if before.status == GRANTED and before.namespace == request.namespace:
        # Not asked for again: a namespace that was deleted on purpose must not come back.
        return before
    try:
        declared.check_name(request.namespace)
        retention = declared.seconds(request.retention) if request.retention else None
    except declared.Wrong as wrong:
        return Grant(REFUSED, reason=f'namespace {request.namespace[:60]}: {wrong}')
    return Wanted(request.namespace, retention, managed=False)


class Keeper:
    """What the leader does about namespaces in a hook."""

    def __init__(self, model: ops.Model, load: Callable[[], Facts]):
        """Prepare; nothing is asked yet.

        Args:
            model: with the relations `temporal-host-info`.
            load: gives what the charm knows.
        """
        self._model = model
        self._load = load
        self._ran = False
        self.problem: Problem | None = None
        """What keeps a declared namespace from being as it was declared."""

    @property
    def settled(self) -> bool:
        """Whether `problem` is known: it is not in the hook of an action, which makes nothing look like the plan."""
        facts = self._load()
        return self._ran or not (facts.here.leader and facts.options.declared)

    def reconcile(self) -> bool:
        """Make and change namespaces, and answer those who ask for one; asks the server at most once.

        Returns:
            Whether something that is not as it should be may be granted in a moment.
        """
        facts = self._load()
        self._ran = True
        if not facts.here.leader or facts.options.problem:
            return False
        # A member's are its cluster's: its status says where they belong.
        wanted = () if facts.member else facts.options.declared
        _tell_removed(facts.peers.declared, wanted)
        relations = [each for each in self._model.relations['temporal-host-info'] if each.active and each.app]
        if not facts.options.has_frontend:
            for relation in relations:
                databags.publish(relation.data[self._model.app], {})
            relations = []
        verdicts = {relation.id: self._judge(relation) for relation in relations}
        asked = {number: verdict for number, verdict in verdicts.items() if isinstance(verdict, Wanted)}
        problems = _make(facts, (*wanted, *asked.values()))
        for relation in relations:
            verdict = verdicts[relation.id]
            grant = _grant(verdict, problems) if isinstance(verdict, Wanted) else verdict
            databags.publish(relation.data[self._model.app], host_info.dump(facts.here.frontend, grant))
        found = problems or {}
        self.problem = next((found[each.name] for each in wanted if each.name in found), None)
        return any(problem.passing for problem in found.values())

    def _judge(self, relation: ops.Relation) -> Grant | Wanted:
        return judge(Request.load(relation.data[relation.app]), Grant.load(relation.data[self._model.app]))


def _tell_removed(before: Mapping[str, bool], now: Iterable[Wanted]) -> None:
    """Log, in the one hook that learns of it, which namespaces are no longer declared."""
    names = {wanted.name for wanted in now}
    for name, was in before.items():
        if was and name not in names:
            _logger.warning('namespace %s is no longer declared: it stays as it is', name)


def _make(facts: Facts, wanted: tuple[Wanted, ...]) -> dict[str, Problem] | None:
    """Let namespaces be as they should be.

    Returns:
        What is not as it should be; None if the server cannot be asked now. It brings a notice when it can.
    """
    if not wanted:
        return {}
    if not probe.ask().serving:
        return None
    from client import Refused

    with ask(facts) as server:
        try:
            observed = server.namespaces()
        except Refused as refused:
            return {each.name: Problem(refused.sentence, refused.passing, missing=True) for each in wanted}
        return carry_out(server, plan(observed, wanted))


def _grant(wanted: Wanted, problems: Mapping[str, Problem] | None) -> Grant:
    """What a client is told after an attempt to make its namespace."""
    if problems is None:
        return Grant(PENDING)
    problem = problems.get(wanted.name)
    if problem is None or not problem.missing:
        return Grant(GRANTED, wanted.name)
    return Grant(PENDING) if problem.passing else Grant(REFUSED, reason=problem.sentence)
