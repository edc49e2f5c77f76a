"""One list of conditions for a charm: it decides what may run and what the status says."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

import ops

F = TypeVar('F')


@dataclasses.dataclass(frozen=True)
class Condition(Generic[F]):
    """Something that must be so before the workload may run.

    Attributes:
        name: for logs and tests.
        met: tells from the charm's facts whether it is so.
        status: what the unit's status says if it is not.
        stops: whether a workload that already runs must stop; otherwise it goes on as it is.
    """

    name: str
    met: Callable[[F], bool]
    status: Callable[[F], ops.StatusBase]
    stops: bool = True


def first_unmet(conditions: Iterable[Condition[F]], facts: F) -> Condition[F] | None:
    """The first condition that is not met, in the order of the list; None if all are."""
    return next((condition for condition in conditions if not condition.met(facts)), None)


def must_stop(conditions: Iterable[Condition[F]], facts: F) -> bool:
    """Whether any condition is unmet under which the workload must not go on."""
    return any(condition.stops and not condition.met(facts) for condition in conditions)
