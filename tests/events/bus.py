"""A real broker and registry as people would use them: topics, schemas, events of base images."""

from __future__ import annotations

import contextlib
import io
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import fastavro
import httpx
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from temporal_events import kafka, registry

from lab.kafka import USER, Eventbus

_DATA = pathlib.Path(__file__).parent / 'data'
_REFERS = {'Layer': (), 'Artefact': (), 'Architecture': ('Layer', 'Artefact'), 'Oci': ('Architecture',)}
"""Schemas to those that they refer to, the innermost first."""

EXAMPLE: dict[str, Any] = json.loads((_DATA / 'example.json').read_text())


def event(identifier: str, **changes: Any) -> dict[str, Any]:
    """The event of a published base image."""
    return {**EXAMPLE, 'message_id': identifier, 'series': 'noble', **changes}


def dotenv(variables: Mapping[str, str]) -> list[str]:
    """Lines of a dotenv file."""
    return [f'{name}="{value.strip()}"'.replace('\n', '\\n') for name, value in variables.items()]


def _schema(name: str) -> Any:
    return json.loads((_DATA / f'bo.schema.avro.{name}.avsc').read_text())


class Bus:
    """What a producer does.

    Args:
        parts: the broker and the registry.
    """

    def __init__(self, parts: Eventbus) -> None:
        self.parts = parts
        named: dict[str, Any] = {}
        for name in _REFERS:
            self._parsed = fastavro.parse_schema(_schema(name), named_schemas=named)

    def brokers(self, **changes: Any) -> kafka.Settings:
        """How to reach the broker."""
        told = {'username': USER, 'password': self.parts.password, 'ca': self.parts.ca}
        return kafka.Settings(self.parts.broker.address, **{**told, **changes})

    def schemas(self, **changes: Any) -> registry.Settings:
        """How to reach the registry."""
        told = {'username': USER, 'password': self.parts.password, 'ca': self.parts.ca}
        return registry.Settings(self.parts.registry.url, **{**told, **changes})

    def environment(self) -> Mapping[str, str]:
        """The same for a worker."""
        return {
            'ROCKS_EVENTBUS_KAFKA_ADDRESS': self.parts.broker.address,
            'ROCKS_EVENTBUS_KARAPACE_URL': self.parts.registry.url,
            'ROCKS_EVENTBUS_USERNAME': USER,
            'ROCKS_EVENTBUS_PASSWORD': self.parts.password,
            'ROCKS_EVENTBUS_CA': self.parts.ca,
        }

    def topic(self, name: str, partitions: int = 4) -> None:
        """Make a topic."""
        admin = AdminClient(self.brokers().options())
        for made in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            made.result(30)

    def register(self, topic: str) -> int:
        """Register the schemas as they are, referring to each other; the number of that of the topic's events."""
        settings = self.schemas()
        with httpx.Client(
            auth=(settings.username, settings.password), verify=registry.trust(settings.ca), timeout=30
        ) as web:
            number = 0
            for name, refers in _REFERS.items():
                subject = f'{topic}-value' if name == 'Oci' else f'bo.schema.avro.{name}'
                references = [{'name': f'bo.schema.avro.{one}', 'subject': f'bo.schema.avro.{one}', 'version': 1}
                              for one in refers]  # fmt: skip
                body = {'schema': json.dumps(_schema(name)), 'references': references}
                answer = web.post(f'{settings.url}/subjects/{subject}/versions', json=body)
                answer.raise_for_status()
                number = answer.json()['id']
            return number

    def encode(self, number: int, told: Mapping[str, Any]) -> bytes:
        """An event in Confluent's framing."""
        content = io.BytesIO()
        fastavro.schemaless_writer(content, self._parsed, told)
        return b'\0' + number.to_bytes(4, 'big') + content.getvalue()

    @contextlib.contextmanager
    def producer(self):
        """An idempotent producer, which sends all it was given before it goes."""
        producer = Producer({**self.brokers().options(), 'enable.idempotence': True})
        yield producer
        assert producer.flush(60) == 0

    def send(self, topic: str, values: Iterable[bytes]) -> None:
        """Send messages, in turn to the partitions."""
        with self.producer() as producer:
            for place, value in enumerate(values):
                producer.produce(topic, value, key=str(place))
                producer.poll(0)
