"""The time without a poller is told by what the server says of pollers, whoever they are."""

from __future__ import annotations

import os

import pytest

from bench import polls
from bench.polls import ACTIVITY, Gap, Sample, Seen

OLD, NEW = '7@pod', '19@pod'


@pytest.mark.parametrize(
    ('seen', 'found'),
    [
        # The server forgets one that says that it goes, and remembers one that does not.
        ([{OLD: 1.0}, {OLD: 2.0}, {}, {NEW: 3.5}, {NEW: 4.0}], Gap(2.0, 3.5)),
        ([{OLD: 1.0}, {OLD: 2.0}, {OLD: 2.0, NEW: 3.5}, {OLD: 2.0, NEW: 4.0}], Gap(2.0, 3.5)),
        # Several may have been there, and several may come.
        ([{OLD: 2.0, '6@pod': 0.5}, {'6@pod': 2.5}, {NEW: 4.0, '20@pod': 3.0}], Gap(2.5, 3.0)),
        # Nobody has come yet.
        ([{OLD: 1.0}, {OLD: 2.0}, {}], None),
        ([], None),
    ],
)
def test_a_gap_is_from_the_last_poll_of_the_old_to_the_first_of_the_new(seen: list[Seen], found: Gap | None) -> None:
    assert polls.gap(seen, {OLD, '6@pod'}) == found


def test_who_comes_before_the_other_goes_leaves_no_gap() -> None:
    assert Gap(3.0, 2.0).seconds == 0
    assert Gap(2.0, 3.5).seconds == 1.5


def _sample(at: float, worked: float = 0, **seen: float) -> Sample:
    return Sample(at, worked, {kind: seen for kind in polls.KINDS})


def test_the_processors_are_looked_at_between_the_samples_around_the_gap() -> None:
    count = os.cpu_count() or 1
    samples = [
        _sample(1, 0),
        _sample(2, 5 * count),
        _sample(3, 5.5 * count),
        _sample(4, 6 * count),
        _sample(5, 9 * count),
    ]

    usage = polls.usage(samples, Gap(2.5, 3.5))

    assert (usage.seconds, usage.busy) == (2, 0.5)


def test_without_a_gap_nothing_is_said_of_the_processors() -> None:
    usage = polls.usage([_sample(1, 0), _sample(2, 1), _sample(3, 2)], Gap(3.5, 1.5))

    assert (usage.seconds, usage.busy) == (0, 0)


def test_the_longest_silence_is_between_polls_and_not_between_questions() -> None:
    samples = [
        _sample(1, old=0.9),
        _sample(2, old=0.9),
        _sample(3),
        _sample(9, old=3.4, other=3.2),
        _sample(10, old=4.0),
    ]

    assert polls.silence(samples, ACTIVITY, 0) == 2.5
    assert polls.silence([], ACTIVITY, 0) == polls.silence(samples[:1], ACTIVITY, 0) == 0


def test_a_poll_that_waited_for_something_to_do_was_not_silent() -> None:
    samples = [_sample(100, old=40), _sample(101, old=100.5), _sample(102, old=101.75)]

    assert polls.silence(samples, ACTIVITY, since=100) == 1.25
