"""Has base images' events consumed: the activities that `temporal_events` asks for, and the workflows for the worker.

The worker charm finds what is decorated in this package's modules, imported classes included.
"""

from __future__ import annotations

import os

from temporal_events import activities, names
from temporal_events.kafka import Kafka
from temporal_events.model import Consumption, Letter, Outcome, Progress
from temporal_events.workflows import ConsumeEvents, DeadLetter
from temporalio import activity

from oci_factory import eventbus

__all__ = ['ConsumeEvents', 'DeadLetter', 'consume_events', 'retry_letter']


@activity.defn(name=names.CONSUME)
async def consume_events(consumption: Consumption) -> Progress:
    """Start a rebuild for each event, until told to stop.

    Args:
        consumption: which topics, and in which group.
    """
    decide = eventbus.decider()
    return await activities.run(Kafka(eventbus.brokers(os.environ), consumption), consumption.group, decide)


@activity.defn(name=names.RETRY)
async def retry_letter(letter: Letter) -> Outcome:
    """Try again to start a rebuild for an event that could not be acted upon.

    Args:
        letter: the event.
    """
    # The consumer has waited for its schema before, and a person waits for the answer now.
    return await activities.retry(letter, eventbus.decider(patience=0))
