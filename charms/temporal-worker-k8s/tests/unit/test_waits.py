"""What a consumer waits for reaches the status, once it has lasted; what cannot be read says nothing."""

from __future__ import annotations

import asyncio
import base64
import datetime

import pytest
from temporal_events.model import Progress
from temporal_service import Service, client
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.workflow.v1 import PendingActivityInfo

from loader import consumers
from loader.codec import Codec
from loader.standing import Consumer, Standing

A = Consumer('a', 'g')
_SCHEDULED, _STARTED = (
    PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED,
    PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
)
_FAILURE = Failure(message='KeyError: X\nat all', application_failure_info=ApplicationFailureInfo(type='KeyError'))


def _ago(seconds: float) -> str:
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds)).strftime('%Y-%m-%dT%H:%M:%SZ')


def _told(progress: object, codec: Codec | None = None, reader: Codec | None = None, **activity: object) -> list[str]:
    """What is said of a consumer whose activity is like that."""

    async def scenario() -> list[str]:
        service = Service()
        keeper, wanted = consumers.Keeper(client(service, reader or codec)), Standing(True, 'm/app', ('q',), (A,))
        assert await keeper.keep(wanted) == []
        # As if another unit had started it long ago.
        keeper = consumers.Keeper(client(service, reader or codec))
        there = PendingActivityInfo(**{'attempt': 1, 'state': _STARTED, **activity})
        there.activity_type.name = 'Consume'
        if progress is not None:
            beats = await client(service, codec).data_converter.encode([progress])
            there.heartbeat_details.payloads.extend(beats)
        service.workflows[A.id].pending_activities.append(there)
        return [f'{"person" if each.operator else "time"}: {each}' for each in await keeper.keep(wanted)]

    return asyncio.run(scenario())


def _codec(number: int) -> Codec:
    return Codec([base64.b64encode(bytes([number]) * 32).decode()], 'aes-gcm')


@pytest.mark.parametrize('codec', [None, _codec(1)])
def test_given_a_consumer_that_has_waited_for_some_time_then_it_is_told_for_what(codec):
    since = _ago(40)

    assert _told(Progress(started=7, waiting='kafka:9092 does not answer', since=since), codec) == [
        f'time: consumer consume-events/a/g, which waits since {since}: kafka:9092 does not answer'
    ]


@pytest.mark.parametrize(
    'progress',
    [
        None,
        Progress(started=7),
        'a text',
        {'waiting': 'x', 'since': 'yesterday'},
        {'waiting': 'x', 'since': '2026-01-01'},
        {'waiting': 'x', 'since': 1},
        [],
    ],
)
def test_given_a_consumer_that_does_not_wait_or_does_not_say_so_then_nothing_is_told(progress):
    assert _told(progress) == []


def test_given_a_consumer_that_has_waited_for_moments_then_nothing_is_told():
    assert _told(Progress(waiting='kafka:9092 does not answer', since=_ago(5))) == []


def test_given_a_key_that_the_reader_does_not_have_then_nothing_is_told():
    assert _told(Progress(waiting='x', since=_ago(40)), _codec(1), _codec(2)) == []


def test_given_an_activity_that_fails_again_and_again_then_its_reason_is_told():
    assert _told(None, attempt=4, state=_SCHEDULED, last_failure=_FAILURE) == [
        'time: consumer consume-events/a/g, whose activity Consume has failed 3 times: KeyError: X'
    ]


@pytest.mark.parametrize(
    'activity',
    [
        {'attempt': 3, 'state': _SCHEDULED, 'last_failure': _FAILURE},
        {'attempt': 9, 'state': _STARTED, 'last_failure': _FAILURE},
        {
            'attempt': 9,
            'state': _SCHEDULED,
            'last_failure': Failure(application_failure_info=ApplicationFailureInfo(type='WorkerShutdown')),
        },
    ],
)
def test_given_an_activity_that_runs_or_has_hardly_failed_or_changes_workers_then_nothing_is_told(activity):
    assert _told(None, **activity) == []
