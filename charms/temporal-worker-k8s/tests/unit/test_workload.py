"""What the worker answers, asked over HTTP as the charm asks it."""

from __future__ import annotations

import socket
import threading

import pytest

import workload
from loader.health import State
from workload import Health, Workload

_health = Workload.health
"""The real one; the other tests of this folder replace it."""


def _ask() -> Health:
    return _health(Workload(None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ('answer', 'health'),
    [
        (State(polling=True, problem='').answer(), Health(True)),
        (State(polling=True, problem='', restarts=2, reason='x').answer(), Health(True, '', False, 2, 'x')),
        (State(problem='h:1 to answer').answer(), Health(False, 'h:1 to answer')),
        (State(problem='no namespace', operator=True).answer(), Health(False, 'no namespace', operator=True)),
        (b'nonsense', Health(False, 'the worker to start')),
    ],
)
def test_given_a_worker_that_answers_then_its_answer_is_told(monkeypatch, answer, health):
    with socket.create_server(('127.0.0.1', 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setattr(workload.layout, 'HEALTH_PORT', server.getsockname()[1])
        try:
            assert _ask() == health
        finally:
            thread.join()


def test_given_nobody_who_answers_then_the_worker_is_starting(monkeypatch):
    monkeypatch.setattr(workload.layout, 'HEALTH_PORT', 1)

    assert _ask() == Health(False, 'the worker to start')
