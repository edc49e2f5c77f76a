"""Decodes Avro messages in Confluent's framing: a zero byte, the schema's number in four bytes, the record.

By fastavro: it is what confluent-kafka's own deserializer decodes with, too.
"""

from __future__ import annotations

import io
from typing import Any, Protocol

import fastavro

from temporal_events.model import Message, Poison

_HEAD = 5
_LARGEST = 2**31 - 1
"""Registries number schemas from 1 up, with integers that have a sign."""

_WHOLE = '_'
"""The record, and its one field, in which every schema stands."""


class Schemas(Protocol):
    """Where schemas are."""

    def schema(self, number: int) -> Any:
        """A schema as `parse` makes it. Raises Unavailable or Poison."""
        ...


def parse(schema: Any, named: dict[str, Any]) -> Any:
    """A schema as `decode` reads by it.

    In a record with one field, whose encoding is the same: fastavro remembers the types that a schema refers to only
    with records, and a schema may be a union of types that stand elsewhere.

    Args:
        schema: as its author wrote it.
        named: types that it may refer to, by their names; its own come in, too.
    """
    whole = {'type': 'record', 'name': _WHOLE, 'fields': [{'name': _WHOLE, 'type': schema}]}
    return fastavro.parse_schema(whole, named_schemas=named)


def decode(message: Message, schemas: Schemas) -> Any:
    """What a message says, read with the schema with which it was written.

    Raises:
        Poison: when that cannot be read.
        Unavailable: when the registry does not answer.
    """
    value = message.value
    if value is None:
        raise Poison('the message has no value')
    if len(value) < _HEAD or value[0] != 0:
        raise Poison(f'the message is not framed as Avro: it begins with {value[:_HEAD].hex(" ") or "nothing"}')
    number = int.from_bytes(value[1:_HEAD], 'big')
    if number > _LARGEST:
        raise Poison(f'the message names schema {number}, and no schema registry counts that far')
    schema = schemas.schema(number)
    content = io.BytesIO(value[_HEAD:])
    try:
        found: Any = fastavro.schemaless_reader(content, schema, None)
    except Exception as error:
        # fastavro has no common class for what it raises.
        raise Poison(f'the message is none of schema {number}: {type(error).__name__}: {error}') from None
    if content.read(1):
        raise Poison(f'the message is none of schema {number}: it has more bytes than that')
    return found[_WHOLE]
