"""What must be so after every event, whatever came before."""

from __future__ import annotations

import json

from temporal_charms import leaving

from stateful import outside
from stateful.model import Hook, Relation, Unit
from stateful.neighbours import CURRENT, LEGACY, PASSWORD
from stateful.runner import Outcome
from stateful.suite import Suite

SUPPORTED = ('1.31.', '1.32.')
_FOUNDATIONS = {(LEGACY, 2), (CURRENT, 2), ('temporal_cluster', 1)}


def check(suite: Suite, unit: Unit, hook: Hook, outcome: Outcome) -> None:
    """Check all of them.

    Raises:
        AssertionError: with the one that does not hold.
    """
    no_secret_is_told(suite, unit, outcome)
    if not outcome.died:
        the_status_is_known(unit)
    if outcome.observed and not outcome.died:
        the_server_may_run(suite, unit, hook)


def no_secret_is_told(suite: Suite, unit: Unit, outcome: Outcome) -> None:
    """No password in our databags, Pebble's plan, an argument, a status or a log; in no file but with mode 0600."""
    told = [unit.status.message, *outcome.log, json.dumps(outcome.results), outcome.failure]
    for id in unit.relations:
        side = suite.relations[id].of(unit.app)
        if side:
            told += [*side.data.values(), *side.units.get(unit.number, {}).values()]
    for container in unit.containers.values():
        told += [json.dumps(container.plan), json.dumps(container.executed)]
        for path, file in container.files.items():
            if PASSWORD.encode() in file.content and len(file.content) < 5000:
                assert file.mode == 0o600, f'everybody may read a password in {path}'
    for text in told:
        assert PASSWORD not in text, f'{unit.name} tells a password: {text[:300]}'


def the_status_is_known(unit: Unit) -> None:
    """A status is that of a condition in the charm's lists, or active; or it says that the unit goes."""
    status = unit.status.name, unit.status.message
    if status == (leaving.STATUS.name, leaving.STATUS.message):
        assert unit.dying, f'{unit.name} says that it goes, and does not'
    else:
        assert status in outside.said() or status[0] == 'active', f'{unit.name} has a status of its own: {status}'


def the_server_may_run(suite: Suite, unit: Unit, hook: Hook) -> None:
    """A server runs only with a supported image and databases: a pair that is provided, or those of a cluster.

    A relation too many, one that came later, changes nothing of that.
    """
    container = unit.containers.get('temporal')
    if container is None or 'temporal' not in container.running:
        return
    assert container.image.get('temporal-server', '').startswith(SUPPORTED), 'an unsupported server runs'
    kinds: dict[str, list[Relation]] = {}
    for id in sorted(unit.relations):
        relation = suite.relations[id]
        side = relation.of(unit.app)
        if (hook.kind == 'relation-broken' and hook.relation == id) or side is None:
            continue
        if relation.interface in (LEGACY, CURRENT) or side.endpoint == 'join-cluster':
            kinds.setdefault(relation.interface, []).append(relation)
    assert kinds, 'a server runs with no databases'
    kind, relations = next(iter(kinds.items()))
    assert (kind, len(relations)) in _FOUNDATIONS, f'a server runs with {len(relations)} of {kind}'
    assert all(relation.other(unit.app).data for relation in relations), 'a server runs without its databases'
