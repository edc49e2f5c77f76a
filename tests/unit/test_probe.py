"""What the server answers, asked over HTTP as the charm asks it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator

import pytest

import probe
from probe import Health

_ask = probe.ask
"""The real one; the other tests of this folder replace it."""


@pytest.fixture
def answer(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict]:
    """A server that answers as told."""
    told = {'status': 200, 'body': b'serving\n'}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(told['status'])
            self.end_headers()
            self.wfile.write(told['body'])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(probe, 'PORT', server.server_port)
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ('status', 'body', 'expected'),
    [
        (200, b'serving\n', Health(True, 'serving')),
        (503, b'history, worker\n', Health(False, 'history, worker')),
    ],
)
def test_given_a_server_that_answers_then_its_answer_is_told(answer, status, body, expected):
    answer |= {'status': status, 'body': body}

    assert _ask() == expected


def test_given_nobody_who_answers_then_the_server_is_starting(answer, monkeypatch):
    monkeypatch.setattr(probe, 'PORT', 1)

    assert _ask() == Health(False, 'the server to start')
