"""What is to be consumed, as people write it."""

from __future__ import annotations

from typing import Any

import pytest
from temporal_events.model import Consumption
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
