"""The token reaches GitHub, and nothing and nobody else."""

from __future__ import annotations

import logging
import traceback
from typing import Any

import pytest
from acting import DISPATCH, dispatches, failure, run
from oci_factory import activities, mendable, settings
from served import TOKEN
from stand_ins.server import Server
from stand_ins.wire import Request
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DefaultFailureConverter, DefaultPayloadConverter


def everything(error: BaseException) -> str:
    """All that Temporal and a log would say of an error, with whatever caused it."""
    proto = Failure()
    DefaultFailureConverter().to_failure(error, DefaultPayloadConverter(), proto)
    return '\n'.join([repr(error), str(error), str(proto), *traceback.format_exception(error)])


@pytest.mark.parametrize(
    'fault',
    [
        {'status': 401},
        {'status': 403, 'body': {'message': f'{TOKEN} may not'}},
        {'status': 422, 'body': {'message': f'Bearer {TOKEN} is not right'}},
        {'status': 500, 'body': f'you sent {TOKEN}'},
        {'status': 429, 'headers': {'Retry-After': '1'}, 'body': {'message': f'{TOKEN} again'}},
        {'status': 0},
    ],
)
def test_the_token_is_in_no_error_and_no_log(
    environment: Server, caplog: pytest.LogCaptureFixture, fault: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    for attempt in (1, 2):
        for call in ('dispatches', '/runs?'):
            environment.stand_ins.faults.add([{'match': call, **fault}])
            assert TOKEN not in everything(failure(activities.dispatch_rebuild, DISPATCH, attempt=attempt))
    run(activities.dispatch_rebuild, DISPATCH, attempt=3)
    run(activities.dispatch_rebuild, DISPATCH, attempt=4)
    assert len(dispatches(environment)) == 1
    # The last attempt logs that there was nothing to do, and the libraries log their share.
    assert 'was dispatched before' in caplog.text and 'httpcore' in caplog.text
    assert TOKEN not in caplog.text


def test_the_token_is_not_shown_by_the_settings(environment: Server) -> None:
    environ = {variable: 'http://127.0.0.1:1' for variable in settings._VARIABLES.values()} | {'GITHUB_TOKEN': TOKEN}
    loaded = settings.Settings.load(environ)
    assert loaded.token == TOKEN
    assert TOKEN not in repr(loaded)


def test_the_token_goes_to_github_only(
    environment: Server, seen: list[Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(activities.read_releases, 'valkey')
    run(activities.read_build_metadata, 'valkey', [1])
    run(activities.resolve_channels, 'valkey', [])
    assert {request.path.split('/')[1] for request in seen if 'authorization' in request.headers} == {'github'}
    assert {request.path.split('/')[1] for request in seen} == {'github', 'builds', 'registry'}
    # Releases that are somewhere else are asked for without it.
    monkeypatch.setenv('OCI_FACTORY_RELEASES', f'{environment.url}/builds')
    run(activities.read_releases, 'valkey')
    assert 'authorization' not in seen[-1].headers


@pytest.mark.parametrize('name', ['OCI_FACTORY_BUILDS', 'OCI_FACTORY_REGISTRY'])
@pytest.mark.parametrize('url', ['http://user:secret@127.0.0.1:1', 'https://secret@127.0.0.1/x'])
def test_a_password_in_a_url_is_refused(
    environment: Server, monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    monkeypatch.setenv(name, url)
    error = failure(activities.resolve_channels, 'valkey', [])
    assert error.type == mendable.WRONG_SETTING
    assert name in error.message and 'secret' not in everything(error)
