"""An admin charm in a world that each test changes: server related, tools in the image, databases that answer."""

from __future__ import annotations

import pathlib

import pytest
from ops import testing
from temporal_charms import postgresql
from world import Databases

from charm import TemporalAdminCharm
from workload import Workload


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> Databases:
    """Empty databases, which a migration fills; ops.testing has no PostgreSQL to ask."""
    fake = Databases({'temporal': None, 'temporal_visibility': None})
    monkeypatch.setattr(postgresql, 'inspect', fake.inspect)
    migrate = Workload.migrate

    def migrated(self, steps) -> None:
        migrate(self, steps)
        fake.migrate(steps)

    monkeypatch.setattr(Workload, 'migrate', migrated)
    return fake


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """The program for the container, which only a packed charm has."""
    path = tmp_path / 'temporal-schema'
    path.write_bytes(b'ELF')
    monkeypatch.setattr('workload._PROGRAM', path)


@pytest.fixture
def ctx(databases: Databases) -> testing.Context[TemporalAdminCharm]:
    """Runs events on the charm."""
    return testing.Context(TemporalAdminCharm, app_name='temporal-admin-k8s')
