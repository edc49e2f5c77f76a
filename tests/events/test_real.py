"""Events on a real broker and a real registry become rebuilds on a real server: each once, whatever dies meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import echo
import pytest
import trustme
from bus import Bus, event
from consumers import acted_upon, all_there, begin, end, letters, progress, run, until, working
from oci_factory import release
from temporal_events import avro, troubles
from temporal_events.kafka import Kafka
from temporal_events.model import Consumption, Letter, Message, Unavailable
from temporal_events.registry import Registry

from lab.kafka import Eventbus

pytestmark = pytest.mark.lab

_TAKER = """
import asyncio, json, sys
from temporal_events.kafka import Kafka, Settings
from temporal_events.model import Consumption

async def main():
    address, password, ca, topic = json.loads(sys.stdin.readline())
    source = Kafka(Settings(address, username='rocks', password=password, ca=ca), Consumption((topic,), 'g'))
    while not await source.take():
        pass
    print('taken', flush=True)
    while True:
        await source.take()

asyncio.run(main())
"""
"""A consumer in a process of its own, which says when it has its share."""


@pytest.fixture(scope='session')
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with Eventbus(tmp_path_factory.mktemp('eventbus')) as parts:
        yield Bus(parts)


@pytest.fixture(autouse=True)
def environment(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    rebuilding = {
        **dict.fromkeys(('OCI_FACTORY_RELEASES', 'OCI_FACTORY_BUILDS'), '/srv'),
        **dict.fromkeys(('OCI_FACTORY_REGISTRY', 'OCI_FACTORY_GITHUB'), 'http://127.0.0.1:1'),
        'GITHUB_TOKEN': 'none',
    }
    for name, value in {**bus.environment(), **rebuilding}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def topic(bus: Bus, request: pytest.FixtureRequest) -> str:
    name = request.node.name.replace('_', '-')[:80]
    bus.topic(name)
    return name


def events(bus: Bus, number: int, topic: str, *which: int, **changes: Any) -> list[bytes]:
    return [bus.encode(number, event(f'{topic}-{one}', **changes)) for one in which]


async def say(source: Kafka) -> str:
    """What a source says instead of delivering."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            assert await source.take() == []
        except Unavailable as error:
            return str(error)
    raise AssertionError('nothing was said')


def refused(bus: Bus, **changes: Any) -> str:
    async def main() -> str:
        source = Kafka(bus.brokers(**changes), Consumption(('t',), 'g'))
        try:
            return await say(source)
        finally:
            await source.close()

    return run(main())


def test_a_wrong_password_is_told_and_waited_out(bus: Bus) -> None:
    said = refused(bus, password='WrongPassword')
    assert 'uthentication failed' in said and 'WrongPassword' not in said


def test_a_broker_of_a_foreign_authority_gets_no_password(bus: Bus) -> None:
    said = refused(bus, ca=trustme.CA().cert_pem.bytes().decode())
    assert 'SSL' in said or 'certificate' in said


def test_a_registry_refuses_and_is_refused(bus: Bus) -> None:
    with pytest.raises(Unavailable, match='refuses the user or the password'):
        Registry(bus.schemas(password='WrongPassword')).schema(1)
    with pytest.raises(Unavailable, match='certificate verify failed'):
        Registry(bus.schemas(ca=trustme.CA().cert_pem.bytes().decode())).schema(1)
    with pytest.raises(Unavailable, match='does not know schema 424242 yet'):
        Registry(bus.schemas()).schema(424242)


def test_what_is_not_acknowledged_comes_again_and_nothing_else(bus: Bus, topic: str) -> None:
    bus.send(topic, [b'%d' % one for one in range(40)])

    async def take(source: Kafka, count: int) -> list[Message]:
        found: list[Message] = []
        while len(found) < count:
            with contextlib.suppress(Unavailable):
                found += await source.take()
        return found

    async def main() -> None:
        source = Kafka(bus.brokers(), Consumption((topic,), 'g'))
        found = await take(source, 40)
        kept = [one for one in found if one.lane.endswith(('/0', '/2'))]
        await source.acknowledge(kept)
        await source.close()
        source = Kafka(bus.brokers(), Consumption((topic,), 'g'))
        again = await take(source, 40 - len(kept))
        await source.close()
        assert 0 < len(kept) < 40
        assert {one.place for one in again} == {one.place for one in found} - {one.place for one in kept}

    run(main())


