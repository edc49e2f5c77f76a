"""Build metadata in Swift: as whom it is asked, what its failures mean, and what of it nobody may see."""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Iterator

import pytest
from acting import fail, failure, given_up, run
from oci_factory import activities, mendable, options
from oci_factory.settings import Keystone
from stand_ins import stores
from stand_ins.server import Server
from stand_ins.wire import Request
from test_secrets import everything

REVISIONS = list(range(1, 2000))


@pytest.fixture
def private(environment: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The container is closed, and the worker has today's variables."""
    monkeypatch.delenv('OCI_FACTORY_BUILDS')
    monkeypatch.setenv('OS_STORAGE_URL', f'{environment.url}/')
    monkeypatch.setenv('OS_AUTH_URL', f'{environment.url}/identity/v3')
    monkeypatch.setenv('OS_USERNAME', 'factory')
    monkeypatch.setenv('OS_PASSWORD', stores.PASSWORD)
    monkeypatch.setenv('OS_PROJECT_NAME', 'rocks')
    # There the container has another name than the one that is meant if none is given.
    monkeypatch.setenv('OCI_FACTORY_BUILDS', f'{environment.url}/private')
    return environment


def test_a_closed_container(private: Server, seen: list[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    closed = run(activities.read_build_metadata, 'valkey', REVISIONS)
    assert [request.path for request in seen[:2]] == ['/identity/v3/auth/tokens', '/private']
    for name in ('OS_AUTH_URL', 'OS_STORAGE_URL'):
        monkeypatch.delenv(name)
    monkeypatch.setenv('OCI_FACTORY_BUILDS', f'{private.url}/builds')
    assert run(activities.read_build_metadata, 'valkey', REVISIONS) == closed
    assert len(closed) > 3


def test_the_address_of_keystone_may_lack_its_version(private: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OS_AUTH_URL', f'{private.url}/identity/')
    assert run(activities.read_build_metadata, 'valkey', REVISIONS)


def test_without_a_name_the_container_is_the_factorys(
    private: Server, monkeypatch: pytest.MonkeyPatch, seen: list[Request]
) -> None:
    monkeypatch.delenv('OCI_FACTORY_BUILDS')
    failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert seen[-1].path == '/oci-factory'


@pytest.mark.parametrize(
    ('variable', 'value', 'said'),
    [
        ('OS_PASSWORD', '', 'OS_PASSWORD is not set, but OS_AUTH_URL is'),
        ('OS_AUTH_URL', 'keystone.example', 'OS_AUTH_URL is no http(s) URL'),
        ('OS_AUTH_URL', 'https://me:WrongPassword@keystone.example', 'OS_AUTH_URL is no http(s) URL'),
    ],
)
def test_what_waits_for_somebody(
    private: Server, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert not given_up(error, options.READ) and given_up(error, options.SCAN_READ) and said in error.message
    for secret in ('WrongPassword', stores.PASSWORD):
        assert secret not in everything(error)


@pytest.mark.parametrize('status', [400, 403, 404, 412])
def test_a_container_that_is_refused(private: Server, status: int) -> None:
    fail(private, status, match='/private?')
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert error.non_retryable == (status != 403)
    assert f'/private: {status}; check OCI_FACTORY_BUILDS' in error.message


@pytest.mark.parametrize('match', ['/private?', 'build_metadata.json'])
def test_a_token_that_ends_is_renewed(private: Server, seen: list[Request], match: str) -> None:
    wanted = run(activities.read_build_metadata, 'valkey', REVISIONS)
    seen.clear()
    fail(private, 401, match=match)
    assert run(activities.read_build_metadata, 'valkey', REVISIONS) == wanted
    assert [request.path for request in seen].count('/identity/v3/auth/tokens') == 2


def test_a_new_token_that_is_refused_is_not_renewed(private: Server, seen: list[Request]) -> None:
    fail(private, 401, match='/private?', times=None)
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert error.type == mendable.UNAUTHORISED and '401; check OCI_FACTORY_BUILDS' in error.message
    assert len(seen) == 4


def test_a_keystone_that_goes_before_it_is_asked_for_a_new_token(private: Server) -> None:
    def go(*_: object) -> None:
        fail(private, 401, match='/private?')
        fail(private, 503, match='/identity')

    error = failure(activities.read_build_metadata, 'valkey', REVISIONS, on_heartbeat=go)
    assert not error.non_retryable and error.message == 'Keystone: 503'


def test_a_keystone_that_is_not_there(private: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OS_AUTH_URL', f'{private.url}/elsewhere')
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert error.non_retryable and error.message == 'Keystone: 404; check OS_AUTH_URL and the project'
    monkeypatch.setenv('OS_AUTH_URL', 'http://127.0.0.1:1')
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert not error.non_retryable and error.message.startswith('Keystone: no answer')


@pytest.mark.parametrize('match', ['/identity', '/private?', 'build_metadata.json'])
@pytest.mark.parametrize(
    ('status', 'headers', 'seconds'),
    [(0, {}, None), (500, {}, None), (503, {}, None), (429, {'Retry-After': '7'}, 7), (498, {}, 60)],
)
def test_what_may_heal(private: Server, match: str, status: int, headers: dict[str, str], seconds: int | None) -> None:
    fail(private, status, match=match, headers=headers)
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert not error.non_retryable
    assert (error.next_retry_delay.total_seconds() if error.next_retry_delay else None) == seconds
    assert run(activities.read_build_metadata, 'valkey', REVISIONS)


@pytest.mark.parametrize('body', ['<html>busy</html>', '[{"name": "valk'])
def test_a_listing_that_is_no_json(private: Server, body: str) -> None:
    fail(private, 200, match='/private?', body=body)
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert not error.non_retryable and error.type == 'NoAnswer'


def test_a_listing_that_repeats_itself(private: Server) -> None:
    fail(private, 200, match='/private?', times=None, body=[{'name': 'valkey/lockfile.lock'}])
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert not error.non_retryable and 'the same page' in error.message


@pytest.fixture
def cut_off(environment: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A store that hangs up in the middle of what it says."""
    with socket.create_server(('127.0.0.1', 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n[{"name": ')

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv('OCI_FACTORY_BUILDS', f'http://127.0.0.1:{listening.getsockname()[1]}/builds')
        yield
        thread.join()


def test_an_answer_that_is_cut_off(cut_off: None) -> None:
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    assert not error.non_retryable and error.type == 'NoAnswer'


def test_no_log_and_no_settings_show_a_secret(private: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    fail(private, 401, match='build_metadata.json', times=2)
    error = failure(activities.read_build_metadata, 'valkey', REVISIONS)
    run(activities.read_build_metadata, 'valkey', REVISIONS)
    shown = f'{caplog.text}{everything(error)}{Keystone.load(os.environ)!r}'
    assert 'urllib3' in caplog.text
    assert stores.PASSWORD not in shown
    assert stores.TOKEN[:10] not in shown
