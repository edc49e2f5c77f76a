"""A small worker for tests: the events' workflows, and one that is started for each event."""

from __future__ import annotations

import contextlib
import datetime
import os
import pathlib
import shutil
from collections.abc import AsyncIterator
from typing import Any

from temporal_events import activities, names
from temporal_events.consuming import Source
from temporal_events.kafka import Kafka, Settings
from temporal_events.model import Consumption, Letter, Message, Outcome, Poison, Progress, Start
from temporal_events.workflows import ConsumeEvents, DeadLetter
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

QUEUE = 'events'


@workflow.defn
class Act:
    """What is done about an event: nothing."""

    @workflow.run
    async def run(self, what: str) -> str:
        return what


WORKFLOWS: list[type] = [Act, ConsumeEvents, DeadLetter]


class Deciding:
    """Text that says what to do; `bad` is poison until it is mended."""

    def __init__(self) -> None:
        self.mended = False

    def __call__(self, one: Message) -> Start:
        said = (one.value or b'').decode()
        if said.startswith('bad') and not self.mended:
            raise Poison(f'{said} is bad')
        return Start('Act', f'act-{said}', (said,))


def program() -> str:
    """The program of Temporal's development server.

    Raises:
        LookupError: when it is not there.
    """
    found = shutil.which('temporal') or str(
        pathlib.Path(os.environ.get('TEMPORAL_LAB') or pathlib.Path.home() / '.cache/temporal-lab') / 'bin/temporal'
    )
    if not os.access(found, os.X_OK):
        raise LookupError('there is no program temporal: have the lab build it, and put its folder on the PATH')
    return found


@contextlib.asynccontextmanager
async def server(*, port: int | None = None, database: pathlib.Path | None = None) -> AsyncIterator[Client]:
    """A development server; with a database it may be stopped and started again."""
    more = ['--db-filename', str(database)] if database else []
    started = await WorkflowEnvironment.start_local(
        dev_server_existing_path=program(), port=port, dev_server_extra_args=more
    )
    async with started:
        yield started.client


def worker(client: Client, source: Settings | Source, decide: Deciding, **options: Any) -> Worker:
    """A worker that consumes from a source, or from brokers."""

    @activity.defn(name=names.CONSUME)
    async def consume(consumption: Consumption) -> Progress:
        made = Kafka(source, consumption) if isinstance(source, Settings) else source
        return await activities.run(made, consumption.group, decide)

    @activity.defn(name=names.RETRY)
    async def retry(letter: Letter) -> Outcome:
        return await activities.retry(letter, decide)

    options = {'activities': [consume, retry], **options}
    grace = datetime.timedelta(seconds=10)
    return Worker(client, task_queue=QUEUE, workflows=WORKFLOWS, graceful_shutdown_timeout=grace, **options)
