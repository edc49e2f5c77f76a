"""A unit dies at each hook command and Pebble call of each of its events: what it was about is done all the same.

The commands are counted by a wrapper round ops' hook commands and Pebble's calls, not assumed: the event runs once
undisturbed, then again in the same world, dying at the first command, at the second, and so on. What happened in the
container before stays; what the hook wrote to databags and secrets is lost, as Juju has it. Then

- Juju runs the hook again, and everything is as after the undisturbed one;
- or the pod is gone with the hook;
- or another unit has become the leader meanwhile: when everything has settled, all is as it would be without the death.

The events are those of `stories.py`, in which each kind that a charm observes comes at least once; one that runs the
same commands between the same statuses as one before is left out. A death with the pod, or of the leader, is tried
behind each command that changes the world, and with HYPOTHESIS_PROFILE=soak behind all.
"""

from __future__ import annotations

import functools
import json
import os
import pickle
from typing import NamedTuple

import pytest

from stateful import invariants, stories, straight
from stateful.juju import RUNNERS
from stateful.model import Hook, Unit
from stateful.runner import Outcome
from stateful.suite import ADMIN, MEMBER, SERVER, Suite

_EVERYWHERE = os.environ.get('HYPOTHESIS_PROFILE') == 'soak'
_CHANGES = {'push', 'replan', *straight.WRITES}


class Moment(NamedTuple):
    """The world before an event, and what the event runs.

    Attributes:
        world: pickled.
        app: the unit's application.
        number: the unit's.
        hook: the event.
        name: as ops.testing calls it.
        commands: that it runs if nobody dies.
    """

    world: bytes
    app: str
    number: int
    hook: Hook
    name: str
    commands: list[str]

    def again(self) -> tuple[Suite, Unit]:
        """The world as it was, and the unit in it."""
        suite: Suite = pickle.loads(self.world)
        return suite, suite.applications[self.app].units[self.number]


class _Watched(Suite):
    """A suite that keeps the moment before each event of a new kind."""

    def __init__(self):
        super().__init__()
        self.moments: list[Moment] = []
        self.kinds: set[object] = set()

    def deliver(self, unit: Unit, hook: Hook, die_at: int = 0) -> Outcome:
        """Run a hook that is due."""
        world = self.frozen()
        relation = self.relations.get(hook.relation)
        side = relation.of(unit.app) if relation else None
        before = str(unit.status)
        outcome = super().deliver(unit, hook, die_at)
        name = '-'.join(part for part in (side.endpoint if side else hook.container, hook.kind) if part)
        kind = unit.app, name, hook.key, before, str(unit.status), *outcome.commands
        if kind not in self.kinds:
            self.kinds.add(kind)
            self.moments.append(Moment(world, unit.app, unit.number, hook, name, outcome.commands))
        return outcome

    def frozen(self) -> bytes:
        """The world as it is, as an ordinary suite."""
        suite = Suite()
        suite.__dict__.update({name: value for name, value in vars(self).items() if name not in ('moments', 'kinds')})
        return pickle.dumps(suite)


@functools.cache
def moments(story: stories.Story) -> list[Moment]:
    """The moments of a story."""
    suite = _Watched()
    story(suite)
    return suite.moments


def _observed(app: str) -> set[str]:
    """The names of the events that an application's charm observes, without actions and what ops sends itself."""
    runner = RUNNERS[app]
    names = {name for name in runner.observed() if not name.endswith('_action') and not name.startswith('collect_')}
    return {name.replace('_', '-') for name in names}


@pytest.mark.parametrize('apps', [(SERVER, MEMBER), (ADMIN,)], ids=['server', 'admin'])
def test_given_the_stories_then_every_event_of_a_charm_comes(apps: tuple[str, ...]) -> None:
    come = {moment.name for story in stories.STORIES for moment in moments(story) if moment.app in apps}

    missing = _observed(apps[0]) - come

    # Peers are never broken; Juju's clock runs in test_orders.py.
    assert missing <= {'update-status', 'peer-relation-broken'}


@pytest.mark.parametrize('story', stories.STORIES, ids=lambda story: story.__name__)
def test_given_a_death_at_any_command_when_the_hook_runs_again_then_all_is_done(story: stories.Story) -> None:
    for moment in moments(story):
        undisturbed, unit = moment.again()
        undisturbed.deliver(unit, moment.hook)
        wanted = _but_for_turns(undisturbed)
        for number in range(1, len(moment.commands) + 1):
            suite, unit = moment.again()
            suite.check = invariants.check

            died = suite.deliver(unit, moment.hook, die_at=number).died
            suite.deliver(unit, moment.hook)

            difference = straight.compare(wanted, _but_for_turns(suite))
            assert died and not difference, f'{_told(moment, number)}:\n{difference}'


def _but_for_turns(suite: Suite) -> str:
    """What there is to be seen, but for whose turn it is: an event that has restarted a server may end its turn."""
    picture = json.loads(suite.picture())
    for databag, units in picture['databags'].values():
        for said in (databag, *units.values()):
            said.pop('turn', None)
            said.pop('restart', None)
    return json.dumps(picture, sort_keys=True, indent=1)


def _told(moment: Moment, number: int) -> str:
    before = ', '.join(moment.commands[:number])
    return f'{moment.app}/{moment.number}: {moment.hook} died at {number} of {len(moment.commands)} ({before})'


def _crossings(moment: Moment) -> list[int]:
    """The commands to die at with the pod or the leadership: all, or those behind which the world is another."""
    changing = [number for number, name in enumerate(moment.commands, 1) if name in _CHANGES]
    return list(range(1, len(moment.commands) + 1)) if _EVERYWHERE else [number + 1 for number in changing[:-1]]


@pytest.mark.soak
@pytest.mark.parametrize('story', stories.STORIES, ids=lambda story: story.__name__)
@pytest.mark.parametrize('loses', ['pod', 'leadership'])
def test_given_a_death_with_the_pod_or_the_leadership_when_settled_then_all_is_done(
    story: stories.Story, loses: str
) -> None:
    for moment in moments(story):
        undisturbed, unit = moment.again()
        others = [number for number in undisturbed.applications[moment.app].units if number != moment.number]
        if loses == 'leadership' and not (others and undisturbed.is_leader(unit)):
            continue
        undisturbed.deliver(unit, moment.hook)
        _lose(undisturbed, unit, loses, others)
        _settle(undisturbed, moment.app)
        wanted = undisturbed.picture()
        for number in _crossings(moment):
            suite, unit = moment.again()
            suite.check = invariants.check

            suite.deliver(unit, moment.hook, die_at=number)
            _lose(suite, unit, loses, others)
            _settle(suite, moment.app)

            difference = straight.compare(wanted, suite.picture())
            assert not difference, f'{_told(moment, number)}, and its {loses} was lost:\n{difference}'


def _lose(suite: Suite, unit: Unit, what: str, others: list[int]) -> None:
    if what == 'leadership':
        suite.lead(unit.app, others[0])
    elif unit.number in suite.applications[unit.app].units:
        suite.replace_pod(unit)


def _settle(suite: Suite, app: str) -> None:
    """Until a leader that is none any more knows it: one whose hook has ended well may get no other that tells it."""
    suite.settle()
    suite.tell_of_time([unit for unit in suite.units() if unit.app == app])
