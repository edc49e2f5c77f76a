"""What measurements come to: medians of rounds, the charm's worker beside a plain one, and what limited each."""

from __future__ import annotations

import dataclasses
import itertools
import math
import statistics
from collections.abc import Mapping, Sequence

from bench import limits


@dataclasses.dataclass(frozen=True)
class Taken:
    """One measurement.

    Attributes:
        value: in the unit that its name tells.
        usage: where the processors' time went meanwhile; None where nobody looked.
    """

    value: float
    usage: limits.Usage | None = None


@dataclasses.dataclass(frozen=True)
class Beside:
    """The same, measured with the charm's worker and with a plain one, in the same round."""

    charm: Taken
    plain: Taken


Round = Mapping[str, Beside]
"""What was measured to both measurements."""


def compared(rounds: Sequence[Round]) -> list[tuple[str, str, str, str]]:
    """For each figure its name, the medians with the charm and without it, and the one as a multiple of the other."""
    rows = []
    for what in rounds[0]:
        charm = statistics.median(each[what].charm.value for each in rounds)
        plain = statistics.median(each[what].plain.value for each in rounds)
        rows.append((what, number(charm), number(plain), f'{charm / plain:.2f}'))
    return rows


def limited(rounds: Sequence[Round]) -> list[tuple[str, str, str]]:
    """For each figure that was watched its name, whose worker, and what limited it."""
    rows = []
    for what in rounds[0]:
        for whose, taken in (
            ('charm', [each[what].charm for each in rounds]),
            ('plain SDK', [each[what].plain for each in rounds]),
        ):
            if usages := [each.usage for each in taken if each.usage is not None]:
                rows.append((what, whose, limits.median(usages).limit))
    return rows


def number(value: float) -> str:
    """With three digits, or all before the point."""
    return f'{value:.{max(0, 2 - math.floor(math.log10(value)))}f}' if 0 < value < 100 else f'{value:.0f}'


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest of the values that so large a share of them, 0 to 1, does not exceed."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def longest(moments: Sequence[float]) -> float:
    """The longest time between two moments that follow each other."""
    return max((later - earlier for earlier, later in itertools.pairwise(sorted(moments))), default=0.0)
