"""Async activities on loops of their own: as without them where they turn, and no harm done where one is blocked."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

import pytest

from loader import apart
from loader.apart import Loops

WHO = contextvars.ContextVar('WHO', default='nobody')


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Short times, and no traces on the terminal; counts them."""
    dumped: list[int] = []
    monkeypatch.setattr(apart, '_PATIENCE', 0.3)
    monkeypatch.setattr(apart, '_TURN', 0.05)
    monkeypatch.setattr(apart.faulthandler, 'dump_traceback', lambda *_, **__: dumped.append(1))
    return dumped


async def _where(*_: object) -> tuple[int, str]:
    await asyncio.sleep(0)
    return threading.get_ident(), WHO.get()


def test_given_functions_then_they_share_a_loop_that_is_not_the_callers_and_know_its_context():
    loops = Loops()

    async def scenario() -> None:
        WHO.set('somebody')
        first, second = await asyncio.gather(*(loops.apart(_where)(number) for number in range(2)))
        assert first == second
        assert first[0] != threading.get_ident()
        assert first[1] == 'somebody'

    asyncio.run(scenario())


@pytest.mark.parametrize('error', [ValueError('no'), SystemExit(3)])
def test_given_a_function_that_raises_then_its_caller_is_told_and_the_loop_goes_on(error):
    loops = Loops()

    async def fails() -> None:
        raise error

    async def scenario() -> None:
        caught = await asyncio.gather(loops.apart(fails)(), return_exceptions=True)
        assert caught == [error]
        before = await loops.apart(_where)()
        assert before == await loops.apart(_where)()

    if isinstance(error, SystemExit):
        # As it would without a loop apart, it ends what waits for it.
        with pytest.raises(SystemExit):
            asyncio.run(loops.apart(fails)())
        assert asyncio.run(loops.apart(_where)())
    else:
        asyncio.run(scenario())


@pytest.mark.parametrize(
    ('heeds', 'told'), [(True, 'cancelled'), (False, 'ended')], ids=['lets itself be cancelled', 'ends all the same']
)
def test_given_a_caller_that_is_cancelled_then_it_waits_for_what_the_function_makes_of_it(heeds, told):
    loops, seen = Loops(), []

    async def long() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            seen.append('cleaned')
            if heeds:
                raise
        return 'ended'

    async def scenario() -> str:
        task = asyncio.create_task(loops.apart(long)())
        await asyncio.sleep(0.1)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return 'cancelled'

    assert asyncio.run(scenario()) == told
    assert seen == ['cleaned']


def test_given_a_function_that_blocks_then_the_caller_turns_and_others_begin_on_another_loop(quick, caplog):
    loops, free = Loops(), threading.Event()

    async def blocks() -> int:
        free.wait(20)
        return threading.get_ident()

    async def scenario() -> None:
        blocked = asyncio.create_task(loops.apart(blocks)())
        await asyncio.sleep(0.1)
        # One that is given to the same loop before anybody can know.
        began = time.monotonic()
        where = [await loops.apart(_where)()]
        assert time.monotonic() - began < 5
        while len(where) < 3:
            where.append(await loops.apart(_where)())
            await asyncio.sleep(0.2)
        assert not blocked.done()
        assert len(set(where)) == 1
        free.set()
        assert await blocked != where[0][0]
        await asyncio.sleep(0.2)
        # The first one again, now that it turns.
        assert (await loops.apart(_where)())[0] == await blocked

    asyncio.run(scenario())
    assert len(quick) == 1
    assert 'an async activity blocks its event loop' in caplog.text


@pytest.mark.parametrize('begun', [True, False])
def test_given_a_loop_that_is_blocked_when_the_caller_is_cancelled_then_what_has_not_begun_never_does(begun):
    loops, free, seen = Loops(), threading.Event(), []

    async def blocks() -> None:
        free.wait(20)

    async def begins() -> None:
        seen.append('began')
        await asyncio.sleep(60)

    async def scenario() -> None:
        blocked = asyncio.create_task(loops.apart(blocks)())
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(loops.apart(begins)())
        await asyncio.sleep(0.1)
        if begun:
            free.set()
            await asyncio.sleep(0.1)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        free.set()
        await blocked
        await asyncio.sleep(0.1)

    asyncio.run(scenario())
    assert seen == (['began'] if begun else [])


def test_given_a_call_that_begins_while_it_is_withdrawn_then_it_is_cancelled_as_one_that_has_begun():
    async def long() -> None:
        await asyncio.sleep(60)

    async def scenario() -> None:
        call = apart._Call(long, [])
        call.cancel()
        call.begin()
        call.begun.set()
        assert not call.withdraw()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call.ended

    asyncio.run(scenario())
