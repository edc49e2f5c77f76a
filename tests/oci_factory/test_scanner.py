"""The scanner is asked once for each revision, waited for, and nobody hears its secrets."""

from __future__ import annotations

import datetime
import logging
import os
from typing import Any

import pytest
from acting import fail, failure, given_up, run
from oci_factory import options, scan_activities, scanner
from oci_factory.scan_activities import scan_revision
from oci_factory.scan_model import Finding, Target
from stand_ins.scanner import PASSWORD, TOKEN, vulnerability
from stand_ins.server import Server
from stand_ins.wire import Request
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from test_secrets import everything

TARGET = Target('valkey', '1.0/5', 'sha256:a', ('1.0_stable',), ('CVE-7',))
FINDING = Finding('CVE-1', 'openssl', '1.0', '1.1', 'High')


@pytest.fixture
def found(environment: Server) -> Server:
    """The scanner finds one thing that matters in the target, and some that do not."""
    rest = [vulnerability('CVE-7'), vulnerability('CVE-2', fixed=''), vulnerability('CVE-3', severity='Low')]
    environment.stand_ins.scanner.plant('sha256:a', [*rest, vulnerability('CVE-1')])
    return environment


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the activity would wait for, without waiting."""
    waited: list[float] = []
    monkeypatch.setattr('temporalio.activity.wait_for_worker_shutdown_sync', waited.append)
    return waited


def test_a_scan(found: Server, seen: list[Request]) -> None:
    assert run(scan_revision, TARGET) == (FINDING,)
    assert found.stand_ins.scanner.recorded() == [
        {
            'registry': {'url': 'https://ghcr.io'},
            'artifact': {
                'repository': 'canonical/oci-factory/valkey',
                'digest': 'sha256:a',
                'mime_type': 'application/vnd.oci.image.index.v1+json',
            },
            'private': False,
        }
    ]
    assert [request.path for request in seen] == ['/scanner/scan', '/scanner/scan/scan-1/report']


@pytest.mark.parametrize('told', [[], None])
def test_nothing_found(environment: Server, told: Any) -> None:
    environment.stand_ins.scanner.plant('sha256:a', [])
    if told is None:
        fail(environment, 200, match='/report', body={'vulnerabilities': None})
    assert run(scan_revision, TARGET) == ()


@pytest.mark.parametrize(
    ('status', 'headers', 'seconds'),
    [
        (302, {'Refresh-After': '7', 'Location': 'http://127.0.0.1:1/'}, 7),
        (302, {}, scanner.USUAL),
        (302, {'Refresh-After': 'soon'}, scanner.USUAL),
        (302, {'Refresh-After': '0'}, scanner.LEAST),
        (302, {'Refresh-After': '86400'}, scanner.MOST),
        (202, {'Retry-After': '9'}, 9),
    ],
)
def test_a_report_that_is_not_there_yet_is_waited_for(
    found: Server, waits: list[float], seen: list[Request], status: int, headers: dict[str, str], seconds: int
) -> None:
    beats: list[tuple[Any, ...]] = []
    fail(found, status, match='/report', headers=headers, times=2)
    assert run(scan_revision, TARGET, on_heartbeat=lambda *details: beats.append(details)) == (FINDING,)
    assert sum(waits) == 2 * seconds
    # Never longer than a part of the time after which the server gives the attempt up.
    assert max(waits) <= 10
    assert set(beats) == {('scan-1', 0)} and len(beats) == 1 + len(waits)
    assert [request.method for request in seen] == ['POST', 'GET', 'GET', 'GET']


def test_another_attempt_waits_for_the_same_scan(found: Server, seen: list[Request]) -> None:
    run(scan_revision, TARGET)
    del seen[:]
    assert run(scan_revision, TARGET, attempt=2, details=['scan-1', 0]) == (FINDING,)
    assert [request.method for request in seen] == ['GET']


def test_a_worker_that_shuts_down_hands_over(found: Server, waits: list[float]) -> None:
    beats: list[tuple[Any, ...]] = []
    fail(found, 302, match='/report', times=None)
    error = failure(scan_revision, TARGET, stopping=True, on_heartbeat=lambda *details: beats.append(details))
    assert error.type == 'WorkerShutdown' and not error.non_retryable
    assert error.category == ApplicationErrorCategory.BENIGN
    assert error.next_retry_delay == datetime.timedelta(milliseconds=100)
    assert beats[-1] == ('scan-1', 0) and len(waits) == 1


def test_it_waits_really(found: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    fail(found, 302, match='/report', headers={'Refresh-After': '1'})
    assert run(scan_revision, TARGET) == (FINDING,)


def test_a_scan_that_is_lost_is_asked_for_anew(found: Server, seen: list[Request]) -> None:
    beats: list[tuple[Any, ...]] = []
    error = failure(scan_revision, TARGET, details=['scan-9', 1], on_heartbeat=lambda *details: beats.append(details))
    assert error.type == scanner.LOST and not error.non_retryable
    assert beats[-1] == ('', 1)
    assert run(scan_revision, TARGET, attempt=40, details=beats[-1]) == (FINDING,)
    assert [request.method for request in seen] == ['GET', 'POST', 'GET']


def test_a_scan_that_fails_is_asked_for_anew_some_times(found: Server) -> None:
    last: list[tuple[Any, ...]] = []
    fail(found, 500, match='/report', body={'error': {'message': 'no such image'}}, times=None)
    for attempt in range(1, scan_activities.TRIES + 1):
        details = last[-1] if last else ()
        error = failure(scan_revision, TARGET, details=details, on_heartbeat=lambda *told: last.append(told))
        assert last[-1] == ('', attempt)
        assert error.message == 'the scan has failed (no such image)'
        assert error.type == scanner.FAILED and error.non_retryable == (attempt == scan_activities.TRIES)
    assert len(found.stand_ins.scanner.recorded()) == scan_activities.TRIES


def test_a_report_that_cannot_be_had_now_is_asked_for_again(found: Server) -> None:
    beats: list[tuple[Any, ...]] = []
    fail(found, 502, match='/report')
    error = failure(scan_revision, TARGET, on_heartbeat=lambda *details: beats.append(details))
    assert not error.non_retryable and beats[-1] == ('scan-1', 0)


@pytest.mark.parametrize('match', ['POST /scanner', '/report'])
@pytest.mark.parametrize('status', [429, 503])
def test_a_scanner_that_is_busy_says_for_how_long(found: Server, match: str, status: int) -> None:
    fail(found, status, match=match, headers={'Retry-After': '40'})
    error = failure(scan_revision, TARGET)
    assert error.next_retry_delay == datetime.timedelta(seconds=40) and not error.non_retryable


@pytest.mark.parametrize('status', [0, 500, 503])
def test_a_scanner_that_is_down_is_asked_again(found: Server, status: int) -> None:
    fail(found, status, match='POST /scanner')
    error = failure(scan_revision, TARGET)
    assert not error.non_retryable and error.next_retry_delay is None


@pytest.mark.parametrize(
    ('status', 'advice'),
    [
        (400, 'version of the interface'),
        (401, 'OCI_FACTORY_SCANNER_TOKEN'),
        (403, 'OCI_FACTORY_SCANNER_TOKEN'),
        (404, 'check OCI_FACTORY_SCANNER'),
        (422, 'check OCI_FACTORY_SCANNED'),
    ],
)
def test_a_scanner_that_refuses_is_not_asked_again(found: Server, status: int, advice: str) -> None:
    headers = {'x-ratelimit-remaining': '10'}
    fail(found, status, match='POST /scanner', headers=headers)
    error = failure(scan_revision, TARGET)
    assert given_up(error, options.SCAN) and advice in error.message and 'told to fail' in error.message


def test_a_scanner_without_reports_of_this_version(found: Server) -> None:
    fail(found, 415, match='/report', body={'error': {'message': 'unsupported'}})
    error = failure(scan_revision, TARGET)
    assert error.non_retryable and 'take another one' in error.message


@pytest.mark.parametrize('body', [[], {}, {'id': ''}, {'id': 7}, 'no JSON'])
def test_a_scanner_that_does_not_name_the_scan(found: Server, body: Any) -> None:
    fail(found, 202, match='POST /scanner', body=body)
    assert not failure(scan_revision, TARGET).non_retryable


@pytest.mark.parametrize(
    ('body', 'said'),
    [
        ([], 'odd reports: report: '),
        ({'vulnerabilities': {}}, 'odd reports: vulnerabilities: '),
        ({'vulnerabilities': [{'package': 'openssl'}]}, 'odd reports: vulnerabilities.0.id: '),
        ('<html>', 'no JSON'),
    ],
)
def test_a_report_that_cannot_be_read(found: Server, body: Any, said: str) -> None:
    fail(found, 200, match='/report', body=body)
    error = failure(scan_revision, TARGET)
    assert said in error.message and not error.non_retryable


def test_a_report_of_which_parts_are_missing(found: Server) -> None:
    fail(found, 200, match='/report', body={'vulnerabilities': [{'id': 'CVE-1'}, {'id': 'CVE-2', 'fix_version': None}]})
    assert run(scan_revision, TARGET) == ()


@pytest.mark.parametrize(
    ('images', 'url', 'repository'),
    [
        ('https://public.ecr.aws/ubuntu/', 'https://public.ecr.aws', 'ubuntu/valkey'),
        ('http://registry.example:5000', 'http://registry.example:5000', 'valkey'),
    ],
)
def test_another_registry(
    found: Server, monkeypatch: pytest.MonkeyPatch, images: str, url: str, repository: str
) -> None:
    monkeypatch.setenv('OCI_FACTORY_SCANNED', images)
    run(scan_revision, TARGET)
    (recorded,) = found.stand_ins.scanner.recorded()
    assert (recorded['registry']['url'], recorded['artifact']['repository']) == (url, repository)


def test_a_registry_that_is_not_public(
    found: Server, monkeypatch: pytest.MonkeyPatch, seen: list[Request], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv('OCI_FACTORY_SCANNED_USER', 'puller')
    monkeypatch.setenv('OCI_FACTORY_SCANNED_PASSWORD', PASSWORD)
    run(scan_revision, TARGET)
    sent = seen[0].body['registry']['authorization']
    assert sent.startswith('Basic ') and found.stand_ins.scanner.recorded()[0]['private']
    # Trivy's adapter quotes what it was given when that is not what it expects.
    for said in (sent, sent.removeprefix('Basic '), PASSWORD, TOKEN):
        for match, status in (('POST /scanner', 422), ('/report', 500)):
            fail(found, status, match=match, body={'error': {'message': f'got {said}'}})
            told = everything(failure(scan_revision, TARGET))
            assert 'got ***' in told
            assert not any(secret in told for secret in (sent.removeprefix('Basic '), PASSWORD, TOKEN))
    assert PASSWORD not in caplog.text and TOKEN not in caplog.text


def test_secrets_are_not_shown_by_the_settings() -> None:
    loaded = scanner.Settings('http://scanner', TOKEN, 'http://images', 'puller', PASSWORD)
    assert TOKEN not in repr(loaded) and PASSWORD not in repr(loaded)


@pytest.mark.parametrize(
    ('name', 'value', 'said'),
    [
        ('SCANNER', '', 'OCI_FACTORY_SCANNER is not set'),
        ('SCANNER', 'scanner.example', 'OCI_FACTORY_SCANNER is no http(s) URL'),
        ('SCANNER', 'http://me:secret@scanner.example', 'OCI_FACTORY_SCANNER has a password in it'),
        ('SCANNER_TOKEN', 'a b', 'OCI_FACTORY_SCANNER_TOKEN has characters'),
        ('SCANNED', 'ghcr.io', 'OCI_FACTORY_SCANNED is no http(s) URL'),
        ('SCANNED', 'https://me:secret@ghcr.io', 'OCI_FACTORY_SCANNED has a password in it'),
        ('SCANNED_USER', 'puller', 'give both or none'),
        ('SCANNED_PASSWORD', PASSWORD, 'give both or none'),
    ],
)
def test_settings_that_cannot_be_right(
    environment: Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(f'OCI_FACTORY_{name}', value)
    with pytest.raises(ApplicationError) as caught:
        scanner.Settings.load(os.environ)
    assert given_up(caught.value, options.SCAN) and said in caught.value.message
    assert 'secret' not in caught.value.message and PASSWORD not in caught.value.message
