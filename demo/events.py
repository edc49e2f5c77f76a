"""The event bus of the demo: Kafka and a schema registry on the lab's own address, with one topic of base images."""

from __future__ import annotations

import pathlib
import shutil
import sys
import uuid

from lab.kafka import Eventbus
from lab.settings import NODE_IP

# The producer is the tests'.
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'tests/events'))
from bus import Bus, dotenv, event

TOPIC, GROUP = 'test.rocks.release.oci', 'oci-factory'


class Events:
    """What publishes base images, from the start to the end of a `with`.

    Args:
        folder: for everything that broker and registry write; what was there goes.
    """

    def __init__(self, folder: pathlib.Path):
        shutil.rmtree(folder, ignore_errors=True)
        self._parts = Eventbus(folder, NODE_IP)
        self._bus = Bus(self._parts)
        self._schema = 0

    def __enter__(self) -> Events:
        self._parts.__enter__()
        try:
            self._bus.topic(TOPIC)
            self._schema = self._bus.register(TOPIC)
        except BaseException:
            self._parts.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._parts.stop()

    def environment(self) -> list[str]:
        """Lines of a dotenv file, with which a worker finds it."""
        return dotenv(self._bus.environment())

    def publish(self, series: str) -> str:
        """Say that a base image of an Ubuntu series has been published.

        Returns:
            The message's identifier.
        """
        identifier = str(uuid.uuid4())
        self._bus.send(TOPIC, [self._bus.encode(self._schema, event(identifier, series=series))])
        return identifier
