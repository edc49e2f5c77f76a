"""How many database connections a cluster may open, against what PostgreSQL allows: pools x roles x units. Pure."""

from __future__ import annotations

import dataclasses

from facts import Facts


@dataclasses.dataclass(frozen=True)
class Budget:
    """Connections as they would be with the present options and units.

    Attributes:
        units: of this application.
        roles: that each of them runs.
        persistence: size of a role's pool for the database of workflows.
        visibility: likewise for the list of workflows.
        elsewhere: what other applications of the same cluster may open.
        allowed: what PostgreSQL leaves to ordinary roles; None while that is not known.
    """

    units: int
    roles: int
    persistence: int
    visibility: int
    elsewhere: int
    allowed: int | None

    @property
    def here(self) -> int:
        """What all units of this application may open."""
        return self.units * self.roles * (self.persistence + self.visibility)

    @property
    def total(self) -> int:
        """What the whole cluster may open."""
        return self.here + self.elsewhere

    @property
    def fits(self) -> bool:
        """Whether it is allowed, as far as that is known."""
        return self.allowed is None or self.total <= self.allowed

    def __str__(self) -> str:
        """The computation, for people."""
        text = f'{self.units} x {self.roles} x ({self.persistence} + {self.visibility})'
        if self.elsewhere:
            text += f' + {self.elsewhere} elsewhere'
        return f'{text} = {self.total}'


def of(facts: Facts) -> Budget:
    """The budget of the cluster as this application sees it.

    Both databases mostly are on one server, which then has to bear both pools; where they are on two, the smaller limit
    is taken for both, which is on the safe side.
    """
    limits = facts.schema.answer.limits if facts.schema.answer else None
    told = facts.membership.told
    elsewhere = told.connections_elsewhere if told else sum(m.connections for m in facts.membership.members)
    return Budget(
        units=facts.peers.units,
        roles=len(facts.options.roles),
        persistence=facts.options.persistence_connections,
        visibility=facts.options.visibility_connections,
        elsewhere=elsewhere,
        allowed=min(limits.persistence, limits.visibility) if limits else None,
    )
