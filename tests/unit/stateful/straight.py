"""The straight way: what a suite looks like that was deployed at once as another has become. And what rest means."""

from __future__ import annotations

import difflib
import functools
from typing import Any, NamedTuple

from stateful.model import Unit
from stateful.suite import Suite

WRITES = {'relation_set', 'update_relation_data', 'open_port', 'close_port'}
WRITES |= {'secret_add', 'secret_set', 'secret_grant', 'secret_revoke', 'secret_remove'}
WRITES |= {'add_layer', 'start', 'stop', 'restart', 'start_checks', 'stop_checks'}
"""Commands that an event at rest has no use for. A status is set by ops in every event."""


class Deployed(NamedTuple):
    """An application as an operator has chosen it."""

    app: str
    units: int
    leader: int | None
    version: str
    config: tuple[tuple[str, Any], ...]
    endpoints: tuple[str, ...]


class Choice(NamedTuple):
    """All that an operator has chosen, and where PostgreSQL is: what a suite at rest may depend on."""

    applications: tuple[Deployed, ...]
    primary: int

    @classmethod
    def of(cls, suite: Suite) -> Choice:
        """What was chosen for a suite."""
        deployed = []
        for app in suite.charms():
            application = suite.applications[app]
            asking = [relation.sides[0] for relation in suite.relations.values() if not relation.peer]
            endpoints = sorted(side.endpoint for side in asking if side.app == app)
            config = tuple(sorted(application.config.items()))
            version = suite.version(app)
            deployed.append(
                Deployed(app, len(application.units), application.leader, version, config, tuple(endpoints))
            )
        return cls(tuple(deployed), suite.postgresql.primary)


def deploy(choice: Choice) -> Suite:
    """Deploy a suite, as one does; nothing has happened there yet."""
    suite = Suite()
    suite.postgresql.primary = choice.primary
    for deployed in choice.applications:
        suite.deploy(deployed.app, deployed.units, deployed.version, **dict(deployed.config))
        suite.applications[deployed.app].leader = deployed.leader
    for deployed in choice.applications:
        for endpoint in deployed.endpoints:
            suite.integrate(deployed.app, endpoint)
    return suite


@functools.cache
def picture(choice: Choice) -> str:
    """What such a suite looks like when it is at rest."""
    suite = deploy(choice)
    suite.settle()
    return suite.picture()


def difference(suite: Suite) -> str:
    """In what a suite at rest differs from one that was deployed as it is now; empty if in nothing."""
    return compare(picture(Choice.of(suite)), suite.picture())


def compare(wanted: str, found: str) -> str:
    """The lines that differ, shortened."""
    if wanted == found:
        return ''
    lines = difflib.unified_diff(wanted.split('\n'), found.split('\n'), 'wanted', 'found', lineterm='', n=2)
    return '\n'.join(line[:300] for line in lines)


def repeat(suite: Suite, unit: Unit, number: int, *, quietly: bool) -> None:
    """Let an event come once more to a unit at rest.

    Args:
        suite: at rest.
        unit: which.
        number: chooses the event.
        quietly: whether it must not even write what stands there already.

    Raises:
        AssertionError: when that changes anything.
    """
    hooks = suite.repeatable(unit)
    hook = hooks[number % len(hooks)]
    before = suite.picture()
    outcome = suite.run(unit, hook)
    changed = compare(before, suite.picture())
    assert not changed, f'{hook} once more on {unit.name} changes:\n{changed}'
    written = WRITES.intersection(outcome.commands)
    assert not (quietly and written), f'{hook} once more on {unit.name} writes: {written}'
