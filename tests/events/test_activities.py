"""The long activity ends when it is cancelled and when its worker shuts down, with what is in hand settled."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Awaitable
from typing import Any, TypeVar, cast

import pytest
from fakes import AWAY, Server, Source, decide, message
from temporal_events import activities
from temporal_events.model import Letter, Outcome, Progress
from temporalio.client import Client
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.testing import ActivityEnvironment

T = TypeVar('T')


class Surroundings:
    """An activity with a client, and what it says in its heartbeats."""

    def __init__(self, server: Server) -> None:
        self.environment = ActivityEnvironment(client=cast('Client', server))
        self.beats: list[Progress] = []
        self.environment.on_heartbeat = lambda *details: self.beats.append(details[0])

    def run(
        self, source: Source, *, shut_down_after: float = 0, cancel_after: float = 0, stint: float = 60
    ) -> Progress:
        async def main() -> Progress:
            loop = asyncio.get_running_loop()
            if shut_down_after:
                loop.call_later(shut_down_after, self.environment.worker_shutdown)
            if cancel_after:
                loop.call_later(cancel_after, self.environment.cancel)
            work = cast('Awaitable[Progress]', self.environment.run(
                activities.run, source, 'group', decide, datetime.timedelta(seconds=stint)
            ))  # fmt: skip
            return await asyncio.wait_for(work, 10)

        return asyncio.run(main())


class Waiting(Source):
    """Waits for a moment when it has nothing, as a real one does."""

    async def take(self) -> Any:
        await asyncio.sleep(0.01)
        return await super().take()


def test_a_shutdown_hands_over_at_once_and_is_no_error_to_anybody() -> None:
    surroundings, source = Surroundings(Server()), Waiting([message(0), message(1)])
    with pytest.raises(ApplicationError) as caught:
        surroundings.run(source, shut_down_after=0.2)
    assert caught.value.type == 'WorkerShutdown' and not caught.value.non_retryable
    assert caught.value.category == ApplicationErrorCategory.BENIGN
    assert caught.value.next_retry_delay == activities._SOON
    assert source.closed and source.acknowledged == [0, 1]
    assert surroundings.beats[-1].started == 2


def test_a_shutdown_leaves_what_cannot_be_settled() -> None:
    source = Waiting([message(0), message(1)])
    with pytest.raises(ApplicationError):
        Surroundings(Server(*[AWAY] * 100_000)).run(source, shut_down_after=0.2)
    assert source.closed and source.acknowledged == []


def test_a_cancellation_leaves_the_source_in_order() -> None:
    source = Waiting([message(0)])
    with pytest.raises(asyncio.CancelledError):
        Surroundings(Server()).run(source, cancel_after=0.2)
    assert source.closed and source.acknowledged == [0]


def test_a_stint_has_an_end() -> None:
    source = Waiting([message(0)])
    progress = Surroundings(Server()).run(source, stint=0.2)
    assert progress.started == 1 and source.closed


def test_a_mistake_in_the_source_is_told() -> None:
    source = Waiting(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        Surroundings(Server()).run(source)
    assert source.closed


def test_a_source_that_does_not_let_go_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities, '_END', 0.1)

    class Stuck(Waiting):
        async def take(self) -> Any:
            await asyncio.sleep(3600)

    source = Stuck()
    with pytest.raises(ApplicationError, match='shuts down'):
        Surroundings(Server()).run(source, shut_down_after=0.1)
    assert source.closed


def test_heartbeats_come_while_nothing_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activities, '_BEAT', 0.01)
    surroundings = Surroundings(Server())
    surroundings.run(Waiting(), stint=0.3)
    assert len(surroundings.beats) > 5


def test_what_is_waited_for_is_said_in_every_heartbeat_and_now_and_then_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(activities, '_BEAT', 0.01)
    monkeypatch.setattr(activities, '_REMINDER', 0.1)
    surroundings, source = Surroundings(Server()), Waiting([message(0)])
    source.wrong = 'a topic is missing'
    surroundings.run(source, stint=0.55)
    last = surroundings.beats[-1]
    assert last.waiting == 'a topic is missing' and last.since
    reminders = [line for line in caplog.messages if line.startswith(f'waits since {last.since}: a topic is missing')]
    assert 2 <= len(reminders) <= 5


def retry(server: Server, letter: Letter) -> Outcome:
    work = Surroundings(server).environment.run(activities.retry, letter, decide)
    return asyncio.run(cast('Any', work))


def test_a_dead_letter_is_tried_again() -> None:
    server = Server()
    assert retry(server, Letter.of(message(value=b'x'), 'group', 'why')) == Outcome(workflow='act-x')
    assert server.calls[0]['task_queue'] == ActivityEnvironment().info.task_queue


def test_a_dead_letter_is_tried_later_if_there_is_no_server() -> None:
    with pytest.raises(ApplicationError) as caught:
        retry(Server(AWAY), Letter.of(message(), 'group', 'why'))
    assert caught.value.type == 'Unavailable' and not caught.value.non_retryable
