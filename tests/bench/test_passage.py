"""Events' rate and delays come from when they were produced and when their workflows were started."""

from __future__ import annotations

import pytest

from bench.passage import Passage

THREE = Passage(produced={'a': 10.0, 'b': 10.5, 'c': 11.0}, started={'c': 11.25, 'a': 12.0, 'b': 10.75})


def test_the_rate_is_from_the_first_event_to_the_last_workflow() -> None:
    assert THREE.rate == pytest.approx(1.5)


def test_each_event_is_compared_with_its_own_workflow() -> None:
    assert THREE.delays == [2.0, 0.25, 0.25]
