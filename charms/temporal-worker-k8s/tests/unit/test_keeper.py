"""The leader's worker looks at what is to be kept running: when, how often, and what it says of it."""

from __future__ import annotations

import asyncio
import pathlib

import pytest
from temporal_service import CANCELED, Service, client, refused
from temporalio.service import RPCStatusCode

from loader import keeper, layout, standing
from loader.health import State
from loader.standing import Consumer, Schedule, Standing

A = Consumer('a', 'g')
DAILY = Schedule('daily', 'Report', (), 'q', 'skip', 86400)
WANTED = Standing(True, 'm/app', ('q',), (A,), (DAILY,))


class Turns:
    """A keeper whose turns a test lets come, and the time at which they do."""

    def __init__(self, file: pathlib.Path):
        self.file, self.service, self.state = file, Service(), State()
        self.now = 1000.0
        self._loop = asyncio.new_event_loop()
        self._keeper = keeper.Keeper(client(self.service), self.state)

    def monotonic(self) -> float:
        return self.now

    def turn(self, wanted: Standing | None = None, after: float = 1.0) -> tuple[str, str, bool]:
        """Let a turn come; gives back what the worker answers."""
        self.now += after
        if wanted:
            self.file.write_text(wanted.dump())
        self._loop.run_until_complete(self._keeper._turn())
        return self.state.standing, self.state.trouble, self.state.troubles_operator

    def looks(self, seconds: int) -> int:
        """How often the server is asked in that time."""
        count = 0
        for _ in range(seconds):
            before = self._keeper._looked
            self.turn()
            count += self._keeper._looked != before
        return count

    def begin_anew(self) -> None:
        """Let another process begin."""
        self.state = State()
        self._keeper = keeper.Keeper(client(self.service), self.state)

    def close(self) -> None:
        self._loop.close()


@pytest.fixture
def turns(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path):
    file = tmp_path / 'standing.json'
    monkeypatch.setattr(standing, 'FILE', str(file))
    (tmp_path / 'environment.json').write_text('{"TOKEN": "hunter22"}')
    monkeypatch.setattr(layout, 'ENVIRONMENT', str(tmp_path / 'environment.json'))
    turns = Turns(file)
    monkeypatch.setattr(keeper, 'time', turns)
    yield turns
    turns.close()


def test_given_no_word_of_the_charm_then_nothing_is_done(turns):
    assert turns.turn() == ('', '', False)


def test_given_what_is_wanted_then_it_is_brought_about_and_told(turns):
    assert turns.turn(WANTED) == (WANTED.key, '', False)
    assert turns.service.calls == [f'start {A.id}', 'create daily']


def test_given_a_unit_that_does_not_lead_then_it_does_nothing_and_has_no_news(turns):
    assert turns.turn(Standing()) == ('', '', False)
    assert turns.service.calls == []


def test_given_a_unit_that_no_longer_leads_then_it_starts_nothing_anew(turns):
    turns.turn(WANTED)
    turns.turn(Standing())
    turns.service.workflows.clear()

    turns.looks(60)

    assert turns.service.workflows == {}


def test_given_something_to_keep_then_the_server_is_asked_soon_at_first_and_then_regularly(turns):
    turns.turn(WANTED)

    assert turns.looks(30) == 4
    assert turns.looks(300) == 10


def test_given_nothing_to_keep_then_the_server_is_asked_at_leisure_after_a_while(turns):
    turns.turn(Standing(True, 'm/app', ('q',)))
    turns.looks(400)

    assert turns.looks(600) == 2


def test_given_a_workflow_that_a_person_has_ended_then_it_runs_again(turns):
    turns.turn(WANTED)
    turns.now += 100
    turns.service.workflows.clear()

    turns.turn()

    assert list(turns.service.workflows) == [A.id]