def test_events_are_acted_upon_once_and_bad_ones_keep_nobody(
    bus: Bus, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = bus.register(topic)
    good = events(bus, number, topic, *range(5))
    bad = [
        b'{"release": "24.04"}',
        good[0][:-3],
        bus.encode(number, event(f'{topic}-5', series='zzz', registry_tags=[])),
        bus.encode(number, event('spaces are none')),
        bus.encode(424242, event(f'{topic}-6')),
    ]
    # What comes twice has been sent twice by its producer.
    bus.send(topic, [part for pair in zip(good, bad, strict=True) for part in pair] + [good[1]])

    async def main() -> None:
        async with echo.server() as client, working(client):
            handle = await begin(client, topic)

            async def five() -> bool:
                return len(await letters(client, topic)) == len(bad)

            await until(five)
            await all_there(client, topic, 5)
            found = await letters(client, topic)
            told = {(await one.query('letter', result_type=Letter)).reason: one for one in found}
            for words in (
                'not framed as Avro: it begins with 7b 22',
                'is none of schema',
                "series 'zzz' is unknown",
                "message_id is 'spaces are none'",
                'does not know schema 424242',
            ):
                assert [reason for reason in told if words in reason], words
            # Somebody pins newer series, and has the letter tried again.
            (mended,) = (one for reason, one in told.items() if 'zzz' in reason)
            monkeypatch.setattr(release, 'series', lambda: {'zzz': '28.04'})
            await mended.signal('replay')
            assert await mended.result() == {'fate': 'started', 'detail': f'rebuild-{topic}-5'}
            assert await client.get_workflow_handle(f'rebuild-{topic}-5').result() == '28.04'
            # Trying helps none of the others: they say why, and go when they are told to.
            (framed,) = (one for reason, one in told.items() if 'framed' in reason)
            await framed.signal('replay')
            await framed.signal('discard', 'sent by hand')
            assert await framed.result() == {'fate': 'discarded', 'detail': 'sent by hand'}
            lag = (await progress(handle))['lag']
            assert set(lag.values()) == {0}
            await end(handle)

    run(main())


def test_without_a_registry_events_wait_for_it(bus: Bus, topic: str) -> None:
    number = bus.register(topic)

    async def main() -> None:
        async with echo.server() as client, working(client):
            bus.parts.registry.stop()
            try:
                bus.send(topic, events(bus, number, topic, *range(10)))
                handle = await begin(client, topic)

                async def waits() -> bool:
                    return 'registry does not answer' in (await progress(handle)).get('waiting', '')

                await until(waits)
                assert await acted_upon(client, topic) == {}
            finally:
                await asyncio.to_thread(bus.parts.registry.start)
            await all_there(client, topic, 10)
            assert await letters(client, topic) == []
            await end(handle)

    run(main())


def test_a_topic_that_is_missing_is_told_of_until_it_is_there(
    bus: Bus, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    # librdkafka says it once: that it goes on being told is due to another consumer, now and then.
    monkeypatch.setattr(troubles, 'ASKED', 6)
    monkeypatch.setattr(troubles, 'REPEATED', 6)
    name = request.node.name.replace('_', '-')[:80]

    async def main() -> None:
        async with echo.server() as client, working(client):
            handle = await begin(client, name)

            async def waits() -> bool:
                return f'not available: {name}' in (await progress(handle)).get('waiting', '')

            await until(waits)
            since = (await progress(handle))['since']
            await asyncio.sleep(30)
            assert await waits() and (await progress(handle))['since'] == since
            bus.topic(name)
            bus.send(name, events(bus, bus.register(name), name, *range(5)))
            await all_there(client, name, 5)

            async def goes_on() -> bool:
                return not (await progress(handle))['waiting']

            await until(goes_on)
            await end(handle)

    run(main())


def test_a_broker_that_dies_loses_and_doubles_nothing(bus: Bus, topic: str) -> None:
    number = bus.register(topic)

    async def main() -> None:
        async with echo.server() as client, working(client):
            handle = await begin(client, topic)
            bus.send(topic, events(bus, number, topic, *range(50)))
            await asyncio.sleep(0.5)
            bus.parts.broker.kill()
            await asyncio.sleep(2)
            await asyncio.to_thread(bus.parts.broker.start)
            bus.send(topic, events(bus, number, topic, *range(50, 100)))
            await all_there(client, topic, 100)
            await end(handle)

    run(main())


def test_a_consumer_that_is_killed_is_missed_within_seconds(bus: Bus, topic: str) -> None:
    bus.send(topic, [b'%d' % one for one in range(40)])
    told = json.dumps([bus.parts.broker.address, bus.parts.password, bus.parts.ca, topic])
    process = subprocess.Popen([sys.executable, '-c', _TAKER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdin and process.stdout
        process.stdin.write(f'{told}\n')
        process.stdin.flush()
        assert process.stdout.readline() == 'taken\n'
        process.kill()

    async def main() -> float:
        began = time.monotonic()
        source = Kafka(bus.brokers(), Consumption((topic,), 'g'))
        while not await source.take():
            pass
        await source.close()
        return time.monotonic() - began

    assert run(main()) < 20


def test_a_drained_worker_hands_over_within_seconds(bus: Bus, topic: str) -> None:
    number = bus.register(topic)

    async def main() -> None:
        async with echo.server() as client:
            async with working(client) as first:
                handle = await begin(client, topic)
                bus.send(topic, events(bus, number, topic, *range(100)))

                async def some() -> bool:
                    return len(await acted_upon(client, topic)) > 0

                await until(some)
                began = time.monotonic()
                await first.shutdown()
                assert time.monotonic() - began < 5
            async with working(client):
                await all_there(client, topic, 100, seconds=20)
                # Drains leave nothing in the history.
                described = await handle.describe()
                assert described.history_length < 10
                await end(handle)

    run(main())


@pytest.mark.soak
def test_two_consumers_share_the_events_and_double_none(bus: Bus, topic: str) -> None:
    number = bus.register(topic)

    async def main() -> None:
        async with echo.server() as client, working(client):
            one = await begin(client, topic, '/1')
            bus.send(topic, events(bus, number, topic, *range(200)))
            two = await begin(client, topic, '/2')
            count = 200

            async def shared() -> bool:
                nonlocal count
                bus.send(topic, events(bus, number, topic, *range(count, count + 20)))
                count += 20
                await asyncio.sleep(1)
                return all([(await progress(handle)).get('positions') for handle in (one, two)])

            await until(shared)
            # Partitions go back while messages of them are in hand.
            bus.send(topic, events(bus, number, topic, *range(count, count + 100)))
            await end(one)
            bus.send(topic, events(bus, number, topic, *range(count + 100, count + 200)))
            await all_there(client, topic, count + 200)
            await end(two)

    run(main(), 180)


@pytest.mark.soak
def test_without_a_temporal_server_events_wait_for_it(bus: Bus, topic: str, tmp_path: pathlib.Path) -> None:
    number = bus.register(topic)
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        port = probe.getsockname()[1]

    async def main() -> None:
        async with contextlib.AsyncExitStack() as stack:
            async with echo.server(port=port, database=tmp_path / 'db') as client:
                # The worker outlives the server.
                await stack.enter_async_context(working(client))
                handle = await begin(client, topic)
                bus.send(topic, events(bus, number, topic, *range(50)))
                await all_there(client, topic, 50)
            bus.send(topic, events(bus, number, topic, *range(50, 100)))
            await asyncio.sleep(5)
            async with echo.server(port=port, database=tmp_path / 'db') as client:
                await all_there(client, topic, 100)
                await end(client.get_workflow_handle(handle.id))
                await stack.aclose()

    run(main(), 180)


def test_schemas_that_refer_to_each_other_are_read_so(bus: Bus, topic: str) -> None:
    message = Message('t/0', 0, bus.encode(bus.register(topic), event('x')))
    assert avro.decode(message, Registry(bus.schemas())) == event('x')
