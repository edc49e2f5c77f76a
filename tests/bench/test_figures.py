"""What measurements come to."""

from __future__ import annotations

import pytest

from bench import figures
from bench.figures import Beside, Taken
from bench.limits import Usage


@pytest.mark.parametrize(
    ('share', 'found'), [(0.5, 50), (0.99, 99), (1, 100), (0.991, 100), (0.01, 1), (0.011, 2), (0, 1)]
)
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(share: float, found: float) -> None:
    assert figures.percentile([*range(100, 0, -1)], share) == found


def test_the_percentiles_of_one_value_are_that_value() -> None:
    assert [figures.percentile([7], share) for share in (0, 0.5, 0.99, 1)] == [7] * 4


def test_the_longest_time_is_between_two_moments_that_follow_each_other() -> None:
    assert figures.longest([1, 9, 2, 5]) == 4
    assert figures.longest([3]) == figures.longest([]) == 0


@pytest.mark.parametrize(
    ('value', 'written'),
    [(0, '0'), (0.0123, '0.0123'), (0.5, '0.500'), (1, '1.00'), (12.34, '12.3'), (99.9, '99.9'), (1234.5, '1234')],
)
def test_a_number_has_three_digits_or_all_before_the_point(value: float, written: str) -> None:
    assert figures.number(value) == written


def _round(charm: float, plain: float, busy: float | None = None) -> figures.Round:
    usage = None if busy is None else Usage(1, busy, {'temporal': busy / 2})
    return {'starts': Beside(Taken(charm, usage), Taken(plain))}


def test_medians_are_compared_and_not_single_rounds() -> None:
    assert figures.compared([_round(1, 4), _round(3, 2), _round(50, 1)]) == [('starts', '3.00', '2.00', '1.50')]


@pytest.mark.parametrize(
    ('busy', 'said'),
    [
        (0.9, 'the number of processors, 90% busy: temporal 45%'),
        (0.89, 'not the number of processors, 89% busy: temporal 44%'),
    ],
)
def test_what_limits_a_figure_is_told_where_it_was_looked_for(busy: float, said: str) -> None:
    assert figures.limited([_round(1, 1, busy)]) == [('starts', 'charm', said)]
    assert figures.limited([_round(1, 1)]) == []
