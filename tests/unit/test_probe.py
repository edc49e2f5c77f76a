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
    told = {'/': (200, b'serving\n'), '/databases': (200, b'serving\n')}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = told[self.path]
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

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
    ('told', 'expected'),
    [
        ({}, Health(True, 'serving')),
        ({'/': (503, b'history, worker\n')}, Health(False, 'history, worker')),
        ({'/databases': (503, b'visibility\n')}, Health(True, 'serving', 'visibility')),
        # What does not serve says nothing of its databases.
        ({'/': (503, b'frontend\n'), '/databases': (503, b'database\n')}, Health(False, 'frontend')),
    ],
)
def test_given_a_server_that_answers_then_its_answer_is_told(answer, told, expected):
    answer |= told

    assert _ask() == expected
    assert expected.well == (told == {})


def test_given_nobody_who_answers_then_the_server_is_starting(answer, monkeypatch):
    monkeypatch.setattr(probe, 'PORT', 1)

    assert _ask() == Health(False, 'the server to start')