@pytest.mark.parametrize(
    ('status', 'said'),
    [
        (RPCStatusCode.UNAVAILABLE, ('the server to do what consume needs (unavailable)', False)),
        (RPCStatusCode.DEADLINE_EXCEEDED, ('the server to do what consume needs (deadline_exceeded)', False)),
        (RPCStatusCode.PERMISSION_DENIED, ('the server refuses to do what consume needs: refused', True)),
    ],
)
def test_given_a_server_that_does_not_do_it_then_it_is_told_and_tried_until_it_does(turns, status, said):
    turns.service.down = refused(status)
    assert turns.turn(WANTED) == ('', *said)
    assert turns.looks(60) > 5

    turns.service.down = None
    turns.looks(12)

    assert turns.state.standing == WANTED.key


NOTHING = Standing(True, 'm/app', ('q',))


def test_given_nothing_to_keep_then_a_server_that_refuses_to_be_asked_is_no_trouble(turns):
    turns.service.lists_down = refused(RPCStatusCode.PERMISSION_DENIED)

    assert turns.turn(NOTHING) == ('', '', False)


def test_given_something_that_was_kept_when_the_server_does_not_take_it_away_then_that_is_told_until_it_does(turns):
    turns.turn(WANTED)
    turns.service.lists_down = refused(RPCStatusCode.PERMISSION_DENIED)
    told = ('', 'the server refuses to do what consume needs: refused', True)
    assert turns.turn(NOTHING) == told
    # Another process knows of it, too.
    turns.begin_anew()
    assert turns.turn() == told

    turns.service.lists_down = None
    turns.looks(12)
    assert turns.state.trouble == f'workflow {A.id} to end, since consume no longer names it'
    turns.service.end(A.id, CANCELED)
    turns.looks(12)

    assert (turns.state.standing, turns.state.trouble) == (NOTHING.key, '')
    assert turns.service.schedules == {}
    turns.service.lists_down = refused(RPCStatusCode.PERMISSION_DENIED)
    turns.looks(400)
    assert (turns.state.standing, turns.state.trouble) == (NOTHING.key, '')
    turns.begin_anew()
    assert turns.turn() == ('', '', False)


def test_given_another_unit_when_what_is_left_cannot_be_taken_away_then_it_is_told_all_the_same(turns, monkeypatch):
    turns.turn(WANTED)
    turns.file.with_suffix('.kept').unlink()
    turns.begin_anew()

    async def refuse(*_: object, **__: object) -> None:
        raise refused(RPCStatusCode.PERMISSION_DENIED)

    monkeypatch.setattr(turns.service, 'delete_schedule', refuse)

    _, trouble, operator = turns.turn(NOTHING)

    assert operator
    assert trouble == 'the server refuses to remove schedule daily, which the option no longer names: refused'


def test_given_a_fault_of_one_half_then_the_other_is_kept_and_the_fault_told_without_secrets(turns):
    turns.service.lists_down = ValueError('no hunter22')

    key, trouble, operator = turns.turn(WANTED)

    assert (key, operator) == ('', True)
    assert trouble == 'consume failed: ValueError: no ***'
    assert 'daily' in turns.service.schedules


def test_given_something_for_a_person_then_it_is_told_before_what_only_takes_time(turns, monkeypatch):
    turns.turn(WANTED)
    turns.service.workflows[A.id].workflow_extended_info.cancel_requested = True
    turns.service.memos['daily'].Clear()

    turns.now += 100
    _, trouble, operator = turns.turn()

    assert operator and trouble.startswith('schedules: daily is there already')


def test_given_a_running_keeper_then_it_takes_turns_until_it_is_cancelled_whatever_it_finds(turns, monkeypatch, caplog):
    monkeypatch.setattr(keeper, '_READ_EVERY', 0.001)
    turns.file.write_text('{"leader": true}')

    async def scenario() -> None:
        state = State()
        running = asyncio.create_task(keeper.Keeper(client(turns.service), state).run())
        async with asyncio.timeout(5):
            while 'cannot be read' not in caplog.text:
                await asyncio.sleep(0.001)
            turns.file.write_text(WANTED.dump())
            while not state.standing:
                await asyncio.sleep(0.001)
        running.cancel()

    asyncio.run(scenario())
