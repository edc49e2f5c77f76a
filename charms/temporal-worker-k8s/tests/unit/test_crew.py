"""The workers of the loader: one per queue, drained together, and what the server must see of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from served import CODE, FakeClient, FakeWorker, refusal, settings, until
from temporalio.client import Client
from temporalio.service import RPCStatusCode, TLSConfig

from loader import crew, health, layout, pollers
from loader.crew import Crew
from loader.discovery import Code
from loader.health import State


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeClient:
    """A server that answers, and workers that poll nothing."""
    client = FakeClient()

    async def connect(address: str, **options: Any) -> FakeClient:
        client.connected = (address, options)
        return client

    FakeWorker.made = []
    monkeypatch.setattr(Client, 'connect', connect)
    monkeypatch.setattr(crew, 'Worker', FakeWorker)
    monkeypatch.setattr(crew, '_RETRY', 0.01)
    monkeypatch.setattr(crew, '_CONNECT', 0.1)
    monkeypatch.setattr(pollers, '_LOOK_EVERY', 0.01)
    return client


def _seen(client: FakeClient, *queues: str) -> None:
    for queue in queues:
        for kind in (pollers.WORKFLOW, pollers.ACTIVITY):
            client.seen[queue, kind] = ['2@there', client.identity]


def test_given_several_queues_then_each_has_a_worker_with_all_the_code_and_all_the_limits(client):
    wanted = settings(queues=('a', 'b'), limits={'max_concurrent_activities': 3, 'max_cached_workflows': 0})

    async def scenario() -> None:
        workers = crew.make(client, wanted, CODE)  # type: ignore[arg-type]
        assert [worker.options['task_queue'] for worker in FakeWorker.made] == ['a', 'b']
        assert len(workers) == 2
        for worker in FakeWorker.made:
            assert worker.options['workflows'] == list(CODE.workflows.values())
            assert worker.options['activities'] == list(CODE.activities.values())
            assert worker.options['activity_executor']._max_workers == 3
            assert (worker.options['max_concurrent_activities'], worker.options['max_cached_workflows']) == (3, 0)

    asyncio.run(scenario())


def test_given_a_server_when_all_queues_are_polled_then_the_worker_says_so_and_stops_when_told(client):
    async def scenario() -> None:
        state = State()
        gang = Crew(settings(queues=('a', 'b')), CODE, state)
        working = asyncio.create_task(gang.work())
        await until(lambda: 'queue a' in state.problem)
        _seen(client, 'a')
        await until(lambda: 'queue b' in state.problem)
        _seen(client, 'b')
        await until(lambda: state.polling)
        gang.stop()
        await working
        assert all(worker.shut.is_set() for worker in FakeWorker.made)
        assert len(FakeWorker.made) == 2

    asyncio.run(scenario())


def test_given_two_workers_when_one_fails_then_the_other_is_drained_and_both_are_made_anew(client):
    async def scenario() -> None:
        gang = Crew(settings(queues=('a', 'b')), CODE, State())
        working = asyncio.create_task(gang.work())
        await until(lambda: len(FakeWorker.made) == 2)
        FakeWorker.made[0].fails.set_exception(RuntimeError('polling failed'))
        await until(lambda: len(FakeWorker.made) == 4)
        assert FakeWorker.made[1].shut.is_set()
        gang.stop()
        await working

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ('error', 'problem', 'operator'),
    [
        (refusal(RPCStatusCode.UNAVAILABLE), 'h:1 to answer (unavailable)', False),
        (
            refusal(RPCStatusCode.NOT_FOUND),
            'namespace n does not exist on h:1: register it or change the option namespace',
            True,
        ),
        (RuntimeError('no route'), 'h:1 to answer', False),
    ],
)
def test_given_a_server_that_refuses_when_it_answers_then_the_worker_works(client, error, problem, operator):
    client.error = error

    async def scenario() -> None:
        state = State()
        gang = Crew(settings(), CODE, state)
        working = asyncio.create_task(gang.work())
        await until(lambda: len(client.asked) > 1 and (state.problem, state.operator) == (problem, operator))
        client.error = None
        _seen(client, 'q')
        await until(lambda: state.polling)
        client.error = refusal(RPCStatusCode.UNAVAILABLE)
        await until(lambda: state.problem == 'h:1 to answer (unavailable)')
        gang.stop()
        await working

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ('code', 'kinds'),
    [
        (CODE, [pollers.WORKFLOW, pollers.ACTIVITY]),
        (Code(CODE.workflows, {}), [pollers.WORKFLOW]),
        (Code({}, CODE.activities), [pollers.ACTIVITY]),
    ],
)
def test_given_code_then_the_pollers_that_it_needs_are_looked_for(code, kinds):
    assert pollers.kinds(code) == kinds


@pytest.mark.parametrize(
    ('wanted', 'tls'),
    [(settings(), False), (settings(tls=True, ca='PEM'), b'PEM'), (settings(tls=True), None)],
)
def test_given_tls_when_connecting_then_the_authority_is_the_servers_or_the_systems(client, wanted, tls):
    asyncio.run(crew.connect(wanted))

    _, options = client.connected
    used = options['tls']
    assert (used.server_root_ca_cert if isinstance(used, TLSConfig) else used) == tls


@pytest.mark.parametrize(('request_', 'answered'), [(b'GET / HTTP/1.1\r\n\r\n', True), (b'half', False)])
def test_given_a_question_over_http_then_the_answer_is_the_state(monkeypatch, request_, answered):
    real = asyncio.start_server
    ports: list[int] = []

    async def start(handle, host: str, _: int):
        server = await real(handle, host, 0)
        ports.append(server.sockets[0].getsockname()[1])
        return server

    monkeypatch.setattr(health.asyncio, 'start_server', start)
    monkeypatch.setattr(layout, 'HEALTH_PORT', 0)

    async def scenario() -> bytes:
        serving = asyncio.create_task(health.serve(State(polling=True, problem='')))
        await until(lambda: ports)
        reader, writer = await asyncio.open_connection('127.0.0.1', ports[0])
        writer.write(request_)
        writer.write_eof()
        answer = await reader.read()
        writer.close()
        serving.cancel()
        return answer

    assert (b'"polling": true' in asyncio.run(scenario())) is answered
