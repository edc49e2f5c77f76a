"""From Kafka to started workflows: how many a second and how long one takes, beside a plain worker of that code."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import tempfile
from collections.abc import Iterator, Mapping

import jubilant
from temporal_events.names import CONSUME_EVENTS
from temporalio.client import Client

from bench import figures, limits, models, starts, tables
from bench.deployment import DIST, WORKER, images
from bench.figures import Beside, Taken
from bench.passage import Events, Passage, dotenv
from bench.plain import Plain
from lab.kafka import Eventbus
from lab.settings import NODE_IP

_CHARM, _PLAIN = 'oci-factory', 'plain'
"""The two workers; each consumes the topic of its name, as a group of its name."""

_FLOOD = 500
"""Events that are there at once."""

_STEADY, _PACE = 200, 0.1
"""Events that come one after the other, and the seconds between two: far fewer than get through."""


def run(rounds: int) -> None:
    """Measure in a model of its own, with broker and registry beside the cluster."""
    with models.with_server() as (juju, address), tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        with Eventbus(folder / 'kafka', NODE_IP) as parts:
            events = Events(parts, address)
            for topic in (_CHARM, _PLAIN):
                events.topic(topic)
            _deploy(juju, events, folder)
            with _consuming(address, events):
                _measure(events, rounds)


def _measure(events: Events, rounds: int) -> None:
    for topic in (_CHARM, _PLAIN):
        # The first event has the schemas read, and the connections made.
        events.produce(topic, f'{topic}-first', 1)
        events.started(f'{topic}-first', 1)
    found = []
    for number in range(1, rounds + 1):
        print(f'events: round {number} of {rounds}', flush=True)
        found.append(_round(events, number))
        _print(found)


def _deploy(juju: jubilant.Juju, events: Events, folder: pathlib.Path) -> None:
    """The charm's worker, with the OCI Factory's archive."""
    env = folder / 'worker.env'
    env.write_text('\n'.join(dotenv(events.environment())))
    resources = {
        'temporal-worker-image': images()['temporal-worker-image'],
        'workflows-file': str(DIST / 'oci-factory.tar'),
        'env-file': str(env),
    }
    config = {'queue': _CHARM, 'consume': f'{_CHARM}@{_CHARM}'}
    juju.deploy(DIST / f'{WORKER}.charm', _CHARM, resources=resources, config=config)
    juju.integrate(f'{_CHARM}:temporal-host-info', f'{models.SERVER}:temporal-host-info')
    starts.quiet(juju, _CHARM)


@contextlib.contextmanager
def _consuming(address: str, events: Events) -> Iterator[None]:
    """A plain worker, and what has it consume."""

    async def begin() -> None:
        client = await Client.connect(address)
        wanted = {'topics': [_PLAIN], 'group': _PLAIN}
        await client.start_workflow(CONSUME_EVENTS, wanted, id=f'consume-{_PLAIN}', task_queue=_PLAIN)

    with Plain('bench.consumer', address, _PLAIN, events.environment()):
        asyncio.run(begin())
        yield


def _round(events: Events, number: int) -> figures.Round:
    charm, plain = (_side(events, topic, number) for topic in (_CHARM, _PLAIN))
    return {what: Beside(charm[what], plain[what]) for what in charm}


def _side(events: Events, topic: str, number: int) -> Mapping[str, Taken]:
    flood, flooding = _through(events, topic, f'{topic}-flood-{number}', _FLOOD, 0)
    steady, calm = _through(events, topic, f'{topic}-steady-{number}', _STEADY, _PACE)
    return {
        f'{_FLOOD} at once, per second': Taken(flood.rate, flooding),
        f'{1 / _PACE:.0f} a second, produced to started, p50, ms': Taken(figures.percentile(steady.delays, 0.5) * 1000),
        f'{1 / _PACE:.0f} a second, produced to started, p99, ms': Taken(
            figures.percentile(steady.delays, 0.99) * 1000, calm
        ),
    }


def _through(events: Events, topic: str, prefix: str, count: int, pace: float) -> tuple[Passage, limits.Usage]:
    with limits.watched() as usage:
        produced = events.produce(topic, prefix, count, pace)
        started = events.started(prefix, count)
    # Whatever comes next has the machine to itself.
    events.ended(prefix, count)
    return Passage(produced, started), usage


def _print(found: list[figures.Round]) -> None:
    tables.beside('events', found)
    print(
        '\nFrom the moment an event is handed to its producer until its workflow is started, by the server; broker, '
        'registry, producer and the plain worker run on this machine, beside the cluster. Each workflow is a rebuild '
        'that finds no images: two activities, which ask nobody.'
    )
