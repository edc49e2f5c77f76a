"""The loop acknowledges what is settled and nothing else, and ends soon when it is told to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from fakes import Source, message
from temporal_events import consuming
from temporal_events.consuming import consume, in_order
from temporal_events.model import Message, Progress, Unavailable

Settle = Callable[[Message], Awaitable[None]]


def run(source: Source, settle: Settle, *, stop_after: float | None = None) -> Progress:
    """Consume until the source has nothing more, or for some seconds."""
    progress = Progress()

    async def main() -> None:
        stop = asyncio.Event()
        source._idle = stop.set
        if stop_after is not None:
            asyncio.get_running_loop().call_later(stop_after, stop.set)
        await asyncio.wait_for(consume(source, settle, stop, progress), 10)

    asyncio.run(main())
    assert source.closed
    return progress


async def at_once(_: Message) -> None:
    pass


def test_what_is_settled_is_acknowledged() -> None:
    source = Source([message(0), message(1)], [], [message(2)])
    progress = run(source, at_once)
    assert source.acknowledged == [0, 1, 2]
    assert progress.positions == {'base/0': 3}


def test_messages_are_settled_at_the_same_time() -> None:
    together = asyncio.Barrier(3)

    async def settle(_: Message) -> None:
        await together.wait()

    source = Source([message(0), message(1), message(2)])
    run(source, settle)
    assert source.acknowledged == [0, 1, 2]


def test_a_source_that_does_not_answer_is_asked_again() -> None:
    source = Source(Unavailable('no broker'), Unavailable('no broker'), [message(0)])
    progress = run(source, at_once)
    assert source.acknowledged == [0] and progress.waiting == ''


def test_what_is_wrong_while_messages_come_is_told_too() -> None:
    source = Source([message(0)])
    source.wrong = 'one topic of two is missing'
    assert run(source, at_once).waiting == 'one topic of two is missing'
    assert source.acknowledged == [0]


def test_a_source_that_does_not_answer_keeps_nobody_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming.Backoff, 'seconds', lambda _: 60)
    source = Source(Unavailable('no broker'))
    assert run(source, at_once, stop_after=0.1).waiting == 'no broker'


def test_a_source_is_kept_alive_while_a_message_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consuming, '_BREATH', 0.01)

    async def settle(_: Message) -> None:
        await asyncio.sleep(0.2)

    source = Source([message(0)])
    run(source, settle)
    assert source.kept > 3 and source.acknowledged == [0]


def test_what_is_not_settled_when_it_is_to_end_is_not_acknowledged_nor_what_follows_in_its_lane() -> None:
    async def settle(one: Message) -> None:
        await asyncio.sleep(3600 if one.position == 1 else 0)

    source = Source([message(0), message(1), message(2), message(5, 'base/1')])
    began = time.monotonic()
    run(source, settle, stop_after=0.1)
    assert source.acknowledged == [0, 5]
    assert time.monotonic() - began < consuming.GRACE + 1


def test_what_needs_but_a_moment_is_settled_before_the_end() -> None:
    async def settle(_: Message) -> None:
        await asyncio.sleep(0.4)

    source = Source([message(0)])
    run(source, settle, stop_after=0.1)
    assert source.acknowledged == [0]


def test_a_mistake_ends_the_loop_and_acknowledges_nothing() -> None:
    async def settle(_: Message) -> None:
        raise ZeroDivisionError

    source = Source([message(0)])
    with pytest.raises(ZeroDivisionError):
        run(source, settle)
    assert source.closed and source.acknowledged == []


def test_a_loop_that_is_cancelled_leaves_its_source() -> None:
    source = Source([message(0)])

    async def settle(_: Message) -> None:
        await asyncio.sleep(3600)

    async def main() -> None:
        task = asyncio.create_task(consume(source, settle, asyncio.Event(), Progress()))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert source.closed and source.acknowledged == []


def test_lanes_do_not_wait_for_each_other() -> None:
    messages = [message(0), message(0, 'base/1'), message(1), message(1, 'base/1')]
    assert in_order(messages, {messages[1], messages[2], messages[3]}) == [messages[1], messages[3]]
    assert in_order(messages, set(messages)) == messages
