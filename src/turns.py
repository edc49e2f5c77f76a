"""Whose turn it is to restart a server: Juju has no lock, so the leader grants turns through the peer relation.

Each unit says in its databag that it wants to restart, and why; it takes that back when it serves again. The leader
names one unit at a time in the application's databag, and goes on to the next one when the first wants nothing more or
is gone. A unit that does not come to serve keeps its turn: so that whatever broke it does not break the others.
"""

from __future__ import annotations

from collections.abc import Mapping


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
