"""A server charm in a world that each test changes: databases provided, schema ready, container running."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from typing import Any

import pytest
import world
import yaml
from ops import testing

import facts
from charm import TemporalCharm
from probe import Health

_ACTIONS = yaml.safe_load((pathlib.Path(__file__).parents[2] / 'actions.yaml').read_text())


@pytest.fixture
def health(monkeypatch: pytest.MonkeyPatch) -> world.FakeHealth:
    """What the server answers when the charm asks it; ops.testing has no server to ask."""
    fake = world.FakeHealth(Health(False, 'history'))
    monkeypatch.setattr('probe.ask', lambda: fake.answer)
    return fake


@pytest.fixture(autouse=True)
def pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pod's own address, which the charm reads from its hosts file."""
    monkeypatch.setattr(facts, 'pod_address', lambda: ('10.1.2.3', 'temporal-k8s-0.endpoints'))


@pytest.fixture(autouse=True)
def program(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    """The health client, which only a packed charm has."""
    path = tmp_path / 'temporal-health'
    path.write_bytes(b'ELF')
    monkeypatch.setattr('workload._PROGRAM', path)


@pytest.fixture
def ctx(health: world.FakeHealth) -> testing.Context[TemporalCharm]:
    """Runs events on the charm."""
    return testing.Context(TemporalCharm, app_name=world.APP)


@pytest.fixture
def run(ctx: testing.Context[TemporalCharm], tmp_path: pathlib.Path):
    """Runs `pebble-ready` of a container that has just started, after which everything must look like the plan.

    What the charm pushes stays in the container for the events that follow in the same test.
    """
    starts = itertools.count()

    def _run(state: testing.State) -> testing.State:
        container = state.get_container(facts.CONTAINER)
        if not container.can_connect:
            return ctx.run(ctx.on.config_changed(), state)
        disk = tmp_path / f'disk-{next(starts)}'
        disk.mkdir()
        container = dataclasses.replace(
            container,
            mounts={
                'etc': testing.Mount(location='/etc/temporal', source=disk),
                'bin': testing.Mount(location='/usr/local/bin', source=disk),
                'charm': testing.Mount(location='/etc/temporal-charm', source=disk),
            },
        )
        return ctx.run(ctx.on.pebble_ready(container), dataclasses.replace(state, containers={container}))

    return _run


@pytest.fixture
def act(ctx: testing.Context[TemporalCharm], run):
    """Runs an action in a world in which everything is in place, or in another one."""

    def _act(action: str, state: testing.State | None = None, /, **params: Any) -> dict[str, Any]:
        # ops.testing leaves to tests what Juju does.
        described = _ACTIONS[action].get('params', {})
        values = {name: parameter['default'] for name, parameter in described.items() if 'default' in parameter}
        values |= {name.replace('_', '-'): value for name, value in params.items()}
        before = run(state or world.state())
        ctx.run(ctx.on.action(action, params=values), before)
        return ctx.action_results or {}

    return _act
