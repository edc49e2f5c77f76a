"""What the activities make of every failure: again, later, or never."""

from __future__ import annotations

import datetime
import email.utils
import time
from collections.abc import Callable
from typing import Any

import pytest
from acting import DISPATCH, fail, failure, given_up, run
from oci_factory import activities, mendable, options
from oci_factory.model import Run
from stand_ins.server import Server
from test_secrets import everything


@pytest.mark.parametrize(
    ('status', 'headers', 'advice'),
    [
        (404, {}, 'check OCI_FACTORY_GITHUB and OCI_FACTORY_REPOSITORY'),
        (422, {}, 'compare the inputs'),
        (301, {'Location': 'http://127.0.0.1:1/'}, ''),
    ],
)
def test_what_will_not_heal_is_not_retried(
    environment: Server, status: int, headers: dict[str, str], advice: str
) -> None:
    fail(environment, status, headers=headers, match='dispatches')
    error = failure(activities.dispatch_rebuild, DISPATCH)
    assert error.non_retryable
    assert f': {status} (told to fail)' in error.message and advice in error.message


REMAINING = {'x-ratelimit-remaining': '10', 'x-ratelimit-reset': '4000000000'}


@pytest.mark.parametrize(
    ('status', 'headers', 'advice'),
    [
        (401, {}, 'give a valid token as GITHUB_TOKEN'),
        (403, REMAINING, 'the right to run workflows'),
    ],
)
@pytest.mark.parametrize(('attempt', 'minutes'), [(1, 1), (2, 2), (3, 4), (4, 5), (300, 5)])
def test_what_a_person_can_mend_is_waited_for_slowly(
    environment: Server, status: int, headers: dict[str, str], advice: str, attempt: int, minutes: int
) -> None:
    fail(environment, status, headers=headers, match='dispatches')
    error = failure(activities.dispatch_rebuild, DISPATCH, attempt=attempt)
    assert not given_up(error, options.DISPATCH) and error.type == mendable.UNAUTHORISED
    assert error.next_retry_delay == datetime.timedelta(minutes=minutes)
    assert f': {status} (told to fail)' in error.message and advice in error.message


def ahead(seconds: int) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(time.time() + seconds, datetime.UTC)


def reset(seconds: int) -> dict[str, str]:
    """Headers of GitHub's when no requests remain."""
    return {'x-ratelimit-remaining': '0', 'x-ratelimit-reset': f'{ahead(seconds).timestamp():.0f}'}


@pytest.mark.parametrize(
    ('status', 'headers', 'body', 'seconds'),
    [
        (429, lambda: {'Retry-After': '7'}, None, 7),
        (403, lambda: {'Retry-After': '7'}, None, 7),
        (429, lambda: {'Retry-After': '0'}, None, 1),
        (429, lambda: {'Retry-After': email.utils.format_datetime(ahead(90))}, None, 90),
        (429, lambda: reset(90), None, 90),
        (403, lambda: reset(90), None, 90),
        (403, lambda: reset(-1000), None, 1),
        (403, dict, {'message': 'You have exceeded a secondary rate limit'}, 60),
        (429, dict, None, 60),
    ],
)
def test_rate_limits_say_when_to_come_back(
    environment: Server, status: int, headers: Callable[[], dict[str, str]], body: Any, seconds: int
) -> None:
    fail(environment, status, headers=headers(), body=body, match='dispatches')
    error = failure(activities.dispatch_rebuild, DISPATCH)
    assert not error.non_retryable
    assert error.next_retry_delay is not None
    delay = error.next_retry_delay.total_seconds()
    # A date is a whole second, and a slow machine takes some of its own.
    assert max(1, seconds - 15) <= delay <= seconds + 2 if seconds == 90 else delay == seconds


@pytest.mark.parametrize(('attempt', 'seconds'), [(1, 1), (2, 2), (5, 16), (9, 256), (300, 300)])
@pytest.mark.parametrize(('status', 'kind'), [(429, 'RateLimited'), (503, 'ServerError')])
def test_who_asks_for_a_second_for_long_uses_up_no_attempts(
    environment: Server, status: int, kind: str, attempt: int, seconds: int
) -> None:
    fail(environment, status, headers={'Retry-After': '1'}, match='dispatches')
    error = failure(activities.dispatch_rebuild, DISPATCH, attempt=attempt)
    assert (error.type, error.next_retry_delay) == (kind, datetime.timedelta(seconds=seconds))


