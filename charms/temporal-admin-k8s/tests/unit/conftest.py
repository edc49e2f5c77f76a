"""An admin charm in a world that each test changes: server related, tools in the image, databases that answer."""

from __future__ import annotations

import pytest
from ops import testing
from temporal_charms import postgresql
from world import Databases

from charm import TemporalAdminCharm


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> Databases:
    """Empty databases; ops.testing has no PostgreSQL to ask."""
    fake = Databases({'temporal': None, 'temporal_visibility': None})
    monkeypatch.setattr(postgresql, 'inspect', fake.inspect)
    return fake


@pytest.fixture
def ctx(databases: Databases) -> testing.Context[TemporalAdminCharm]:
    """Runs events on the charm."""
    return testing.Context(TemporalAdminCharm, app_name='temporal-admin-k8s')
