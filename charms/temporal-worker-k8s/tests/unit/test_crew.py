"""The workers of the loader: one per queue, drained together, and what the server must see of them."""

from __future__ import annotations

import asyncio
import base64
import inspect
import logging
import os
import socket
import sys
from types import SimpleNamespace
from typing import Any

import pytest
from served import CODE, FakeClient, FakeWorker, refusal, settings, until
from temporalio.client import Client
from temporalio.service import RPCStatusCode, TLSConfig
from temporalio.worker import Worker
from temporalio.worker._workflow import _WorkflowWorker

from loader import crew, health, layout, pollers, watchdog
from loader.activities import Running
from loader.authentication import Keeper, Refused, Unreachable
from loader.crew import Crew
from loader.health import State
from loader.watchdog import Stuck


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
        gang = Crew(wanted, CODE, State())
        working = asyncio.create_task(gang.work())
        await until(lambda: len(FakeWorker.made) == 2)
        gang.stop()
        await working
        assert [worker.options['task_queue'] for worker in FakeWorker.made] == ['a', 'b']
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


def test_given_two_connections_then_no_poller_of_one_is_taken_for_the_others(client):
    async def identity() -> str:
        await Crew(settings(), CODE, State()).connect()
        return client.connected[1]['identity']

    first, second = asyncio.run(identity()), asyncio.run(identity())

    assert first != second
    assert {tuple(each.split('@')[:2]) for each in (first, second)} == {(str(os.getpid()), socket.gethostname())}


@pytest.mark.parametrize(
    ('error', 'reason'),
    [
        (RuntimeError('Poll failure: x\ny'), 'polling failed: Poll failure: x'),
        (RuntimeError(), 'polling failed: no reason given'),
        (None, 'polling failed: no reason given'),
    ],
)
def test_given_two_workers_when_one_fails_then_the_other_is_drained_and_the_process_has_to_end(client, error, reason):
    async def scenario() -> None:
        working = asyncio.create_task(Crew(settings(queues=('a', 'b')), CODE, State()).work())
        await until(lambda: len(FakeWorker.made) == 2)
        if error:
            FakeWorker.made[0].fails.set_exception(error)
        else:
            FakeWorker.made[0].fails.set_result(None)
        with pytest.raises(Stuck, match=reason):
            await working
        assert FakeWorker.made[1].shut.is_set()

    asyncio.run(scenario())


@pytest.mark.parametrize('status', [RPCStatusCode.NOT_FOUND, *health.REFUSALS])
def test_given_a_worker_that_the_server_refused_when_it_no_longer_does_then_it_works_in_the_same_process(
    client, status
):
    async def scenario() -> None:
        state = State()
        gang = Crew(settings(), CODE, state)
        working = asyncio.create_task(gang.work())
        await until(lambda: FakeWorker.made)
        client.error = refusal(status)
        FakeWorker.made[0].fails.set_exception(RuntimeError('Poll failure'))
        await until(lambda: state.operator)
        client.error = None
        await until(lambda: len(FakeWorker.made) == 2)
        gang.stop()
        await working

    asyncio.run(scenario())


def test_given_a_workflow_that_cannot_be_evicted_and_logs_that_are_hidden_then_the_process_has_to_end(
    client, monkeypatch
):
    monkeypatch.setattr(watchdog, '_BEAT', 0.01)
    monkeypatch.setattr(logging.getLogger('temporalio.worker._workflow'), 'disabled', True)

    async def scenario() -> None:
        gang = Crew(settings(queues=('a', 'b')), CODE, State())
        working = asyncio.create_task(gang.work())
        await until(lambda: len(FakeWorker.made) == 2)
        await asyncio.sleep(0.05)
        assert not FakeWorker.made[0].shut.is_set()
        monkeypatch.setattr(
            FakeWorker.made[1], '_workflow_worker', SimpleNamespace(_could_not_evict_count=1), raising=False
        )
        with pytest.raises(Stuck, match='could not be evicted'):
            await working
        assert FakeWorker.made[0].shut.is_set()

    asyncio.run(scenario())


def test_given_the_sdk_then_it_counts_what_cannot_be_evicted_where_the_worker_looks():
    assert 'self._workflow_worker = _WorkflowWorker(' in inspect.getsource(Worker)
    assert 'self._could_not_evict_count += 1' in inspect.getsource(_WorkflowWorker)


def test_given_an_activity_that_does_not_end_when_stopped_then_it_is_handed_over(client, monkeypatch):
    monkeypatch.setattr(FakeWorker, 'hangs', True)
    monkeypatch.setattr(layout, 'GRACE', 0)
    monkeypatch.setattr(layout, 'CANCELLED', 0.05)

    async def scenario() -> None:
        state = State()
        gang = Crew(settings(), CODE, state)
        working = asyncio.create_task(gang.work())
        await until(lambda: FakeWorker.made)
        (activities,) = FakeWorker.made[0].options['interceptors']
        activities.running[b'1'] = Running(b'1', ({'at': 7},))
        gang.stop()
        await working
        assert client.failed == [(b'1', ({'at': 7},))]
        assert state.problem == 'running activities to end'

    asyncio.run(scenario())


