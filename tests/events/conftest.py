"""What several tests share."""

from __future__ import annotations

from collections import deque
from typing import Any

import confluent_kafka as ck
import pytest
from librdkafka import Consumer
from temporal_events import settling


@pytest.fixture(autouse=True)
def hurry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long in tests without real services."""
    if not request.node.get_closest_marker('lab'):
        monkeypatch.setattr(settling.Backoff, 'seconds', lambda _: 0.001)


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> deque[Any]:
    """What happens at the polls of consumers that are made."""
    Consumer.made, Consumer.script = [], deque()
    monkeypatch.setattr(ck, 'Consumer', Consumer)
    return Consumer.script
