"""What proves to a real server's client that a worker polls, and what does not."""

from __future__ import annotations

import asyncio

import pytest
from served import FakeWorker
from temporal_server import Server
from working import until, working

from loader import crew

pytestmark = pytest.mark.lab


def test_given_pollers_of_a_worker_before_then_they_prove_nothing_of_one_that_does_not_poll(
    open_server: Server, monkeypatch
):
    async def scenario() -> None:
        await open_server.admin()
        async with working(open_server.address) as state:
            await until(lambda: state.polling, state)
        FakeWorker.made = []
        monkeypatch.setattr(crew, 'Worker', FakeWorker)
        async with working(open_server.address) as state:
            await until(lambda: 'to see the pollers of queue q' in state.problem, state)
            await asyncio.sleep(3)
            assert not state.polling

    asyncio.run(scenario())
