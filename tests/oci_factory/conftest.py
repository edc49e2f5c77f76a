"""The stand-ins, served to the tests on a free port of loopback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import development
import generator
import pytest
from served import SEED, TOKEN, WEB
from stand_ins.server import Server, StandIns
from stand_ins.wire import Answer, Request


@pytest.fixture(scope='session')
def serving() -> Iterator[Server]:
    with Server(StandIns(generator.make(SEED), TOKEN)) as server:
        yield server


@pytest.fixture
def server(serving: Server) -> Server:
    """The stand-ins, faultless and with nothing recorded."""
    serving.stand_ins.forget()
    return serving


@pytest.fixture
def environment(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The stand-ins, known to the activities."""
    for name, value in development.environment(server.url, TOKEN).items():
        monkeypatch.setenv(name, value)
    for name in ('OCI_FACTORY_REPOSITORY', 'OCI_FACTORY_ISSUES', 'OCI_FACTORY_SCANNED'):
        monkeypatch.delenv(name, raising=False)
    return server


@pytest.fixture
def mattermost(environment: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, value in development.channels(environment.url).items():
        if name.startswith('MATTERMOST'):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv('OCI_FACTORY_TEMPORAL_WEB', WEB)
    return environment


@pytest.fixture
def webhook(environment: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv('OCI_FACTORY_WEBHOOK_URL', f'{environment.url}/hook')
    return environment


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


@pytest.fixture(scope='module')
def temporal() -> Iterator[development.Temporal]:
    """A server, for as long as a module's tests."""
    try:
        program = development.program()
    except LookupError as error:
        pytest.fail(str(error))
    with asyncio.Runner() as runner:
        # The runner's loop goes on between the tests, and the worker with it, whenever one of them waits.
        stack = contextlib.AsyncExitStack()
        client = runner.run(stack.enter_async_context(development.serve(program)))
        yield development.Temporal(runner, client)
        runner.run(stack.aclose())
