"""Random orders of events: whatever happens in whatever order, the suite comes to the one state that was chosen.

Each order starts in one of five worlds (freshly deployed; related, but no agent has started; settled with the legacy
databases; with the current ones and two units; with split roles) and takes 8 to 24 steps. About half are single hooks,
any that Juju may run next on any unit; the others are happenings (`happenings.py`): operators, Kubernetes, Juju's
leases, PostgreSQL, deaths in the middle of a hook. Then everything that is still due happens, again in any order; then
the operator mends what is wrong, Juju's clock ticks, and once more.

What must hold, after each event:

- The charm raises nothing (a hook that dies is killed, and Juju runs it again).
- Nobody writes what Juju would refuse: an application's databag without leading it, a secret of others.
- No password stands in a databag of ours, in Pebble's plan, in an argument, a status, a log, the result of an action;
  and in no file that others may read.
- A status is one of the charm's conditions, or active.
- A server runs only with a supported image and with databases: the pair that was there first and is
  provided, or a cluster's.

At rest, before and after mending:

- There is rest: the charms do not keep each other busy.
- Any event once more changes nothing; after mending, it writes nothing either.
- After mending there is one fixed point: databags, secrets, plans, files, services, checks, statuses, versions and
  ports are those of a suite that was deployed at once as this one has become (`straight.py`).

The model (`juju.py`) refuses what Juju refuses: hooks out of order, writes to databags of others, secrets that were not
granted. HYPOTHESIS_PROFILE chooses how many orders: `quick` (the default), `ci`, `soak`.
"""

from __future__ import annotations

import functools
import os
import random
from collections.abc import Callable

import hypothesis
import pytest
from hypothesis import strategies

from stateful import happenings, invariants, straight
from stateful.model import Hook
from stateful.suite import ADMIN, MEMBER, SERVER, Suite

_ORDERS = {'quick': 100, 'ci': 2000, 'soak': 10000}
_PROFILE = os.environ.get('HYPOTHESIS_PROFILE', 'quick')
_NUMBERS = strategies.integers(0, 63)
_STEPS = strategies.lists(
    strategies.one_of(
        strategies.tuples(strategies.just('deliver'), _NUMBERS),
        strategies.tuples(strategies.sampled_from(sorted(happenings.HAPPENINGS)), _NUMBERS),
    ),
    min_size=8,
    max_size=24,
)


@functools.cache
def starts() -> tuple[Suite, ...]:
    """The worlds in which orders start."""
    fresh = Suite()
    fresh.deploy(SERVER, 1)
    fresh.deploy(ADMIN, 1)
    related, current = fresh.copy(), fresh.copy()
    for endpoint in ('db', 'visibility', 'admin', 'ingress'):
        related.integrate(SERVER, endpoint)
    legacy = related.copy()
    current.add_unit(SERVER)
    for endpoint in ('database', 'visibility-database', 'admin', 'nginx-route', 'temporal-host-info'):
        current.integrate(SERVER, endpoint)
    split = Suite()
    split.deploy(SERVER, 1, services='frontend')
    split.deploy(ADMIN, 1)
    split.deploy(MEMBER, 1, services='history,matching,worker')
    happenings.integrate_pair(split, 1)
    for suite in (legacy, current, split):
        suite.settle()
    for suite in (fresh, related, legacy, current, split):
        suite.journal.clear()
        suite.check = invariants.check
    return fresh, related, legacy, current, split


def follow(start: int, steps: list[tuple[str, int]], seed: int) -> Suite:
    """Go through an order, to the end.

    Raises:
        AssertionError: with the invariant that does not hold; its notes tell all that has happened.
    """
    suite = starts()[start].copy()
    suite.random = random.Random(seed)
    journal = suite.journal
    try:
        for name, number in steps:
            journal.append(f'-- {name} {number}')
            happenings.HAPPENINGS.get(name, happenings.deliver)(suite, number)
        journal.append('-- let it settle')
        suite.settle()
        suite.tell_of_time([unit for unit in suite.units() if unit.deposed])
        if not suite.postgresql.locked:
            # Who works on a schema tells nobody how far it is.
            _once_more(suite, seed, quietly=False)
        journal.append('-- mend')
        happenings.mend(suite)
        suite.tell_of_time(suite.units())
        difference = straight.difference(suite)
        assert not difference, f'another fixed point:\n{difference}'
        # The admin charm learns the number of shards from the database whenever it next looks there.
        suite.run(suite.applications[ADMIN].units[suite.applications[ADMIN].leader or 0], Hook('update-status'))
        suite.settle()
        _once_more(suite, seed, quietly=True)
    except BaseException as error:
        error.add_note('\n'.join(journal))
        raise
    return suite


def _once_more(suite: Suite, number: int, *, quietly: bool) -> None:
    suite.journal.append('-- once more')
    units = suite.units()
    straight.repeat(suite, units[number % len(units)], number // len(units), quietly=quietly)
    suite.settle()


def _orders(start: int, count: int) -> Callable[[], None]:
    """Some orders from one of the worlds; the same ones each time, but for the profile `soak`."""

    @hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.data_too_large],
    )
    @hypothesis.seed(random.randrange(2**32) if _PROFILE == 'soak' else start)
    @hypothesis.given(_STEPS, strategies.integers(0, 2**16))
    def orders(steps: list[tuple[str, int]], seed: int) -> None:
        follow(start, steps, seed)

    return orders


@pytest.mark.parametrize('start', range(5))
def test_given_any_order_of_events_when_settled_then_one_fixed_point(start: int) -> None:
    _orders(start, _ORDERS[_PROFILE] // 5)()
