"""Temporal Schedules: made once, changed when they should be, and left alone when a person has paused one."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import datetime
from typing import Any

import pytest
from temporal_service import Service, ask, refused
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from loader import schedules
from loader.codec import Codec
from loader.standing import Schedule, Standing

DAILY = Schedule('daily', 'Report', ('*', 1), 'q', 'skip', 86400, 3600)
WEEKLY = Schedule('weekly', 'Report', (), 'q', 'allow-all', cron=('0 2 * * 1',), time_zone='Europe/London')


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def keep(service: Service):
    """Keeps what is wanted; gives back what is said of it."""

    def _keep(*wanted: Schedule, owner: str = 'm/app', codec: Codec | None = None) -> list[str]:
        standing = Standing(True, owner, ('q',), (), wanted)
        found = ask(service, lambda client: schedules.Keeper(client).keep(standing), codec)
        assert all(each.operator for each in found)
        return [str(each) for each in found]

    return _keep


def test_given_an_interval_then_the_server_has_it(service, keep):
    assert keep(DAILY) == []

    made = service.schedules['daily']
    (interval,) = made.spec.interval
    assert interval.interval.ToTimedelta() == datetime.timedelta(days=1)
    assert interval.phase.ToTimedelta() == datetime.timedelta(hours=1)
    assert made.policies.overlap_policy == ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP
    assert made.policies.catchup_window.ToTimedelta() == datetime.timedelta(hours=12)
    action = made.action.start_workflow
    assert (action.workflow_id, action.workflow_type.name, action.task_queue.name) == ('daily', 'Report', 'q')
    assert asyncio.run(DataConverter.default.decode(list(action.input.payloads))) == ['*', 1]
    assert not made.state.paused


def test_given_lines_of_cron_then_the_server_has_them(service, keep):
    assert keep(WEEKLY) == []

    made = service.schedules['weekly']
    assert [one.comment for one in made.spec.structured_calendar] == ['0 2 * * 1']
    assert made.spec.timezone_name == 'Europe/London'
    assert made.policies.overlap_policy == ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
    assert made.policies.catchup_window.ToTimedelta() == datetime.timedelta(days=1)


def test_given_schedules_that_are_as_wanted_then_they_are_left_alone(service, keep):
    keep(DAILY, WEEKLY)
    del service.calls[:]

    assert keep(DAILY, WEEKLY) == []
    assert service.calls == []


@pytest.mark.parametrize(
    ('one', 'changes'),
    [
        (DAILY, {'queue': 'other'}),
        (DAILY, {'workflow': 'Other'}),
        (DAILY, {'arguments': ('x',)}),
        (DAILY, {'every': 3600, 'offset': 0}),
        (DAILY, {'offset': 0}),
        (DAILY, {'overlap': 'buffer-one'}),
        (DAILY, {'every': 0, 'offset': 0, 'cron': ('1 1 * * *',)}),
        (WEEKLY, {'cron': ('1 1 * * *',)}),
        (WEEKLY, {'time_zone': ''}),
    ],
)
def test_given_a_schedule_when_it_should_be_another_then_it_is_changed_once_and_a_pause_stays(
    service, keep, one, changes
):
    keep(one)
    service.schedules[one.id].state.paused = True
    del service.calls[:]
    other = dataclasses.replace(one, **changes)

    keep(other)
    keep(other)

    assert service.calls == [f'update {one.id}']
    assert service.schedules[one.id].state.paused


OLD, NEW = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


@pytest.mark.parametrize('cipher', ['aes-gcm', 'aes-eax'])
@pytest.mark.parametrize('both', [True, False])
def test_given_another_key_then_schedules_stay_the_applications_and_are_encrypted_anew(service, keep, cipher, both):
    keep(DAILY, codec=Codec([OLD], cipher))
    keep(DAILY, codec=Codec([OLD], cipher))
    assert service.calls == ['create daily']

    # An EAX payload does not name its key: as long as it can be read, it is.
    keep(DAILY, codec=Codec([NEW, OLD] if both else [NEW], cipher))

    updates = [] if both and cipher == 'aes-eax' else ['update daily']
    assert service.calls == ['create daily', *updates]
    keep(DAILY, codec=Codec([NEW, OLD], cipher))
    assert service.calls == ['create daily', *updates]
    payloads = list(service.schedules['daily'].action.start_workflow.input.payloads)
    key = Codec([NEW] if updates else [OLD], cipher)
    assert asyncio.run(DataConverter(payload_codec=key).decode(payloads)) == ['*', 1]
    assert keep(codec=Codec([NEW], cipher)) == []
    assert service.schedules == {}


def test_given_a_schedule_that_somebody_has_changed_then_it_is_changed_back(service, keep):
    keep(DAILY)
    made = service.schedules['daily']
    made.spec.interval[0].interval.FromTimedelta(datetime.timedelta(hours=5))

    keep(DAILY)

    assert made.spec.interval[0].interval.ToTimedelta() == datetime.timedelta(days=1)


def test_given_a_schedule_that_is_taken_out_then_it_is_removed_and_no_other(service, keep):
    keep(DAILY, WEEKLY)
    keep(dataclasses.replace(DAILY, id='others'), owner='m/another')
    del service.calls[:]

    keep(WEEKLY)
    # The list still shows it.
    keep(WEEKLY)

    assert service.calls == ['delete daily']


def test_given_a_schedule_of_somebody_else_then_a_person_is_asked_and_it_stays(service, keep):
    keep(DAILY, owner='m/another')

    assert keep(DAILY, WEEKLY) == [
        'schedules: daily is there already, and this application has not made it: give it another name, or delete the '
        'one that is there'
    ]
    assert service.calls == ['create daily', 'create weekly']


def test_given_cron_that_the_server_does_not_take_then_a_person_is_asked_and_the_others_are_made(service, keep):
    assert keep(dataclasses.replace(WEEKLY, cron=('nonsense',)), DAILY) == [
        'schedules: weekly: the server does not take it: refused'
    ]
    assert service.calls == ['create daily']


def test_given_somebody_who_makes_it_at_the_same_time_then_the_next_look_finds_it(service, keep):
    service.races = 1

    assert keep(DAILY) == []
    assert service.calls == []


def test_given_a_server_that_does_not_answer_then_it_is_raised(service, keep, monkeypatch):
    service.down = refused(RPCStatusCode.UNAVAILABLE)
    with pytest.raises(RPCError):
        keep(DAILY)
    service.down = None
    keep(DAILY)

    async def refuse(*_: Any, **__: Any) -> None:
        raise refused(RPCStatusCode.PERMISSION_DENIED)

    monkeypatch.setattr(service, 'delete_schedule', refuse)
    assert [str(each) for each in keep()] == [
        'the server refuses to remove schedule daily, which the option no longer names: refused'
    ]
