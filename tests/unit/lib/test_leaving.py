"""A unit that goes says so in place of being blocked; one whose relations go alone does not."""

from __future__ import annotations

import pathlib

import ops
import pytest
from ops import pebble, testing
from temporal_charms.leaving import STATUS, Leaving

_META = {
    'name': 'c',
    'containers': {'c': {}},
    'requires': {'r': {'interface': 'i'}},
    'peers': {'p': {'interface': 'p'}},
}


class Charm(ops.CharmBase):
    """One that is blocked, or whatever the test wants it to be."""

    said: ops.StatusBase = ops.BlockedStatus('no r')

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.leaving = Leaving(self, self.unit.get_container('c'))
        framework.observe(self.on.collect_unit_status, self._collect)

    def _collect(self, event: ops.CollectStatusEvent) -> None:
        event.add_status(self.leaving.status(self.said))


@pytest.fixture
def ctx() -> testing.Context[Charm]:
    """The unit c/1."""
    return testing.Context(Charm, meta=_META, app_name='c', unit_id=1)


@pytest.fixture
def state(tmp_path: pathlib.Path) -> testing.State:
    """A related unit among others."""
    mounts = {'disk': testing.Mount(location='/etc/temporal-charm', source=tmp_path)}
    return testing.State(
        containers={testing.Container('c', can_connect=True, mounts=mounts)},
        relations=[testing.Relation('r', remote_units_data={3: {}}), testing.PeerRelation('p', peers_data={2: {}})],
    )


def _departs(ctx: testing.Context[Charm], state: testing.State, unit: int) -> testing.State:
    """The peer 2 departs, because it goes itself or because the unit does."""
    (peers,) = state.get_relations('p')
    return ctx.run(ctx.on.relation_departed(peers, remote_unit=2, departing_unit=unit), state)


def _broken(ctx: testing.Context[Charm], state: testing.State) -> object:
    (relation,) = state.get_relations('r')
    return ctx.run(ctx.on.relation_broken(relation), state).unit_status


def test_given_a_unit_that_goes_then_it_says_so_in_this_and_later_hooks(ctx, state):
    assert _departs(ctx, state, 1).unit_status == STATUS
    assert _broken(ctx, state) == STATUS


@pytest.mark.parametrize('said', [ops.WaitingStatus('w'), ops.ActiveStatus('a')])
def test_given_a_unit_that_goes_when_it_is_not_blocked_then_it_says_what_it_said(ctx, state, monkeypatch, said):
    monkeypatch.setattr(Charm, 'said', said)

    assert _departs(ctx, state, 1).unit_status == said


def test_given_a_relation_that_goes_alone_then_the_unit_is_blocked(ctx, state):
    (relation,) = state.get_relations('r')

    first = ctx.run(ctx.on.relation_departed(relation, remote_unit=3, departing_unit=3), state)

    assert first.unit_status == _departs(ctx, state, 2).unit_status == _broken(ctx, state) == Charm.said


@pytest.mark.parametrize('call', ['pull', 'push'])
def test_given_a_container_that_goes_first_then_the_unit_is_blocked(ctx, state, monkeypatch, call):
    def fail(*_: object, **__: object) -> None:
        raise pebble.ConnectionError('gone')

    monkeypatch.setattr(ops.Container, call, fail)

    assert _departs(ctx, state, 1).unit_status == Charm.said
