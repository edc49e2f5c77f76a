"""A message is settled when its workflow is started, or its dead letter's: not before, and never by giving up."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from typing import Any, cast

import pytest
from fakes import AWAY, Server, decide, message
from temporal_events import settling
from temporal_events.model import KEPT, Letter, Message, Outcome, Poison, Progress, Start, Unavailable
from temporal_events.settling import Settler
from temporalio.client import Client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode


def settler(server: Server, how: settling.Decide = decide) -> Settler:
    return Settler(cast('Client', server), 'queue', 'group', how, Progress())


def settle(server: Server, one: Message, how: settling.Decide = decide) -> Progress:
    made = settler(server, how)
    asyncio.run(asyncio.wait_for(made.settle(one), 5))
    return made._progress


def test_its_workflow_is_started_so_that_it_is_there_once() -> None:
    server = Server()
    progress = settle(server, message(7, value=b'x'))
    assert server.started == [('Act', 'act-x')]
    (call,) = server.calls
    assert call['args'] == ('x',) and call['task_queue'] == 'queue' and call['memo'] == {'event': 'base/0/7'}
    assert call['id_conflict_policy'] == WorkflowIDConflictPolicy.USE_EXISTING
    assert call['id_reuse_policy'] == WorkflowIDReusePolicy.REJECT_DUPLICATE
    assert (progress.started, progress.letters) == (1, 0)


def test_one_whose_workflow_has_ended_is_settled() -> None:
    server = Server(WorkflowAlreadyStartedError('act-one', 'Act'))
    assert settle(server, message()).started == 1
    assert server.started == []


@pytest.mark.parametrize('status', set(RPCStatusCode) - {RPCStatusCode.OK, RPCStatusCode.INVALID_ARGUMENT})
def test_a_server_that_does_not_answer_or_refuses_is_waited_for(status: RPCStatusCode) -> None:
    server = Server(*[RPCError('not now', status, b'')] * 3)
    progress = settle(server, message())
    assert server.started == [('Act', 'act-one')]
    assert progress.waiting == ''


def test_what_is_waited_for_is_told(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(AWAY, AWAY)
    with caplog.at_level(logging.WARNING):
        settle(server, message())
    assert caplog.messages == [
        'base/0/0 waits: the Temporal server does not start workflows: UNAVAILABLE: the frontend is not there'
    ]


def test_what_one_waits_for_is_told_while_others_are_settled() -> None:
    """And what the source has said is wrong stays."""
    open_door = asyncio.Event()

    def how(one: Message) -> Start:
        if one.position == 1 and not open_door.is_set():
            raise Unavailable('the schema registry does not know schema 9 yet')
        return decide(one)

    async def main() -> None:
        made = settler(Server(), how)
        made._progress.wait('a topic is missing')
        await made.settle(message(0))
        assert made._progress.waiting == 'a topic is missing'
        waits = asyncio.create_task(made.settle(message(1)))
        while made._progress.waiting == 'a topic is missing':
            await asyncio.sleep(0.01)
        await made.settle(message(2))
        assert made._progress.waiting == 'the schema registry does not know schema 9 yet'
        open_door.set()
        await waits
        assert made._progress.waiting == ''

    asyncio.run(asyncio.wait_for(main(), 10))


def test_a_registry_that_does_not_answer_is_waited_for() -> None:
    answers = [Unavailable('no registry')] * 3

    def how(one: Message) -> Start:
        if answers:
            raise answers.pop()
        return decide(one)

    server = Server()
    assert settle(server, message(), how).started == 1
    assert server.started == [('Act', 'act-one')]


def test_poison_becomes_a_dead_letter_with_the_message_and_the_reason() -> None:
    server = Server()
    one = message(3, value=b'bad', key=b'\xff', headers=(('h', b'\x00'),), timestamp=5)
    progress = settle(server, one)
    ((kind, identifier),) = server.started
    assert kind == 'DeadLetter' and identifier.startswith('dead-letter/group/base/0/3/')
    (letter,) = server.calls[0]['args']
    assert letter == Letter.of(one, 'group', 'it is bad')
    assert letter.message == one
    assert server.calls[0]['memo'] == {'event': 'base/0/3', 'reason': 'it is bad'}
    assert server.calls[0]['static_summary'] == 'it is bad'
    assert (progress.started, progress.letters) == (0, 1)


def test_a_dead_letter_waits_for_the_server_too_whatever_that_says() -> None:
    no = RPCError('no', RPCStatusCode.INVALID_ARGUMENT, b'')
    server = Server(AWAY, no, no)
    assert settle(server, message(value=b'bad')).letters == 1
    assert [kind for kind, _ in server.started] == ['DeadLetter']


def test_a_dead_letter_that_the_server_does_not_take_is_kept_without_its_message() -> None:
    server = Server(RPCError('blob size exceeds limit', RPCStatusCode.INVALID_ARGUMENT, b''))
    one = message(3, value=b'bad', key=b'k', headers=(('h', b'x'),))
    assert settle(server, one).letters == 1
    # It is known again by what the message says.
    assert server.started == [('DeadLetter', Letter.of(one, 'group', '').id)]
    (letter,) = server.calls[1]['args']
    assert (letter.value, letter.key, letter.headers) == (None, None, ())
    assert letter.reason == 'it is bad (the message was too long to be kept: it is at base/0/3)'
    assert letter.cut and server.calls[1]['static_summary'] is None


def test_a_long_reason_is_cut() -> None:
    server = Server()

    def how(one: Message) -> Start:
        raise Poison('it is ' + 'b' * 3_000_000)

    settle(server, message(), how)
    (letter,) = server.calls[0]['args']
    assert letter.reason.startswith('it is bbb') and letter.reason.endswith('b...') and len(letter.reason) < 600


def test_what_the_server_will_never_take_becomes_a_dead_letter() -> None:
    server = Server(RPCError('blob size exceeds limit', RPCStatusCode.INVALID_ARGUMENT, b''))
    assert settle(server, message()).letters == 1
    (letter,) = server.calls[1]['args']
    assert letter.reason == 'the server refuses to start Act: blob size exceeds limit'


def test_arguments_that_cannot_be_written_become_a_dead_letter() -> None:
    server = Server(TypeError('object of type set'))
    assert settle(server, message()).letters == 1
    assert server.calls[1]['args'][0].reason == 'the arguments of Act cannot be written: object of type set'


def test_a_mistake_in_the_decision_becomes_a_dead_letter() -> None:
    server = Server()
    assert settle(server, message(), lambda _: cast('Any', {})['release']).letters == 1
    assert server.calls[0]['args'][0].reason == "KeyError: 'release'"


def retry(server: Server, letter: Letter) -> Outcome:
    return asyncio.run(settler(server).retry(letter))


def test_a_dead_letter_is_tried_again_as_the_message_that_it_was() -> None:
    server = Server()
    assert retry(server, Letter.of(message(value=b'x'), 'group', 'why')) == Outcome(workflow='act-x')
    assert server.started == [('Act', 'act-x')]


def test_a_dead_letter_that_is_poison_still_says_why() -> None:
    assert retry(Server(), Letter.of(message(value=b'bad'), 'group', 'why')) == Outcome(reason='it is bad')


def test_a_dead_letter_without_a_server_is_for_later() -> None:
    with pytest.raises(Unavailable):
        retry(Server(AWAY), Letter.of(message(), 'group', 'why'))


@pytest.mark.parametrize(
    'one',
    [
        message(value=b'x' * (KEPT + 1)),
        message(key=b'x' * 100_000),
        message(headers=(('h', b'x' * 100_000),)),
    ],
)
def test_a_message_that_is_too_large_is_kept_in_part_and_never_tried_again(one: Message) -> None:
    letter = Letter.of(one, 'group', 'why')
    assert letter.cut and len(letter.value or '') + len(letter.key or '') < 1_500_000 and not letter.headers
    server = Server()
    said = 'why (and only a part of the message was kept: have it sent again)'
    assert retry(server, letter).reason == said
    # However often.
    assert retry(server, dataclasses.replace(letter, reason=said)).reason == said
    assert server.calls == []


def test_a_message_without_anything_is_kept_as_that() -> None:
    one = message(value=None)
    assert Letter.of(one, 'group', 'why').message == one


def test_a_letter_is_known_by_what_it_says_too_since_a_topic_made_anew_counts_from_zero() -> None:
    first, again, other = (Letter.of(message(value=value, timestamp=5), 'g', 'r') for value in (b'a', b'a', b'b'))
    assert first.id == again.id != other.id


def test_waits_grow_to_a_limit_and_begin_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    backoff = settling.Backoff(1, 3)
    waits = [backoff.seconds() for _ in range(4)]
    assert all(0.8 * due <= wait <= 1.2 * due for wait, due in zip(waits, (1, 2, 3, 3), strict=True))
    backoff.reset()
    assert backoff.seconds() <= 1.2


def test_poison_is_told_by_the_decision_alone() -> None:
    with pytest.raises(Poison, match='it is bad'):
        settling.decide(decide, message(value=b'bad'))
