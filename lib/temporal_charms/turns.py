"""Whose turn it is to restart a workload: Juju has no lock, so the leader grants turns through the peer relation.

Each unit says in its databag, under `restart`, that it wants to restart, and why; it takes that back when it works
again. The leader names one unit at a time in the application's databag, under `turn`, and goes on to the next one when
the first wants nothing more or is gone. A unit that does not come to work keeps its turn: so that whatever broke it
does not break the others.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import ops


@dataclasses.dataclass(frozen=True)
class Asked:
    """What units have told each other.

    Attributes:
        unit: this one's name.
        leader: whether it grants the turns.
        units: how many there are.
        turn: the unit that may restart now; empty if none asked.
        requests: units that want to restart, with the reason. Only the leader knows those of other units.
    """

    unit: str = ''
    leader: bool = False
    units: int = 1
    turn: str = ''
    requests: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def load(cls, model: ops.Model, relation: ops.Relation | None) -> Asked:
        """Read the peer relation; the leader may read all of it, since Juju 3."""
        unit = model.unit
        if relation is None:
            return cls(unit.name, unit.is_leader())
        asked = [unit, *sorted(relation.units, key=_number)] if unit.is_leader() else [unit]
        # A unit's own one, too, when it is alone: what it asked for while it was not is to be taken back.
        requests = {each.name: relation.data[each].get('restart', '') for each in asked}
        return cls(
            unit.name,
            unit.is_leader(),
            1 + len(relation.units),
            relation.data[model.app].get('turn', ''),
            {name: reason for name, reason in requests.items() if reason},
        )

    def go_on(self, why: str, *, settled: bool) -> Turn:
        """What this unit asks for and waits for now.

        Args:
            why: the reason for which it is to restart now, if it may; empty if it is not to.
            settled: whether it works with what it waited for, or may not run, and so lets the others go on.
        """
        requests = dict(self.requests)
        request = requests.pop(self.unit, '')
        if why:
            request = why
        elif settled:
            request = ''
        if self.units == 1:
            request = ''
        if request:
            requests[self.unit] = request
        granted = grant(requests, self.turn) if self.leader else self.turn
        waits = why and self.units > 1 and granted != self.unit
        return Turn(request, granted, (granted or 'the leader') if waits else '')


@dataclasses.dataclass(frozen=True)
class Turn:
    """What a unit does about restarting.

    Attributes:
        request: why it wants to, for the leader; empty if it does not.
        granted: the unit whose turn it is, for the leader to tell.
        waits_for: who restarts before this one; empty if this one need not wait.
    """

    request: str = ''
    granted: str = ''
    waits_for: str = ''


def grant(requests: Mapping[str, str], turn: str) -> str:
    """The unit whose turn it is.

    Args:
        requests: units that want to restart, with the reason.
        turn: whose turn it was.

    Returns:
        A unit's name; empty if none wants to.
    """
    if turn in requests:
        return turn
    return min(requests, key=lambda unit: int(unit.rsplit('/', 1)[1]), default='')


def _number(unit: ops.Unit) -> int:
    return int(unit.name.rsplit('/', 1)[1])
