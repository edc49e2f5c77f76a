"""The program that pauses, resumes, triggers or shows one schedule."""

from __future__ import annotations

import asyncio
import json
import pathlib

import pytest
from served import refusal, settings
from temporal_service import Service, ask, client
from temporalio.service import RPCStatusCode

from loader import crew, layout, one_schedule, schedules
from loader.authentication import Refused
from loader.standing import Schedule, Standing


@pytest.fixture
def service() -> Service:
    """It has a schedule."""
    service = Service()
    daily = Schedule('daily', 'Report', ('*', 1), 'q', 'skip', 86400, 3600)
    wanted = Standing(True, 'm/app', ('q',), (), (daily,))
    assert ask(service, lambda client: schedules.Keeper(client).keep(wanted)) == []
    return service


def _act(service: Service, what: str, schedule: str = 'daily') -> dict[str, str]:
    return ask(service, lambda client: one_schedule.act(client.get_schedule_handle(schedule), what))


def test_given_a_schedule_when_something_is_done_with_it_then_it_is_told_how_it_is(service):
    rests = {'schedule': 'daily', 'paused': 'true', 'note': 'by the action pause-schedule', 'next': '', 'last': ''}
    goes_on = {'schedule': 'daily', 'paused': 'false', 'note': 'by the action resume-schedule', 'next': '', 'last': ''}

    assert _act(service, 'pause') == rests
    assert _act(service, 'show') == rests
    assert _act(service, 'resume') == goes_on
    assert _act(service, 'trigger') == goes_on
    assert service.calls == ['create daily', 'trigger daily']


@pytest.mark.parametrize(
    ('raised', 'told'),
    [
        (None, {'schedule': 'daily', 'paused': 'false', 'note': '', 'next': '', 'last': ''}),
        (
            refusal(RPCStatusCode.NOT_FOUND),
            {'error': 'the server has no schedule daily: juju status tells why'},
        ),
        (refusal(RPCStatusCode.PERMISSION_DENIED), {'error': 'h:1 did not do it (permission_denied): no'}),
        (RuntimeError('refused'), {'error': 'h:1 does not answer'}),
        (Refused('Google refuses the key'), {'error': 'Google refuses the key'}),
    ],
)
def test_given_the_program_when_it_is_run_then_it_connects_as_the_worker_does(
    service, monkeypatch, tmp_path: pathlib.Path, raised, told
):
    (tmp_path / 'settings.json').write_text(settings(metrics_port=9000).dump())
    monkeypatch.setattr(layout, 'SETTINGS', str(tmp_path / 'settings.json'))
    keys = layout.Keys(certificate='PEM', key='PEM of the key')
    (tmp_path / 'keys.json').write_text(keys.dump())
    monkeypatch.setattr(layout, 'KEYS', str(tmp_path / 'keys.json'))
    asked: list[tuple[int, layout.Keys]] = []

    async def connect(wanted, _, given, *__):
        asked.append((wanted.metrics_port, given))
        if raised:
            raise raised
        return client(service)

    monkeypatch.setattr(crew, 'connect', connect)

    answer = asyncio.run(one_schedule._main('show', 'daily'))

    assert json.loads(json.dumps(answer)) == told
    # The worker itself has the port.
    assert asked == [(0, keys)]
