"""What librdkafka says is told for as long as it is so, whether it says it again and again or once."""

from __future__ import annotations

from collections import deque
from types import SimpleNamespace
from typing import Any

import confluent_kafka as ck
import pytest
from librdkafka import Consumer, Delivered, assign, places, run, said, source, taken
from temporal_events import troubles
from temporal_events.kafka import Kafka
from temporal_events.model import Unavailable

AWAY = ck.KafkaError(ck.KafkaError._ALL_BROKERS_DOWN, '1/1 brokers are down')
MISSING = ck.KafkaError(ck.KafkaError.UNKNOWN_TOPIC_OR_PART, 'Subscribed topic not available: u')
BARRED = ck.KafkaError(ck.KafkaError.GROUP_AUTHORIZATION_FAILED, 'Group authorization failed')


@pytest.mark.parametrize('how', [said(AWAY), Delivered(0, wrong=AWAY)])
def test_a_problem_is_told_until_messages_come(script: deque[Any], how: Any) -> None:
    script += [how]

    async def main() -> None:
        one = source()
        for _ in range(2):
            with pytest.raises(Unavailable, match='Kafka does not deliver: 1/1 brokers are down'):
                await one.take()
        script.extend([assign(0), Delivered(0)])
        assert places(await taken(one)) == ['t/0/0']

    run(main())


def test_of_brokers_that_are_down_it_is_told_why_if_that_is_known(script: deque[Any]) -> None:
    refused = ck.KafkaError(ck.KafkaError._AUTHENTICATION, 'Authentication failed')
    script += [said(refused), said(AWAY)]

    async def main() -> None:
        one = source()
        for _ in range(2):
            with pytest.raises(Unavailable, match='Kafka does not deliver: Authentication failed'):
                await one.take()

    run(main())


def test_a_problem_of_which_nothing_is_heard_any_more_is_over(
    script: deque[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    script += [said(AWAY)]
    monkeypatch.setattr(troubles, 'REPEATED', 0)
    assert run(taken(source())) == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """That of the troubles."""
    clock = SimpleNamespace(now=1_000_000.0)
    clock.monotonic = lambda: clock.now
    monkeypatch.setattr(troubles, 'time', clock)
    return clock


async def told(one: Kafka) -> str:
    """What a source that has nothing says is the reason; empty if it says nothing."""
    try:
        found = await one.take()
    except Unavailable as error:
        return str(error)
    assert found == []
    return one.trouble()


def test_what_is_said_once_is_told_for_as_long_as_it_is_so(script: deque[Any], clock: SimpleNamespace) -> None:
    words = 'Kafka does not deliver: Subscribed topic not available: u (have it made, or correct its name)'

    async def main() -> None:
        one = source()
        script.append(Delivered(0, wrong=MISSING, of='u'))
        for _ in range(3):
            assert await told(one) == words
            clock.now += troubles.ASKED - 1
            assert await told(one) == words
            # Another consumer says it again.
            clock.now += 1
            script.append(Delivered(0, wrong=MISSING, of='u'))
        assert await told(one) == words
        assert [each.closed for each in Consumer.made] == [True, True, True, False]
        # Somebody has made it: the next one has nothing to say.
        clock.now += troubles.ASKED
        assert await told(one) == words
        clock.now += troubles.REPEATED
        assert await told(one) == ''
        clock.now += 2 * troubles.ASKED
        assert await told(one) == '' and len(Consumer.made) == 5

    run(main())


def test_a_topic_that_is_missing_is_told_of_while_another_one_delivers(script: deque[Any]) -> None:
    script += [assign(0), Delivered(0), Delivered(0, wrong=MISSING, of='u')]

    async def main() -> None:
        one = source()
        assert places([*await one.take()]) == ['t/0/0']
        assert 'not available: u' in one.trouble()
        script.append(Delivered(0, of='u'))
        with pytest.raises(Unavailable, match='not available: u'):
            await one.take()
        # It is there after all.
        script.extend([lambda each: each.callbacks['on_assign'](each, [ck.TopicPartition('u', 0)])])
        assert 'not available: u' in await told(one)
        script.append(Delivered(0, of='u'))
        assert [each.lane for each in await one.take()] == ['u/0']
        assert one.trouble() == ''

    run(main())


def test_a_group_that_may_not_be_joined_is_told_of_until_it_is(script: deque[Any], clock: SimpleNamespace) -> None:
    async def main() -> None:
        one = source()
        script.append(Delivered(0, wrong=BARRED, of=''))
        assert (await told(one)).endswith('Group authorization failed (let the user read as the consumer group)')
        clock.now += troubles.REPEATED + 1
        assert 'Group authorization failed' in await told(one)
        script.append(assign(0))
        assert await told(one) == ''

    run(main())


def test_what_is_settled_is_committed_before_another_consumer_asks_what_is_wrong(
    script: deque[Any], clock: SimpleNamespace
) -> None:
    script += [assign(0), Delivered(7), Delivered(0, wrong=MISSING, of='u')]

    async def main() -> None:
        one = source()
        found = [*await one.take()]
        Consumer.made[0].refuses = True
        await one.acknowledge(found)
        Consumer.made[0].refuses = False
        clock.now += troubles.ASKED
        await told(one)

    run(main())
    assert [each.committed for each in Consumer.made] == [[({'t/0': 8}, True)], []]
