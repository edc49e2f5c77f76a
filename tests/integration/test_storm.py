"""A thousand events on a real Kafka while everything they pass through is killed: each is acted upon once, none lost.

And a password of Kafka's is changed while they flow; people are told of what waits, by Mattermost and by the status.
Broker, registry and the services that a rebuild asks run beside the cluster, in the test's own process or below it.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import os
import random
import re
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import jubilant
import postgres
import pytest
import suite
from factory import IMAGE, Factory
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError
from traffic import PARTITIONS, Groups, Message, Publisher, Users, Writer

from lab.kafka import Eventbus
from lab.settings import NODE_IP

sys.path.insert(0, str(suite.ROOT / 'tests' / 'events'))
from bus import Bus, dotenv

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(os.environ.get('LAB') == 'none', reason='with LAB=none pods do not reach this machine'),
]

T = TypeVar('T')

QUEUE = 'oci-factory'
POD = f'{suite.WORKER}-0'
STORM = (('storm-a', 'one'), ('storm-b', 'one'), ('storm-b', 'two'), ('storm-c', 'two'))
"""Topics and the groups that read them; one topic is read by both, and its events are still to be acted upon once."""

CALM = (('calm', 'three'),)
TOLD = (('told', 'four'),)
ROUNDS = 2
EVENTS, TWICE, BAD = 1000, 50, 15
DISPATCHING = 4
"""Events of each stage that dispatch an image; they come early in it, so that they are under way when it strikes."""

_PACE = 0.25
"""Seconds between two messages."""

_MOVED = 20
"""Messages that are acknowledged after something was killed before the next one is."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a test plays in.

    Attributes:
        juju: the model.
        address: HOST:PORT of the server's frontend.
        parts: broker and registry.
        bus: the same as a producer sees them.
        factory: what a rebuild asks.
        secret: URI of the worker's login to Kafka.
        environment: what else its env-file says.
    """

    juju: jubilant.Juju
    address: str
    parts: Eventbus
    bus: Bus
    factory: Factory
    secret: str
    environment: Mapping[str, str]


def _login(name: str, password: str) -> dict[str, str]:
    """The content of the worker's secret."""
    return {'rocks-eventbus-username': name, 'rocks-eventbus-password': password}


