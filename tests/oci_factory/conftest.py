"""The stand-ins, served to the tests on a free port of loopback."""

from __future__ import annotations

from collections.abc import Iterator

import development
import generator
import pytest
from served import SEED, TOKEN
from stand_ins.server import Server, StandIns
from stand_ins.wire import Answer, Request


@pytest.fixture(scope='session')
def serving() -> Iterator[Server]:
    with Server(StandIns(generator.make(SEED), TOKEN)) as server:
        yield server


@pytest.fixture
def server(serving: Server) -> Server:
    """The stand-ins, faultless and with nothing recorded."""
    serving.stand_ins.faults.clear()
    serving.stand_ins.github.forget()
    serving.stand_ins.notified.forget()
    return serving


@pytest.fixture
def environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The stand-ins, known to the activities."""
    for name, value in development.environment(server.url, TOKEN).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv('OCI_FACTORY_REPOSITORY', raising=False)
    return server


@pytest.fixture
def seen(environment: Server, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The requests that reach the stand-ins."""
    requests: list[Request] = []
    answer = environment.stand_ins.answer

    def note(request: Request) -> Answer:
        requests.append(request)
        return answer(request)

    monkeypatch.setattr(environment.stand_ins, 'answer', note)
    return requests
