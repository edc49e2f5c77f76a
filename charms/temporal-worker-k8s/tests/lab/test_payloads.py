"""Encrypted histories on a real server: rotated keys, both forms, and what was not encrypted before."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport
from temporal_server import Server
from temporalio.client import WorkflowFailureError
from working import Fail, encrypting, finish, start, until, working

from loader import reports
from loader.layout import Keys

pytestmark = [pytest.mark.lab, pytest.mark.usefixtures('files')]
OLD, NEW = (base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2))


@pytest.mark.parametrize(
    ('before', 'form'),
    [((), 'aes-gcm'), ((OLD,), 'aes-eax'), ((OLD,), 'aes-gcm')],
    ids=['not encrypted', 'AES-EAX', 'AES-GCM'],
)
def test_given_running_workflows_when_keys_are_rotated_then_they_end_and_all_of_their_history_is_read(
    open_server: Server, before, form
):
    async def scenario() -> None:
        plain = await open_server.admin()
        first = encrypting(plain, *before, cipher=form) if before else plain
        async with working(open_server.address, Keys(encryption=before), cipher=form) as state:
            await until(lambda: state.polling, state)
            handle = await start(first, 'somebody')
            async with asyncio.timeout(20):
                while 'ACTIVITY_TASK_COMPLETED' not in (await handle.fetch_history()).to_json():
                    await asyncio.sleep(0.1)
        rotated = encrypting(plain, NEW, *before)
        async with working(open_server.address, Keys(encryption=(NEW, *before))) as state:
            await until(lambda: state.polling, state)
            assert await finish(rotated.get_workflow_handle(handle.id, result_type=str)) == 'hello somebody'
        raw = (await plain.get_workflow_handle(handle.id).fetch_history()).to_json()
        assert base64.b64encode(b'"hello somebody"').decode() not in raw or not before
        told = [payload async for payload in _payloads(plain, handle.id)]
        assert told[-1].metadata['encoding'] == b'binary/encrypted'
        assert 'encryption-key-id' in told[-1].metadata

    asyncio.run(scenario())


async def _payloads(client: Any, identifier: str):
    """Arguments and results in a history, as the server has them."""
    history = await client.get_workflow_handle(identifier).fetch_history()
    for event in history.events:
        kind = event.WhichOneof('attributes')
        attributes = getattr(event, kind)
        for name in ('input', 'result'):
            if any(field.name == name for field, _ in attributes.ListFields()):
                for payload in getattr(attributes, name).payloads:
                    yield payload


def test_given_a_key_that_is_lacking_then_the_workflow_waits_for_it(open_server: Server):
    async def scenario() -> None:
        plain = await open_server.admin()
        handle = await start(encrypting(plain, OLD))
        async with working(open_server.address, Keys(encryption=(NEW,))) as state:
            await until(lambda: state.polling, state)
            async with asyncio.timeout(20):
                while 'which encryption-secret-id lacks' not in (await handle.fetch_history()).to_json():
                    await asyncio.sleep(0.2)
        async with working(open_server.address, Keys(encryption=(NEW, OLD))) as state:
            await until(lambda: state.polling, state)
            assert await finish(encrypting(plain, NEW, OLD).get_workflow_handle(handle.id, result_type=str))

    asyncio.run(scenario())


class Sent(Transport):
    """Keeps what would be sent."""

    events: list[Any]

    def capture_envelope(self, envelope: Any) -> None:
        self.events.append(envelope.get_event())


def test_given_sentry_then_it_is_told_of_activity_and_workflow_from_within_the_sandbox(
    open_server: Server, monkeypatch
):
    Sent.events = []
    real = sentry_sdk.init
    monkeypatch.setattr(reports.sentry_sdk, 'init', lambda **options: real(transport=Sent, **options))
    interceptor = reports.begin('http://k@127.0.0.1:1/1', '', '', 1.0, redact=False)

    async def scenario() -> None:
        client = await open_server.admin()
        async with working(open_server.address, interceptors=[interceptor]) as state:
            await until(lambda: state.polling, state)
            running = client.execute_workflow(Fail.run, 'luck', id='fails', task_queue='q')
            with pytest.raises(WorkflowFailureError):
                await asyncio.wait_for(running, 20)

    try:
        asyncio.run(scenario())
    finally:
        real()
    kinds = [event['tags']['temporal.execution_type'] for event in Sent.events]
    assert sorted(kinds) == ['activity', 'workflow'], json.dumps(Sent.events, default=str)[:2000]