@pytest.fixture(scope='module')
def scene(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Suite, broker, registry and OCI Factory; the worker has Kafka's password from a Juju secret."""
    folder = tmp_path_factory.mktemp('storm')
    with Eventbus(folder / 'kafka', NODE_IP) as parts, Factory(NODE_IP) as factory:
        bus = Bus(parts)
        password = secrets.token_urlsafe(16)
        Users(bus).let_in('worker', password)
        read = (*STORM, *CALM, *TOLD)
        for topic in sorted(dict(read)):
            bus.topic(topic, PARTITIONS)
        suite.deploy_server(juju, databases='current')
        secret = juju.add_secret('kafka-login', _login('worker', password))
        suite.wait_active(juju)
        suite.register_namespace(juju)
        told = dict(bus.environment())
        for name in ('USERNAME', 'PASSWORD'):
            told[f'ROCKS_EVENTBUS_KARAPACE_{name}'] = told.pop(f'ROCKS_EVENTBUS_{name}')
        env = folder / 'worker.env'
        told |= factory.environment()
        env.write_text('\n'.join(dotenv(told)))
        suite.deploy_worker(juju, suite.WORKER, workflows=suite.DIST / 'oci-factory.tar', env=env, queue=QUEUE)
        juju.grant_secret(secret, suite.WORKER)
        consume = ' '.join(f'{topic}@{group}' for topic, group in read)
        juju.config(suite.WORKER, {'environment-secrets': str(secret), 'consume': consume})
        juju.integrate(f'{suite.WORKER}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
        suite.wait_active(juju)
        address = f'{juju.status().apps[suite.SERVER].address}:7233'
        yield Scene(juju, address, parts, bus, factory, str(secret), told)


def _ask(scene: Scene, act: Callable[[Client], Awaitable[T]], patience: float = 120) -> T:
    """Ask the server; one that has just come back may refuse for some moments."""

    async def main() -> T:
        return await act(await Client.connect(scene.address))

    end = time.monotonic() + patience
    while True:
        try:
            return asyncio.run(main())
        except (RPCError, RuntimeError):
            if time.monotonic() > end:
                raise
            time.sleep(1)


Listed = Mapping[str, Sequence[WorkflowExecutionStatus | None]]
"""Identifiers of workflows to the states of all their runs."""


def _listed(scene: Scene, workflow: str, prefix: str) -> Listed:
    async def ask(client: Client) -> Listed:
        found: dict[str, list[WorkflowExecutionStatus | None]] = collections.defaultdict(list)
        query = f'WorkflowType = "{workflow}" AND WorkflowId STARTS_WITH "{prefix}"'
        async for one in client.list_workflows(query):
            found[one.id].append(one.status)
        return found

    return _ask(scene, ask)


def _under_way(scene: Scene) -> int:
    """How many rebuilds have not ended."""

    async def ask(client: Client) -> int:
        query = 'WorkflowType IN ("RebuildForRelease", "RebuildImage") AND ExecutionStatus = "Running"'
        return (await client.count_workflows(query)).count

    return _ask(scene, ask)


def _results(scene: Scene, identifiers: Sequence[str]) -> dict[str, Any]:
    """Identifiers of workflows to their results."""

    async def ask(client: Client) -> dict[str, Any]:
        places = asyncio.Semaphore(20)

        async def one(identifier: str) -> Any:
            async with places:
                return await client.get_workflow_handle(identifier).result()

        return dict(zip(identifiers, await asyncio.gather(*map(one, identifiers)), strict=True))

    return _ask(scene, ask)


def _attempts(scene: Scene, identifiers: Sequence[str]) -> int:
    """The most attempts that any activity of these workflows has needed."""

    async def ask(client: Client) -> int:
        most = 0
        for identifier in identifiers:
            history = await client.get_workflow_handle(identifier).fetch_history()
            for event in history.events:
                most = max(most, event.activity_task_started_event_attributes.attempt)
        return most

    return _ask(scene, ask)


def _odd(found: Mapping[str, T], wanted: Mapping[str, T]) -> dict[str, T | None]:
    """What is missing, not wanted or not as it should be."""
    return {name: found.get(name) for name in {*found, *wanted} if found.get(name) != wanted.get(name)}


def _check(scene: Scene, read: Sequence[tuple[str, str]], messages: Sequence[Message], publisher: Publisher) -> None:
    """Each event is acted upon once, and none is lost; each bad message lies with the dead letters of its group."""
    published = publisher.published()
    assert len(published) == len(messages)
    groups = Groups(scene.bus, read)

    def all_acknowledged() -> bool:
        progress = groups.progress()
        return progress is not None and progress[0] == progress[1]

    suite.wait_until(all_acknowledged, 'all messages are acknowledged', 240, pause=1)
    suite.wait_until(lambda: _under_way(scene) == 0, 'all rebuilds have ended', 480, pause=2)

    identifiers = {f'rebuild-{one.event}' for one in messages if one.event}
    dispatching = {f'rebuild-{one.event}/{IMAGE}' for one in messages if one.dispatches}
    # All of a test begin alike: NAME-...
    prefix = '-'.join(next(iter(identifiers)).split('-')[:2])
    once = [WorkflowExecutionStatus.COMPLETED]
    # The server's list has every run of every workflow.
    assert not _odd(_listed(scene, 'RebuildForRelease', prefix), dict.fromkeys(identifiers, once))
    images = {f'{identifier}/{IMAGE}' for identifier in identifiers}
    assert not _odd(_listed(scene, 'RebuildImage', prefix), dict.fromkeys(images, once))
    ours = {name: count for name, count in scene.factory.dispatched().items() if name.startswith(prefix)}
    assert not _odd(ours, dict.fromkeys(dispatching, 1))
    for identifier, report in _results(scene, sorted(identifiers)).items():
        (image,) = report['images']
        assert not image['error'], report
        # Nobody is to be told, and that was found out.
        assert report['notifications'] == [], report
        assert image['conclusion'] == ('success' if f'{identifier}/{IMAGE}' in dispatching else ''), report

    wanted = [
        f'dead-letter/{group}/{place}'
        for one, place in published
        for topic, group in read
        if one.topic == topic and not one.event
    ]
    running = [WorkflowExecutionStatus.RUNNING]
    letters: list[tuple[str, Any]] = []
    for group in {group for _, group in read}:
        letters += _listed(scene, 'DeadLetter', f'dead-letter/{group}/').items()
    assert all(states == running for _, states in letters), letters
    assert sorted(name.rpartition('/')[0] for name, _ in letters) == sorted(wanted)


def _calm(juju: jubilant.Juju) -> None:
    """All is active by itself, and no hook of ours has failed."""
    suite.wait_active(juju, may_fail=True)
    assert suite.failed_hooks(juju) == []


def _messages(writer: Writer, stages: int) -> list[Message]:
    """All messages of the storm, in the order in which they are published."""
    topics = itertools.cycle(dict(STORM))
    chance = random.Random(5)
    plain = [writer.event(next(topics), f'storm-{number}', dispatches=False)
             for number in range(EVENTS - stages * DISPATCHING)]  # fmt: skip
    # The producer's second attempts come later than the first ones, some much later.
    for one in chance.sample(plain, TWICE):
        plain.insert(min(plain.index(one) + chance.choice((1, 20, 200)), len(plain)), one)
    for number in range(BAD):
        plain.insert(chance.randrange(len(plain)), writer.bad(next(topics), number))
    step = len(plain) // stages
    for stage in reversed(range(stages)):
        early = stage * step + 5
        for number in range(DISPATCHING):
            name = f'storm-image-{stage}-{number}'
            plain.insert(early, writer.event(next(topics), name, dispatches=True))
    return plain


def _kills(scene: Scene) -> dict[str, Callable[[], None]]:
    """What is killed, and how; all but the broker come back by themselves."""
    juju = scene.juju

    def broker() -> None:
        scene.parts.broker.kill()
        time.sleep(3)
        scene.parts.broker.start()

    return {
        'broker': broker,
        "worker's process": lambda: suite.kill_process(juju, POD, suite.CONTAINER[suite.WORKER], 'loader.run'),
        'server': lambda: suite.replace_pod(juju, f'{suite.SERVER}-0'),
        'worker': lambda: suite.replace_pod(juju, POD),
        'database': lambda: suite.replace_pod(juju, postgres.POD),
    }


def _strike(
    scene: Scene, groups: Groups, publisher: Publisher, share: int, what: str, kill: Callable[[], None]
) -> None:
    """Kill something while GitHub is answering, and wait until events are consumed again."""
    before = scene.factory.dispatched().total()
    publisher.allow(share // 2)
    suite.wait_until(lambda: scene.factory.dispatched().total() > before, 'an image is dispatched', 300)
    began = time.monotonic()
    kill()
    base, done = groups.acknowledged(), time.monotonic()
    # Far more than it takes, and all of it after the death.
    publisher.allow(share - share // 2)

    def moved() -> bool:
        return groups.acknowledged() >= base + _MOVED

    suite.wait_until(moved, f'events are consumed again after the death of the {what}', 240, pause=1)
    print(f'{what}: killed in {done - began:.0f} s, consumed again {time.monotonic() - done:.0f} s later')


def test_given_a_thousand_events_when_all_they_pass_through_is_killed_in_turn_then_each_is_acted_upon_once(scene):
    kills = _kills(scene)
    stages = ROUNDS * len(kills)
    messages = _messages(Writer(scene.bus, sorted(dict(STORM))), stages)
    assert len({one.event for one in messages if one.event}) == EVENTS
    groups = Groups(scene.bus, STORM)
    with Publisher(scene.bus, messages, _PACE) as publisher:
        for _ in range(ROUNDS):
            for what, kill in kills.items():
                _strike(scene, groups, publisher, len(messages) // stages, what, kill)
        publisher.pace = 0
        publisher.allow(len(messages))
        suite.wait_until(lambda: len(publisher.published()) == len(messages), 'all is published', 60)

    _check(scene, STORM, messages, publisher)
    # It did strike: some attempts were cut off after GitHub had been asked.
    assert _attempts(scene, [f'rebuild-{one.event}/{IMAGE}' for one in messages if one.dispatches]) > 1
    _calm(scene.juju)


def test_given_events_that_flow_when_kafkas_password_is_changed_then_the_worker_drains_and_none_is_lost(scene):
    writer = Writer(scene.bus, sorted(dict(CALM)))
    topic = CALM[0][0]
    messages = [writer.event(topic, f'calm-{number}', dispatches=number % 20 == 5) for number in range(200)]
    groups, users = Groups(scene.bus, CALM), Users(scene.bus)
    with Publisher(scene.bus, messages, _PACE) as publisher:
        publisher.allow(len(messages))
        suite.wait_until(lambda: scene.factory.dispatched()[f'rebuild-calm-5/{IMAGE}'] > 0, 'an image is dispatched')
        other = secrets.token_urlsafe(16)
        users.let_in('worker-2', other)
        scene.juju.update_secret(scene.secret, _login('worker-2', other))
        marked = groups.acknowledged()
        suite.wait_until(lambda: groups.acknowledged() > marked + _MOVED, 'events are consumed', 90)
        environment = 'cat /srv/temporal-worker/environment.json'
        suite.wait_until(
            lambda: other in suite.pod_exec(scene.juju, POD, suite.CONTAINER[suite.WORKER], environment),
            'the worker has the new password',
            90,
        )
        # Whoever is in by the old one is thrown out.
        users.keep_out('worker')
        scene.parts.broker.kill()
        scene.parts.broker.start()
        suite.wait_until(lambda: len(publisher.published()) == len(messages), 'all is published', 120)

    _check(scene, CALM, messages, publisher)
    # What was under way was waited for.
    dispatching = [f'rebuild-{one.event}/{IMAGE}' for one in messages if one.dispatches]
    assert _attempts(scene, dispatching) == 1
    _calm(scene.juju)


def _knows(scene: Scene, variable: str) -> bool:
    """Whether the worker has a variable; Juju replaces its pod for a file that is attached."""
    with contextlib.suppress(AssertionError):
        environment = 'cat /srv/temporal-worker/environment.json'
        return variable in suite.pod_exec(scene.juju, POD, suite.CONTAINER[suite.WORKER], environment)
    return False


def _colours(scene: Scene, status: str) -> list[str]:
    """Of the posts that tell of a status."""
    attachments = [attachment for post in scene.factory.posts() for attachment in post['props']['attachments']]
    return [one['color'] for one in attachments if f'**Status:** {status}' in one['text']]


def test_given_mattermost_when_github_refuses_the_token_then_people_are_told_of_that_and_of_the_end_once(
    scene, tmp_path
):
    env = tmp_path / 'worker.env'
    env.write_text('\n'.join(dotenv({**scene.environment, **scene.factory.mattermost()})))
    scene.juju.cli('attach-resource', suite.WORKER, f'env-file={env}')
    suite.wait_until(lambda: _knows(scene, 'MATTERMOST_SERVER'), 'the worker has the settings of Mattermost', 120)
    suite.wait_active(scene.juju)
    # Mattermost fails less often than is tried; of one post it has only lost the answer.
    scene.factory.fail(
        {'status': 401, 'times': None, 'match': 'POST /github'},
        {'status': 502, 'match': 'api/v4/posts', 'after_recording': True},
        {'status': 503, 'match': 'api/v4/posts'},
        {'status': 0, 'match': 'api/v4/posts'},
    )
    writer = Writer(scene.bus, sorted(dict(TOLD)))
    messages = [writer.event(TOLD[0][0], f'told-{number}', dispatches=number == 1) for number in range(3)]
    with Publisher(scene.bus, messages, _PACE) as publisher:
        publisher.allow(len(messages))
        suite.wait_until(lambda: len(publisher.published()) == len(messages), 'all is published')
        suite.wait_until(lambda: bool(_colours(scene, 'Waiting')), 'people are told of what is refused', 240, pause=1)
        scene.factory.fail()
        suite.wait_until(
            lambda: len(_colours(scene, 'Success')) == len(messages), 'people are told of all ends', 240, pause=1
        )

    posts = scene.factory.posts()
    (waiting,) = [post for post in posts if post['root_id']]
    (attachment,) = waiting['props']['attachments']
    assert attachment['color'] == '#E8A000'
    assert 'GITHUB_TOKEN' in attachment['text'], attachment
    assert len(posts) == len(messages) + 1
    assert set(_colours(scene, 'Success')) == {'#33CC33'}
    assert scene.factory.dispatched()[f'rebuild-told-1/{IMAGE}'] == 1
    _calm(scene.juju)


def test_given_a_broker_that_stays_away_then_the_status_says_what_is_waited_for_until_it_is_back(scene):
    said = re.compile(r'waiting for consumer consume-events/\S+, which waits since \S+Z: Kafka does not deliver: .+')
    scene.parts.broker.kill()
    try:
        scene.juju.wait(
            lambda status: any(
                unit.workload_status.current == 'waiting' and said.fullmatch(unit.workload_status.message)
                for unit in status.apps[suite.WORKER].units.values()
            ),
            timeout=240,
        )
    finally:
        scene.parts.broker.start()

    _calm(scene.juju)
