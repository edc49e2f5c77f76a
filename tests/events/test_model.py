"""What is to be consumed, as people write it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from temporal_events.model import Consumption, Progress
from temporalio.converter import value_to_type


@pytest.mark.parametrize(
    ('wanted', 'said'),
    [
        ({'topics': ['a', 'b'], 'group': 'g'}, ''),
        ({'topics': 'base', 'group': 'g'}, 'topics is no list: give {"topics": ["TOPIC"], "group": "GROUP"}'),
        ({'topics': [], 'group': 'g'}, 'no topic is named: give {"topics": ["TOPIC"], "group": "GROUP"}'),
        ({'topics': ['a', ''], 'group': 'g'}, 'no topic is named: give {"topics": ["TOPIC"], "group": "GROUP"}'),
        ({'topics': ['a']}, 'no consumer group is named: give {"topics": ["TOPIC"], "group": "GROUP"}'),
    ],
)
def test_what_is_missing_is_said(wanted: dict[str, Any], said: str) -> None:
    assert value_to_type(Consumption, wanted).problem == said


def test_the_moment_since_when_something_is_waited_for_stays_until_nothing_is() -> None:
    progress = Progress()
    progress.wait('a')
    progress.since = 'before'
    progress.wait('b')
    assert (progress.waiting, progress.since) == ('b', 'before')
    progress.wait('')
    assert (progress.waiting, progress.since) == ('', '')
    progress.wait('a')
    assert datetime.datetime.fromisoformat(progress.since).tzinfo == datetime.UTC


def test_progress_of_an_earlier_version_can_be_read() -> None:
    assert value_to_type(Progress, {'started': 3, 'letters': 0, 'waiting': '', 'positions': {}, 'lag': {}}).started == 3
