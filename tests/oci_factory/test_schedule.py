"""The Schedule of the rebuild: made once, changed when it should be, and left alone when a person has paused it."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime
import pathlib
from collections.abc import Coroutine
from typing import Any

import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from oci_factory import schedule
from oci_factory.schedule import Wanted
from temporalio.api.common.v1 import GrpcStatus
from temporalio.api.enums.v1 import ScheduleOverlapPolicy
from temporalio.api.errordetails.v1 import WorkflowExecutionAlreadyStartedFailure
from temporalio.api.schedule.v1 import Schedule
from temporalio.api.workflowservice.v1 import (
    CreateScheduleRequest,
    DeleteScheduleRequest,
    DescribeScheduleRequest,
    DescribeScheduleResponse,
    UpdateScheduleRequest,
)
from temporalio.client import Client
from temporalio.converter import DefaultPayloadConverter
from temporalio.service import ConnectConfig, RPCError, RPCStatusCode

WANTED = Wanted(queue='oci-factory')


def refused(status: RPCStatusCode, *details: Any) -> RPCError:
    packed = []
    for detail in details:
        packed.append(AnyMessage())
        packed[-1].Pack(detail)
    return RPCError(status.name, status, GrpcStatus(code=status.value, details=packed).SerializeToString())


class Service:
    """The part of Temporal's service that schedules are about, over the SDK's own messages."""

    def __init__(self) -> None:
        self.schedules: dict[str, Schedule] = {}
        self.calls: list[str] = []
        self.down = False

    def _get(self, name: str) -> Schedule:
        if self.down:
            raise refused(RPCStatusCode.UNAVAILABLE)
        if name not in self.schedules:
            raise refused(RPCStatusCode.NOT_FOUND)
        return self.schedules[name]

    async def create_schedule(self, request: CreateScheduleRequest, **_: Any) -> None:
        self.calls.append('create')
        if request.schedule_id in self.schedules:
            raise refused(RPCStatusCode.ALREADY_EXISTS, WorkflowExecutionAlreadyStartedFailure())
        self.schedules[request.schedule_id] = request.schedule

    async def describe_schedule(self, request: DescribeScheduleRequest, **_: Any) -> DescribeScheduleResponse:
        self.calls.append('describe')
        return DescribeScheduleResponse(schedule=self._get(request.schedule_id))

    async def update_schedule(self, request: UpdateScheduleRequest, **_: Any) -> None:
        self.calls.append('update')
        self._get(request.schedule_id).CopyFrom(request.schedule)

    async def delete_schedule(self, request: DeleteScheduleRequest, **_: Any) -> None:
        self._get(request.schedule_id)
        del self.schedules[request.schedule_id]


class _Connection:
    def __init__(self, service: Service) -> None:
        self.workflow_service, self.config = service, ConnectConfig(target_host='none', identity='test')


@pytest.fixture
def service() -> Service:
    return Service()


def do(service: Service, act: Any) -> str:
    """Call something with a client of the service."""

    async def call() -> str:
        connection: Any = _Connection(service)
        work: Coroutine[Any, Any, str] = act(Client(connection))
        return await work

    return asyncio.run(call())


def ensure(service: Service, wanted: Wanted = WANTED) -> str:
    return do(service, lambda client: schedule.ensure(client, wanted))


def test_a_new_schedule(service: Service) -> None:
    assert ensure(service) == 'created'
    made = service.schedules['oci-factory-rebuild']
    (interval,) = made.spec.interval
    assert interval.interval.ToTimedelta() == datetime.timedelta(days=2)
    assert interval.phase.ToTimedelta() == datetime.timedelta(hours=2)
    assert made.policies.overlap_policy == ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_SKIP
    assert made.policies.catchup_window.ToTimedelta() == datetime.timedelta(days=1)
    action = made.action.start_workflow
    assert (action.workflow_id, action.workflow_type.name) == ('oci-factory-rebuild', 'RebuildForRelease')
    assert action.task_queue.name == 'oci-factory'
    assert DefaultPayloadConverter().from_payloads(action.input.payloads) == ['*', '*']
    assert not made.state.paused


def test_what_is_as_wanted_is_left_alone(service: Service) -> None:
    ensure(service)
    # A server that is asked for none says which time zone it takes.
    service.schedules['oci-factory-rebuild'].spec.timezone_name = 'UTC'
    del service.calls[:]
    assert ensure(service) == 'unchanged'
    assert service.calls == ['describe']


@pytest.mark.parametrize(
    'change',
    [
        {'queue': 'other'},
        {'release': '24.04'},
        {'image': 'm*'},
        {'every': datetime.timedelta(days=1)},
        {'offset': datetime.timedelta(0)},
        {'paused': True},
    ],
)
def test_what_is_not_as_wanted_is_changed(service: Service, change: dict[str, Any]) -> None:
    ensure(service)
    wanted = dataclasses.replace(WANTED, **change)
    assert ensure(service, wanted) == 'changed'
    assert ensure(service, wanted) == 'unchanged'
    assert list(service.schedules) == ['oci-factory-rebuild']


def test_what_somebody_has_changed_is_changed_back(service: Service) -> None:
    ensure(service)
    made = service.schedules['oci-factory-rebuild']
    made.policies.overlap_policy = ScheduleOverlapPolicy.SCHEDULE_OVERLAP_POLICY_ALLOW_ALL
    made.spec.interval[0].interval.FromTimedelta(datetime.timedelta(hours=1))
    assert ensure(service) == 'changed'
    assert ensure(service) == 'unchanged'


def test_a_pause_is_a_persons_business(service: Service) -> None:
    ensure(service)
    state = service.schedules['oci-factory-rebuild'].state
    state.paused, state.notes = True, 'an incident'
    assert ensure(service) == 'unchanged'
    assert ensure(service, dataclasses.replace(WANTED, queue='other')) == 'changed'
    state = service.schedules['oci-factory-rebuild'].state
    assert (state.paused, state.notes) == (True, 'an incident')
    assert ensure(service, dataclasses.replace(WANTED, queue='other', paused=False)) == 'changed'
    assert not service.schedules['oci-factory-rebuild'].state.paused


def test_two_at_the_same_moment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    create = service.create_schedule

    async def late(request: CreateScheduleRequest, **options: Any) -> None:
        if not service.schedules:
            await create(request)
        await create(request, **options)

    monkeypatch.setattr(service, 'create_schedule', late)
    assert ensure(service) == 'unchanged'
    assert service.calls == ['describe', 'create', 'create', 'describe']


def test_it_can_be_removed(service: Service) -> None:
    ensure(service)
    assert do(service, schedule.remove) == 'removed'
    assert service.schedules == {}
    assert do(service, schedule.remove) == 'absent'


def test_a_server_that_is_down(service: Service) -> None:
    service.down = True
    for act in (lambda client: schedule.ensure(client, WANTED), schedule.remove):
        with pytest.raises(RPCError):
            do(service, act)


def test_the_command_line(service: Service) -> None:
    def act(*argv: str) -> str:
        return do(service, lambda client: schedule.act(client, schedule.arguments(list(argv))))

    assert act('--queue=q', '--every=12h', '--offset=30m', '--release=24.04', '--pause') == 'created'
    assert service.schedules['oci-factory-rebuild'].state.paused
    assert act('--queue=q', '--every=12h', '--offset=30m', '--release=24.04') == 'unchanged'
    assert act('--queue=q', '--every=12h', '--offset=30m', '--release=24.04', '--resume') == 'changed'
    assert act('--remove') == 'removed'


@pytest.mark.parametrize(
    ('argv', 'said'),
    [
        ([], '--queue is missing'),
        (['--queue=q', '--every=2 days'], "'2 days' is no interval: give it like 2d"),
        (['--queue=q', '--every=0m'], '--every is less than a minute'),
        (['--queue=q', '--every=1h'], '--offset is not less than --every'),
        (['--queue=q', '--pause', '--resume'], 'not allowed with'),
    ],
)
def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str], argv: list[str], said: str) -> None:
    with pytest.raises(SystemExit):
        schedule.arguments(argv)
    assert said in capsys.readouterr().err


def test_the_program_says_what_it_did(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told: list[Any] = []

    async def connect(**options: Any) -> Client:
        told.append(options['target_host'])
        connection: Any = _Connection(service)
        return Client(connection)

    monkeypatch.setattr('sys.argv', ['schedule', '--queue=q'])
    monkeypatch.setenv('TEMPORAL_ADDRESS', 'temporal.example:7233')
    monkeypatch.setattr(Client, 'connect', connect)
    schedule.main()
    assert capsys.readouterr().out == 'created\n'
    assert told == ['temporal.example:7233']


def test_the_program_says_in_a_sentence_that_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('sys.argv', ['schedule', '--queue=q'])
    monkeypatch.setenv('TEMPORAL_ADDRESS', '127.0.0.1:1')
    with pytest.raises(SystemExit) as caught:
        schedule.main()
    assert str(caught.value.code).startswith('the server did not do it: ')


def test_the_program_says_in_a_sentence_that_it_knows_no_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setattr('sys.argv', ['schedule', '--queue=q'])
    monkeypatch.delenv('TEMPORAL_ADDRESS', raising=False)
    # No file with settings is found there.
    monkeypatch.setenv('XDG_CONFIG_HOME', str(tmp_path))
    with pytest.raises(SystemExit) as caught:
        schedule.main()
    assert str(caught.value.code).startswith('TEMPORAL_ADDRESS is not set')