def test_given_pollers_that_have_fallen_silent_then_the_process_has_to_end(client, monkeypatch):
    monkeypatch.setattr(pollers, '_STALE', 0.05)
    _seen(client, 'q')

    async def scenario() -> None:
        with pytest.raises(Stuck, match='the server has seen no new poll of queue q'):
            await Crew(settings(), CODE, State()).work()

    asyncio.run(scenario())
    assert FakeWorker.made[0].shut.is_set()


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
        (
            refusal(RPCStatusCode.PERMISSION_DENIED),
            'h:1 refuses a worker that does not say who it is: set auth-provider and auth-secret-id',
            True,
        ),
        (
            RuntimeError('call error after connection: Status { code: Unauthenticated, message: "no" }'),
            'h:1 refuses a worker that does not say who it is: set auth-provider and auth-secret-id',
            True,
        ),
        (
            RuntimeError('received fatal alert: CertificateRequired'),
            'h:1 wants a client certificate: set auth-provider=mtls and auth-secret-id',
            True,
        ),
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


_ALERT = RuntimeError('received fatal alert: CertificateRequired')


@pytest.mark.parametrize(
    ('error', 'tls', 'told'),
    [
        (None, True, ''),
        (_ALERT, True, 'h:1 wants a client certificate: set auth-provider=mtls and auth-secret-id'),
        (_ALERT, False, ''),
        (RuntimeError('tcp connect error'), True, ''),
        (refusal(RPCStatusCode.UNAVAILABLE), True, ''),
    ],
)
def test_given_a_handshake_that_fails_then_another_one_tells_what_a_person_has_to_do(client, error, tls, told):
    client.error = error

    assert asyncio.run(Crew(settings(tls=tls), CODE, State())._unreached()) == told


@pytest.mark.parametrize(
    ('wanted', 'tls'),
    [(settings(), False), (settings(tls=True, ca='PEM'), b'PEM'), (settings(tls=True), None)],
)
def test_given_tls_when_connecting_then_the_authority_is_the_servers_or_the_systems(client, wanted, tls):
    asyncio.run(Crew(wanted, CODE, State()).connect())

    _, options = client.connected
    used = options['tls']
    assert (used.server_root_ca_cert if isinstance(used, TLSConfig) else used) == tls


def test_given_a_port_for_prometheus_then_it_is_answered_there_and_made_once(client):
    with socket.create_server(('127.0.0.1', 0)) as free:
        port = free.getsockname()[1]

    async def scenario() -> bytes:
        gang = Crew(settings(metrics_port=port), CODE, State())
        await gang.connect()
        await gang.connect()
        reader, writer = await asyncio.open_connection('127.0.0.1', port)
        writer.write(b'GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
        answer = await reader.readline()
        writer.close()
        return answer

    assert b'200 OK' in asyncio.run(scenario())


def test_given_a_port_that_is_taken_then_the_operator_is_told(client):
    async def scenario() -> None:
        with socket.create_server(('0.0.0.0', 0)) as taken:
            state = State()
            port = taken.getsockname()[1]
            gang = Crew(settings(metrics_port=port), CODE, state)
            working = asyncio.create_task(gang.work())
            await until(lambda: state.operator)
            assert state.problem == f'port {port} cannot be used: change the option prometheus-port'
            gang.stop()
            await working

    asyncio.run(scenario())


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


@pytest.mark.parametrize(
    ('error', 'problem', 'operator'),
    [(Refused('mend the secret'), 'mend the secret', True), (Unreachable('u to answer'), 'u to answer', False)],
)
def test_given_no_token_when_there_is_one_then_the_worker_works_with_it(client, monkeypatch, error, problem, operator):
    errors = [error, error]

    async def metadata(_: Keeper) -> dict[str, str]:
        if errors:
            raise errors[0]
        return {'authorization': 'x'}

    monkeypatch.setattr(Keeper, 'metadata', metadata)

    async def scenario() -> None:
        state = State()
        gang = Crew(settings(), CODE, state)
        working = asyncio.create_task(gang.work())
        await until(lambda: (state.problem, state.operator) == (problem, operator))
        assert not FakeWorker.made
        errors.clear()
        _seen(client, 'q')
        await until(lambda: state.polling)
        assert client.connected[1]['rpc_metadata'] == {'authorization': 'x'}
        gang.stop()
        await working

    asyncio.run(scenario())


def test_given_a_certificate_that_may_not_do_it_then_the_refusal_names_it(client):
    client.error = refusal(RPCStatusCode.PERMISSION_DENIED)

    async def scenario() -> None:
        state = State()
        gang = Crew(settings(), CODE, state, layout.Keys('C', 'K'))
        working = asyncio.create_task(gang.work())
        await until(lambda: state.operator)
        gang.stop()
        await working
        assert state.problem.startswith('h:1 refuses whom the client certificate of secret:')

    asyncio.run(scenario())


@pytest.mark.parametrize('keys', [(), (base64.b64encode(bytes(32)).decode(),)])
def test_given_keys_then_payloads_are_encrypted(client, keys):
    asyncio.run(Crew(settings(), CODE, State(), layout.Keys(encryption=keys)).connect())

    assert (client.connected[1]['data_converter'].payload_codec is not None) is bool(keys)


def test_given_keys_and_an_image_that_cannot_encrypt_then_the_operator_is_told(client, monkeypatch):
    monkeypatch.delitem(sys.modules, 'loader.codec', raising=False)
    monkeypatch.setitem(sys.modules, 'cryptography.exceptions', None)

    async def scenario() -> None:
        state = State()
        gang = Crew(settings(), CODE, state, layout.Keys(encryption=('x',)))
        working = asyncio.create_task(gang.work())
        await until(lambda: state.operator)
        gang.stop()
        await working
        assert state.problem.startswith('the image lacks cryptography.exceptions, which encrypts: attach a ')

    asyncio.run(scenario())
