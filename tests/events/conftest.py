"""What several tests share."""

from __future__ import annotations

import pytest
from temporal_events import settling


@pytest.fixture(autouse=True)
def hurry(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long in tests without real services."""
    if not request.node.get_closest_marker('lab'):
        monkeypatch.setattr(settling.Backoff, 'seconds', lambda _: 0.001)
