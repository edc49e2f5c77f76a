"""Kafka as a source, with a consumer that stands for librdkafka's; `test_real.py` has a real broker."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import confluent_kafka as ck
import pytest
from librdkafka import Consumer, Delivered, assign, lose, places, revoke, run, source, taken
from temporal_events import kafka
from temporal_events.kafka import Kafka, Settings
from temporal_events.model import Consumption, Progress, Unavailable


def test_messages_come_as_they_were_sent(script: deque[Any]) -> None:
    script += [
        assign(0),
        Delivered(3, said=b'v', named=b'k', more=[('h', b'1'), ('n', None)]),
        Delivered(4, said=None, when=(ck.TIMESTAMP_NOT_AVAILABLE, -1)),
    ]
    first, second = run(taken(source()))
    assert (first.lane, first.position, first.value, first.key, first.timestamp) == ('t/0', 3, b'v', b'k', 1000)
    assert first.headers == (('h', b'1'), ('n', b''))
    assert (second.value, second.key, second.headers, second.timestamp) == (None, None, (), 0)
    (consumer,) = Consumer.made
    assert consumer.topics == ['t', 'u']
    assert consumer.options['group.id'] == 'g'
    assert consumer.options['enable.auto.commit'] is consumer.options['enable.auto.offset.store'] is False


@pytest.mark.parametrize(('more', 'milliseconds'), [((), kafka._SESSION), ((('session.timeout.ms', '6000'),), '6000')])
def test_a_group_misses_it_soon_unless_the_settings_say_otherwise(
    script: deque[Any], more: tuple[tuple[str, str], ...], milliseconds: object
) -> None:
    script += [assign(0)]
    run(taken(source(more=more)))
    (consumer,) = Consumer.made
    assert consumer.options['session.timeout.ms'] == milliseconds


def test_no_more_are_taken_at_once_than_are_settled_at_once(script: deque[Any]) -> None:
    script += [assign(0), *(Delivered(one) for one in range(kafka._TAKEN + 3))]

    async def main() -> list[int]:
        one = source()
        return [len(await one.take()) for _ in range(4)]

    assert run(main()) == [kafka._TAKEN, 3, 0, 0]


def test_what_is_settled_is_committed_as_what_comes_next(script: deque[Any]) -> None:
    script += [assign(0, 1), Delivered(4), Delivered(5), Delivered(9, where=1)]

    async def main() -> None:
        one = source()
        await one.acknowledge(await taken(one))
        await one.take()
        await one.close()

    run(main())
    (consumer,) = Consumer.made
    assert consumer.committed == [({'t/0': 6, 't/1': 10}, True)]
    assert consumer.closed


def test_what_another_one_has_now_is_not_committed(script: deque[Any]) -> None:
    script += [assign(0, 1), Delivered(4), Delivered(9, where=1)]

    async def main() -> None:
        one = source()
        first = await taken(one)
        script.append(revoke(1))
        await one.keep(Progress())
        await one.acknowledge(first)
        # It comes back, perhaps with messages that were settled elsewhere meanwhile.
        script.extend([assign(1), Delivered(20, where=1)])
        again = await taken(one)
        await one.acknowledge(first[1:])
        await one.acknowledge(again)

    run(main())
    (consumer,) = Consumer.made
    assert consumer.committed == [({'t/0': 5}, True), ({'t/1': 21}, True)]


def test_what_is_owed_is_committed_before_a_partition_is_given_away(script: deque[Any]) -> None:
    script += [assign(0, 1), Delivered(4)]

    async def main() -> None:
        one = source()
        found = await taken(one)
        Consumer.made[0].refuses = True
        await one.acknowledge(found)
        Consumer.made[0].refuses = False
        script.append(revoke(0))
        await one.keep(Progress())

    run(main())
    assert Consumer.made[0].committed == [({'t/0': 5}, False)]


def test_messages_of_a_partition_that_is_gone_are_not_delivered(script: deque[Any]) -> None:
    script += [assign(0, 1)]

    async def main() -> list[str]:
        one = source()
        await one.take()
        # What comes while others are in hand waits here. The last one is of a partition that was never assigned.
        script.extend([Delivered(1), Delivered(1, where=1), Delivered(7, where=5)])
        assert [one._poll(0) for _ in range(3)] == [True] * 3
        script.append(lose(0))
        await one.keep(Progress())
        return places(await taken(one))

    assert run(main()) == ['t/1/1']
    assert Consumer.made[0].committed == []


def test_a_consumer_that_holds_messages_gets_no_more_and_loses_none(script: deque[Any]) -> None:
    script += [assign(0), Delivered(0)]

    async def main() -> tuple[list[str], list[str]]:
        one, progress = source(), Progress()
        first = await taken(one)
        await one.keep(progress)
        assert Consumer.made[0].paused == {0} and progress.positions == {'t/0': 1}
        script.extend([assign(1), Delivered(0, where=1), Delivered(1)])
        # Of the partition that is new it gets one before that is paused, too.
        for _ in range(5):
            await one.keep(progress)
        await one.acknowledge(first)
        second = await taken(one)
        assert Consumer.made[0].paused == set()
        return places(first), places(second)

    assert run(main()) == (['t/0/0'], ['t/1/0', 't/0/1'])


def test_progress_tells_positions_and_lag_as_far_as_they_are_known(script: deque[Any]) -> None:
    script += [assign(0, 1), Delivered(3), Delivered(5, where=1)]
    progress = Progress()

    async def main() -> None:
        one = source()
        one.tell(progress)
        assert progress.positions == progress.lag == {}
        await taken(one)
        one.tell(progress)

    run(main())
    assert progress.positions == {'t/0': 4, 't/1': 6} and progress.lag == {'t/0': 6}


@pytest.mark.parametrize('error', [SystemError('returned a result with an exception set'), UnicodeError()])
def test_headers_that_cannot_be_read_keep_no_message_from_coming(script: deque[Any], error: Exception) -> None:
    class Odd(Delivered):
        """confluent-kafka fails so on a name that is no UTF-8."""

        def headers(self) -> list[tuple[str, bytes]]:
            raise error

    script += [assign(0), Odd(3), Delivered(4)]
    first, second = run(taken(source()))
    assert (first.position, first.value, first.headers) == (3, b'a', ()) and second.position == 4


def test_after_a_fatal_error_there_is_another_consumer(script: deque[Any]) -> None:
    fatal = ck.KafkaError(ck.KafkaError._FENCED, 'fenced', fatal=True)
    script += [assign(0), Delivered(0), lambda one: one.options['error_cb'](fatal)]

    async def main() -> list[str]:
        one = source()
        found = [*await one.take()]
        with pytest.raises(Unavailable, match='fenced'):
            await one.take()
        script.extend([assign(0), Delivered(0)])
        await one.acknowledge(found)
        return places(await taken(one))

    assert run(main()) == ['t/0/0']
    first, second = Consumer.made
    assert first.closed and not second.closed and second.committed == []


@pytest.mark.parametrize('failing', [(1,), (2,), (1, 2), (2, 1)])
def test_a_commit_that_fails_is_made_up_for_without_going_back(script: deque[Any], failing: tuple[int, ...]) -> None:
    script += [assign(0), Delivered(0)]
    error = ck.KafkaError(ck.KafkaError.REQUEST_TIMED_OUT)

    def fails(offset: int) -> Callable[[Consumer], None]:
        failed = [ck.TopicPartition('t', 0, offset), ck.TopicPartition('t', 99, offset)]
        return lambda one: one.options['on_commit'](error, failed)

    async def main() -> None:
        one = source()
        await one.acknowledge(await taken(one))
        script.append(Delivered(1))
        await one.acknowledge(await taken(one))
        script.extend(fails(offset) for offset in failing)
        await taken(one, 4)
        await one.close()

    run(main())
    first, second, *again = Consumer.made[0].committed
    assert (first, second) == (({'t/0': 1}, True), ({'t/0': 2}, True))
    assert again == [({'t/0': 2}, True)] * len(again) and again


def test_options_that_librdkafka_refuses_are_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    async def main() -> None:
        one = source(more=(('no.such.option', '1'),))
        with pytest.raises(Unavailable, match='librdkafka refuses its options: No such configuration property'):
            await one.take()
        await one.close()

    run(main())


def test_brokers_that_are_away_keep_nobody_from_leaving(monkeypatch: pytest.MonkeyPatch) -> None:
    """With librdkafka itself."""
    monkeypatch.undo()

    async def main() -> str:
        one = Kafka(Settings('127.0.0.1:1', 'PLAINTEXT'), Consumption(('t',), 'g'))
        for _ in range(40):
            try:
                await one.take()
            except Unavailable as error:
                began = time.monotonic()
                await one.close()
                assert time.monotonic() - began < kafka._CLOSE + 1
                return str(error)
        raise AssertionError('nothing was said')

    assert run(main()).startswith('Kafka does not deliver: ')


def test_a_consumer_that_does_not_let_go_is_left(script: deque[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka, '_CLOSE', 0.1)
    monkeypatch.setattr(Consumer, 'close', lambda _: time.sleep(0.5))

    async def main() -> float:
        one = source()
        await one.take()
        began = time.monotonic()
        await one.close()
        return time.monotonic() - began

    assert run(main()) < 0.4


@pytest.mark.parametrize(
    ('settings', 'has', 'has_not'),
    [
        (Settings('b', username='u', password='p', ca='PEM'), {'ssl.ca.pem': 'PEM', 'sasl.password': 'p'}, set()),
        (Settings('b', username='u', password='p'), {'ssl.ca.location': 'probe'}, {'ssl.ca.pem'}),
        (Settings('b', 'SASL_PLAINTEXT', username='u'), {'sasl.mechanism': 'SCRAM-SHA-512'}, {'ssl.ca.location'}),
        (Settings('b', 'SSL', ca='PEM'), {'ssl.ca.pem': 'PEM'}, {'sasl.mechanism', 'sasl.password'}),
    ],
)
def test_options_are_as_librdkafka_names_them(settings: Settings, has: dict[str, str], has_not: set[str]) -> None:
    options = settings.options()
    assert has.items() <= options.items() and not has_not & options.keys()
    assert 'password' not in repr(settings) and 'PEM' not in repr(settings)
