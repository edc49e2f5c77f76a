"""What Sentry is told, and that no secret is in it."""

from __future__ import annotations

import asyncio
import gzip
import http.server
import json
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.transport import Transport
from temporalio import activity, workflow
from temporalio.exceptions import CancelledError

from loader import layout, reports


class Sent(Transport):
    """Keeps what would be sent.

    Attributes:
        events: in order.
    """

    events: list[Any]

    def capture_envelope(self, envelope: Any) -> None:
        self.events.append(envelope.get_event())


@pytest.fixture
def sent(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What is sent; the workflow code has a secret."""
    for name, content in (
        ('ENVIRONMENT', {'PASSWORD': 'hunter2', 'TWC_QUEUE': 'queue-of-mine', 'SHORT': 'abc'}),
        ('CREDENTIALS', {'token': 't0ken', 'client_email': 'me@x'}),
        ('KEYS', {'certificate': 'PUBLIC', 'key': 'BEGIN\nPRIVATE', 'encryption': ['a2V5']}),
    ):
        path = tmp_path / name
        path.write_text(json.dumps(content))
        monkeypatch.setattr(layout, name, str(path))
    Sent.events = []
    real = sentry_sdk.init
    monkeypatch.setattr(reports.sentry_sdk, 'init', lambda **options: real(transport=Sent, **options))
    yield Sent.events
    real()


def _begin(**changes: Any) -> reports.Reports:
    values = {'dsn': 'https://k@h/1', 'release': '1.0', 'environment': '', 'sample_rate': 1.0, 'redact': False}
    return reports.begin(**(values | changes))


class Fails:
    """Raises as an activity or a workflow would."""

    def __init__(self, error: BaseException | None):
        self.error = error

    async def execute_activity(self, _: Any) -> str:
        local = 'hunter2 and t0ken of queue-of-mine'
        if self.error:
            raise self.error
        return local

    execute_workflow = execute_activity


def _info() -> Any:
    return SimpleNamespace(
        activity_type='greet', activity_id='1', attempt=2, workflow_type='Hello', workflow_id='w', workflow_run_id='r',
        run_id='r', namespace='n', task_queue='q',
    )  # fmt: skip


def _activity(interceptor: reports.Reports, error: BaseException | None) -> Any:
    inbound = interceptor.intercept_activity(Fails(error))  # type: ignore[arg-type]
    return asyncio.run(inbound.execute_activity(None))  # type: ignore[arg-type]


def test_given_an_activity_that_fails_then_sentry_is_told_what_and_where_without_secrets(sent, monkeypatch):
    monkeypatch.setattr(activity, 'info', _info)

    with pytest.raises(ValueError, match='hunter2'):
        _activity(_begin(), ValueError('cannot log in with hunter2 at me@x, PRIVATE'))

    (event,) = sent
    assert event['release'] == '1.0'
    assert event['tags']['temporal.activity.type'] == 'greet'
    assert event['tags']['temporal.activity.attempt'] == '2'
    assert event['exception']['values'][0]['value'] == 'cannot log in with *** at me@x, ***'
    told = json.dumps(event, default=str)
    assert "'*** and *** of queue-of-mine'" in told
    assert not any(secret in told for secret in ('hunter2', 't0ken', 'PRIVATE', 'a2V5'))


def test_given_redaction_then_no_variables_are_told(sent, monkeypatch):
    monkeypatch.setattr(activity, 'info', _info)

    with pytest.raises(ValueError, match='x'):
        _activity(_begin(redact=True), ValueError('x'))

    (event,) = sent
    assert 'vars' not in json.dumps(event, default=str)


@pytest.mark.parametrize(('rate', 'error'), [(0.0, ValueError()), (1.0, CancelledError()), (1.0, None)])
def test_given_what_is_not_to_be_told_then_sentry_is_not_told(sent, monkeypatch, rate, error):
    monkeypatch.setattr(activity, 'info', _info)
    interceptor = _begin(sample_rate=rate)

    if error:
        with pytest.raises(type(error)):
            _activity(interceptor, error)
    else:
        assert _activity(interceptor, None)

    assert not sent


def test_given_a_report_that_cannot_be_made_then_the_activity_fails_as_without_it(sent, monkeypatch):
    monkeypatch.setattr(activity, 'info', _info)
    interceptor = _begin()
    monkeypatch.setattr(sentry_sdk.Scope, 'capture_exception', lambda *_: 1 / 0)

    with pytest.raises(ValueError, match='x'):
        _activity(interceptor, ValueError('x'))


@pytest.mark.parametrize(
    ('error', 'replaying', 'told'),
    [
        (ValueError('x'), False, 1),
        (ValueError('x'), True, 0),
        (workflow.ContinueAsNewError.__new__(workflow.ContinueAsNewError), False, 0),
        (None, False, 0),
    ],
)
def test_given_a_workflow_that_fails_then_sentry_is_told_once(sent, monkeypatch, error, replaying, told):
    monkeypatch.setattr(workflow, 'info', _info)
    monkeypatch.setattr(workflow.unsafe, 'is_replaying', lambda: replaying)
    kind = _begin().workflow_interceptor_class(None)  # type: ignore[arg-type]
    inbound = kind(Fails(error))  # type: ignore[arg-type]

    if error:
        with pytest.raises(type(error)):
            asyncio.run(inbound.execute_workflow(None))  # type: ignore[arg-type]
    else:
        assert asyncio.run(inbound.execute_workflow(None))  # type: ignore[arg-type]

    assert len(sent) == told
    assert all(event['tags']['temporal.workflow.id'] == 'w' for event in sent)


_ENDS = """
import pathlib, sys, time
from loader import layout, reports, run
from loader.watchdog import Restarts

url, folder = sys.argv[1:]
layout.ENVIRONMENT = f'{folder}/environment.json'
told = reports.begin(url, '', '', 1.0, False)
for which in ('first', 'second', 'last'):
    reports._report(ValueError(f'the {which} one'), {})
print(time.monotonic(), flush=True)
run._exit(Restarts(f'{folder}/restarts.json'), [told], 'it was stuck')
"""
"""A process that ends right after some reports."""


@pytest.fixture
def sentry() -> Iterator[Any]:
    """Sentry, as slow as a test wants it; has what it was told."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.told.append(gzip.decompress(self.rfile.read(int(self.headers['Content-Length']))).decode())
            server.over.wait(server.patience)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server: Any = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.told, server.patience, server.over = [], 0.0, threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.over.set()
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(('patience', 'sent'), [(0.3, ['first', 'second', 'last']), (60, ['first'])])
def test_given_reports_when_the_process_ends_then_they_are_sent_and_nobody_waits_for_long(
    tmp_path, sentry, patience, sent
):
    # One after the other.
    sentry.patience = patience
    (tmp_path / 'environment.json').write_text('{}')

    url = f'http://key@127.0.0.1:{sentry.server_port}/1'
    ended = subprocess.run([sys.executable, '-c', _ENDS, url, tmp_path], capture_output=True, text=True)

    took = time.monotonic() - float(ended.stdout)
    assert ended.returncode == os.EX_SOFTWARE, ended.stderr
    assert [which for which in ('first', 'second', 'last') if f'the {which} one' in ''.join(sentry.told)] == sent
    assert took < 20
    assert json.loads((tmp_path / 'restarts.json').read_text())['count'] == 1
