"""The worker's process, as far as it goes without a server."""

from __future__ import annotations

import asyncio
import socket

import pytest
from served import settings

from loader import layout, run
from loader.watchdog import Restarts
from loader.wheels import CodeProblem
from workload import Health, Workload

_health = Workload.health
"""The real one; other tests of this folder replace it."""


@pytest.fixture
def ended(tmp_path, monkeypatch) -> list[str]:
    """Code that cannot be imported, and why its processes have ended."""
    reasons: list[str] = []

    def fail(*_: object) -> None:
        raise CodeProblem('workflows-file cannot be imported: a: KeyError: 1')

    with socket.create_server(('127.0.0.1', 0)) as server:
        monkeypatch.setattr(layout, 'HEALTH_PORT', server.getsockname()[1])
    monkeypatch.setattr(run, 'settings', settings)
    monkeypatch.setattr(run, 'installed', lambda _: 'hello')
    monkeypatch.setattr(run, 'presentable', str)
    monkeypatch.setattr(run.discovery, 'find', fail)
    monkeypatch.setattr(run, 'Restarts', lambda: Restarts(str(tmp_path / 'restarts.json')))
    monkeypatch.setattr(run, '_exit', lambda *given: reasons.append(given[-1]))
    return reasons


def test_given_code_that_fails_at_its_import_in_the_worker_then_it_says_so_before_it_ends(ended, monkeypatch):
    monkeypatch.setattr(run, '_TOLD', 1)

    async def scenario() -> list[Health]:
        running = asyncio.create_task(run._main())
        heard = []
        while not running.done():
            heard.append(await asyncio.to_thread(_health, Workload(None)))  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
        return heard

    problem = 'workflows-file cannot be imported: a: KeyError: 1'
    assert Health(False, problem, operator=True) in asyncio.run(scenario())
    assert ended == [problem]


def test_given_such_code_and_a_port_that_is_taken_then_the_worker_ends(ended):
    with socket.create_server(('127.0.0.1', layout.HEALTH_PORT)):
        asyncio.run(run._main())

    assert len(ended) == 1
