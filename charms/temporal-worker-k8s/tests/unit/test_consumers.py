"""One workflow for each topic and group: kept running, ended when it is not wanted, and nothing else touched."""

from __future__ import annotations

import base64
import json

import pytest
from temporal_service import CANCELED, FAILED, RUNNING, TERMINATED, Service, ask, client, refused
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse, ListWorkflowExecutionsResponse
from temporalio.service import RPCError, RPCStatusCode

from loader import consumers
from loader.codec import Codec
from loader.standing import Consumer, Standing

A, B = Consumer('a', 'g'), Consumer('b', 'g')
ID = 'consume-events/a/g'


class Clock:
    """Time, which a test lets pass."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(consumers, 'time', clock)
    return clock


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def keep(service: Service, clock: Clock):
    """Keeps what is wanted; gives back what is said of it."""
    import asyncio

    keepers: list[consumers.Keeper] = []

    def _keep(*wanted: Consumer, owner: str = 'm/app', queues: tuple[str, ...] = ('q', 'other')) -> list[str]:
        async def call() -> list[str]:
            if not keepers:
                keepers.append(consumers.Keeper(client(service)))
            found = await keepers[0].keep(Standing(True, owner, queues, wanted))
            return [f'{"person" if each.operator else "time"}: {each}' for each in found]

        return asyncio.run(call())

    return _keep


def test_given_topics_when_kept_then_each_has_one_workflow_as_agreed(service, keep):
    assert keep(A, B) == []
    assert keep(A, B) == []

    assert service.calls == [f'start {ID}', 'start consume-events/b/g']
    (argument,) = service.inputs[ID]
    assert json.loads(argument.data) == {'topics': ['a'], 'group': 'g'}
    there = service.workflows[ID].workflow_execution_info
    assert (there.type.name, there.task_queue) == ('ConsumeEvents', 'q')


def test_given_a_topic_when_it_is_taken_out_then_its_workflow_is_cancelled_and_no_other(service, keep):
    keep(A, B)
    keep(Consumer('c', 'g'), owner='m/another')
    del service.calls[:]

    assert keep(B) == [f'time: workflow {ID} to end, since consume no longer names it']

    assert service.calls == [f'cancel {ID}']
    service.end(ID, CANCELED)
    assert keep(B) == []


def test_given_a_topic_when_it_comes_back_while_it_is_cancelled_then_it_runs_again(service, keep, clock):
    keep(A)
    service.workflows[ID].workflow_extended_info.cancel_requested = True
    del service.calls[:]

    assert keep(A) == [f'time: workflow {ID} to end, since it was cancelled']
    service.end(ID, CANCELED)

    assert keep(A) == []
    assert service.calls == [f'start {ID}']


def test_given_another_queue_then_a_workflow_that_nobody_polls_for_is_replaced_or_terminated(service, keep):
    keep(A, B, queues=('old',))
    del service.calls[:]

    assert keep(A, queues=('new',)) == []

    assert service.calls == [f'replace {ID}', 'terminate consume-events/b/g']
    assert service.workflows[ID].workflow_execution_info.task_queue == 'new'


def test_given_another_order_of_the_queues_then_nothing_is_replaced(service, keep):
    keep(A)

    assert keep(A, queues=('other', 'q')) == []
    assert service.calls == [f'start {ID}']


def test_given_somebody_elses_workflow_that_does_the_same_then_it_is_let_be(service, keep):
    keep(A, owner='m/another')

    assert keep(A) == []
    assert keep() == []
    assert service.calls == [f'start {ID}']


def test_given_somebody_elses_workflow_elsewhere_then_a_person_is_asked(service, keep):
    keep(A, owner='m/another', queues=('elsewhere',))

    assert keep(A) == [
        f'person: consume: workflow {ID} was started by somebody else, as ConsumeEvents on queue elsewhere: end it, or '
        'take it out of consume'
    ]


def test_given_a_memo_that_cannot_be_read_then_the_workflow_is_somebody_elses(service, keep):
    keep(A)
    memo = service.workflows[ID].workflow_execution_info.memo
    memo.fields['temporal-worker-k8s'].metadata['encoding'] = b'binary/encrypted'

    assert keep() == []
    assert service.calls == [f'start {ID}']


def test_given_a_key_that_has_replaced_another_then_what_runs_is_still_the_applications(service):
    def keep(number: int, *wanted: Consumer) -> None:
        codec = Codec([base64.b64encode(bytes([number]) * 32).decode()], 'aes-gcm')
        ask(service, lambda client: consumers.Keeper(client).keep(Standing(True, 'm/app', ('q',), wanted)), codec)

    keep(1, A)
    keep(2)

    assert service.calls == [f'start {ID}', f'cancel {ID}']


@pytest.mark.parametrize(
    ('status', 'failure', 'told'),
    [
        (FAILED, 'no broker\nat all', 'failed: X: no broker'),
        (TERMINATED, '', 'terminated'),
    ],
)
def test_given_a_workflow_that_ends_at_once_then_the_reason_is_told_until_one_lasts(
    service, keep, clock, status, failure, told
):
    said = [f'person: consume: workflow {ID} has ended ({told}): it is started anew every minute']
    keep(A)
    service.end(ID, status, failure)

    clock.now += 30
    assert keep(A) == said
    assert service.calls == [f'start {ID}']
    clock.now += 30
    assert keep(A) == said
    assert service.calls == [f'start {ID}'] * 2
    clock.now += 59
    assert keep(A) == said
    clock.now += 1
    assert keep(A) == []


def test_given_a_workflow_that_has_lasted_when_it_ends_then_it_is_started_anew_at_once(service, keep, clock):
    keep(A)
    clock.now += 100
    service.end(ID, TERMINATED)

    assert keep(A) == []
    assert service.workflows[ID].workflow_execution_info.status == RUNNING


def test_given_code_that_fails_again_and_again_then_a_person_is_asked(service, keep):
    keep(A)
    service.workflows[ID].pending_workflow_task.attempt = 4

    assert keep(A) == [
        f'person: consume: workflow {ID} cannot go on, its code has failed 4 times: the log of the worker says why'
    ]


def test_given_lists_that_are_down_then_what_is_wanted_is_started_all_the_same(service, keep):
    service.lists_down = refused(RPCStatusCode.UNAVAILABLE)

    with pytest.raises(RPCError):
        keep(A)

    assert service.calls == [f'start {ID}']


def test_given_a_workflow_that_ends_while_it_is_cancelled_then_nothing_is_wrong(service, keep):
    keep(A)
    service.races = 1

    assert keep() == []


@pytest.mark.parametrize('run', ['', 'another', 'ended'])
def test_given_a_workflow_that_is_listed_and_there_no_more_then_the_next_look_finds_what_is(service, keep, run):
    keep(A)
    listed = ListWorkflowExecutionsResponse(executions=[service.workflows[ID].workflow_execution_info])
    del service.calls[:]

    async def late(*_, **__) -> ListWorkflowExecutionsResponse:
        return listed

    service.list_workflow_executions = late
    there = DescribeWorkflowExecutionResponse()
    there.CopyFrom(service.workflows.pop(ID))
    if run:
        there.workflow_execution_info.execution.run_id = run
        service.workflows[ID] = there
    if run == 'ended':
        service.end(ID, CANCELED)

    told = [f'time: workflow {ID} to end, since consume no longer names it']
    assert keep() == (told if run == 'another' else [])
    assert service.calls == []


def test_given_code_that_fails_again_and_again_when_it_is_taken_out_then_its_workflow_is_terminated(service, keep):
    keep(A)
    service.workflows[ID].pending_workflow_task.attempt = 4
    del service.calls[:]

    assert keep() == []
    assert service.calls == [f'terminate {ID}']


def test_given_a_workflow_that_takes_its_time_to_end_then_it_is_cancelled_once_and_waited_for(service, keep):
    keep(A)
    keep()
    assert keep() == [f'time: workflow {ID} to end, since consume no longer names it']

    assert service.calls == [f'start {ID}', f'cancel {ID}']


@pytest.mark.parametrize('wanted', [(A,), ()])
def test_given_a_server_that_does_not_answer_then_it_is_raised(service, keep, wanted):
    keep(A)
    service.down = refused(RPCStatusCode.UNAVAILABLE)

    with pytest.raises(RPCError):
        keep(*wanted)


@pytest.mark.parametrize(
    ('status', 'told'),
    [
        (RPCStatusCode.PERMISSION_DENIED, 'person: the server refuses to end workflow {}, {}: refused'),
        (RPCStatusCode.UNAVAILABLE, 'time: the server to end workflow {}, {} (unavailable)'),
    ],
)
def test_given_a_server_that_does_not_cancel_then_it_is_told_of_each(service, keep, monkeypatch, status, told):
    keep(A, B)

    async def refuse(*_, **__) -> None:
        raise refused(status)

    monkeypatch.setattr(service, 'request_cancel_workflow_execution', refuse)

    assert keep() == [
        told.format(identifier, 'which consume no longer names') for identifier in (ID, 'consume-events/b/g')
    ]