@pytest.mark.parametrize('proxy', ['htp://me:Hidden@squid:3128', 'http://me:Hidden/x@squid:3128', 'socks5://squid'])
def test_a_proxy_that_cannot_be_one_is_waited_for(
    environment: Server, monkeypatch: pytest.MonkeyPatch, proxy: str
) -> None:
    monkeypatch.setenv('ALL_PROXY', proxy)
    error = failure(activities.dispatch_rebuild, DISPATCH)
    assert error.type == mendable.WRONG_SETTING and 'mend HTTP_PROXY' in error.message
    assert 'Hidden' not in everything(error)


@pytest.mark.parametrize(
    ('activity', 'args', 'match'),
    [
        (activities.list_released, ['*'], 'contents'),
        (activities.read_releases, ['valkey'], 'contents'),
        (activities.read_build_metadata, ['valkey', [1]], 'builds'),
        (activities.resolve_channels, ['valkey', []], 'registry'),
        (activities.dispatch_rebuild, [DISPATCH], 'dispatches'),
        (activities.follow_run, [DISPATCH, Run(1, '')], '/runs/1'),
    ],
)
@pytest.mark.parametrize('status', [0, 500, 503])
def test_what_may_heal_is_retried(
    environment: Server, activity: Callable[..., Any], args: list[Any], match: str, status: int
) -> None:
    if activity is activities.follow_run:
        run(activities.dispatch_rebuild, DISPATCH)
    fail(environment, status, match=match)
    error = failure(activity, *args)
    assert not error.non_retryable
    assert error.next_retry_delay is None
    # The fault is over, and so is the trouble.
    run(activity, *args)


@pytest.mark.parametrize(('attempt', 'seconds'), [(1, 60), (2, 120), (4, 480), (9, 3600), (200, 3600)])
def test_a_limit_that_says_no_time_is_kept_from_for_longer_each_time(
    environment: Server, attempt: int, seconds: int
) -> None:
    fail(environment, 403, body={'message': 'You have exceeded a secondary rate limit'}, match='dispatches')
    error = failure(activities.dispatch_rebuild, DISPATCH, attempt=attempt)
    assert error.next_retry_delay == datetime.timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ('headers', 'body'),
    [
        ({}, {'__type': 'ThrottlingException', 'message': 'Rate exceeded'}),
        ({}, {'__type': 'com.amazonaws.ecrpublic#TooManyRequestsException'}),
        ({'x-amzn-ErrorType': 'ThrottlingException:http://internal.amazon.com/coral/'}, {'message': 'Rate exceeded'}),
    ],
)
def test_amazons_limits_are_limits(environment: Server, headers: dict[str, str], body: Any) -> None:
    fail(environment, 400, headers=headers, body=body, match='registry')
    error = failure(activities.resolve_channels, 'valkey', [], attempt=2)
    assert not error.non_retryable and error.type == 'RateLimited'
    assert error.next_retry_delay == datetime.timedelta(seconds=120)


def test_amazons_other_refusals_are_none(environment: Server) -> None:
    body = {'__type': 'InvalidParameterException', 'message': 'no "__type": ThrottlingException'}
    fail(environment, 400, body=body, match='registry')
    error = failure(activities.resolve_channels, 'valkey', [])
    assert error.non_retryable and 'check OCI_FACTORY_REGISTRY' in error.message


def test_nobody_there(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_REGISTRY', 'http://127.0.0.1:1')
    error = failure(activities.resolve_channels, 'valkey', [])
    assert not error.non_retryable
    assert 'no answer (ConnectError)' in error.message


@pytest.mark.parametrize('body', ['<html>busy</html>', ''])
def test_an_answer_that_is_no_json(environment: Server, body: str) -> None:
    fail(environment, 200, match='registry', body=body)
    error = failure(activities.resolve_channels, 'valkey', [])
    assert not error.non_retryable
    assert 'no JSON' in error.message


def test_a_release_file_that_is_no_json(environment: Server) -> None:
    fail(environment, 200, match='valkey', body='{"latest": ')
    error = failure(activities.read_releases, 'valkey')
    assert error.non_retryable
    assert '_releases.json of valkey is no JSON' in error.message


def test_another_repository(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_REPOSITORY', 'somebody/fork')
    error = failure(activities.dispatch_rebuild, DISPATCH)
    assert error.non_retryable
    assert '/repos/somebody/fork/' in error.message


def test_a_url_that_is_none(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_REGISTRY', 'http://127.0.0.1:http')
    error = failure(activities.resolve_channels, 'valkey', [])
    assert error.non_retryable
    assert error.message == 'one of the URLs in the settings is invalid'
