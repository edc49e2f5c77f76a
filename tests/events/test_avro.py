"""Messages in Confluent's framing are read with the schema of their number; everything else is poison."""

from __future__ import annotations

import io
import json
import pathlib
from typing import Any

import fastavro
import pytest
from fakes import message
from temporal_events import avro
from temporal_events.model import Poison, Unavailable

SCHEMA = {'type': 'record', 'name': 'R', 'fields': [{'name': 'a', 'type': 'string'}, {'name': 'n', 'type': 'int'}]}


class Schemas:
    def schema(self, number: int) -> Any:
        if number != 258:
            raise Unavailable('no registry')
        return avro.parse(SCHEMA, {})


def framed(record: Any, number: int = 258) -> bytes:
    content = io.BytesIO()
    fastavro.schemaless_writer(content, fastavro.parse_schema(SCHEMA), record)
    return b'\0' + number.to_bytes(4, 'big') + content.getvalue()


GOOD = framed({'a': 'ä', 'n': 7})


def test_a_message_is_read() -> None:
    assert avro.decode(message(value=GOOD), Schemas()) == {'a': 'ä', 'n': 7}


@pytest.mark.parametrize(
    ('value', 'said'),
    [
        (None, 'the message has no value'),
        (b'', 'not framed as Avro: it begins with nothing'),
        (b'{"a": 1}', 'not framed as Avro: it begins with 7b 22 61 22 3a'),
        (b'\0\0\0', 'it begins with 00 00 00'),
        (framed({'a': '', 'n': 1}, 2**31), 'the message names schema 2147483648, and no schema registry'),
        (GOOD[:-2], 'the message is none of schema 258: '),
        (GOOD[:5], 'the message is none of schema 258: EOFError'),
        (GOOD + b'\0', 'the message is none of schema 258: it has more bytes than that'),
        (GOOD[:5] + b'\x04\xff\xfe\x02', 'the message is none of schema 258: UnicodeDecodeError'),
    ],
)
def test_what_cannot_be_read_is_poison(value: bytes | None, said: str) -> None:
    with pytest.raises(Poison, match=said):
        avro.decode(message(value=value), Schemas())


def test_what_cannot_be_read_for_want_of_its_schema_is_none() -> None:
    for number in (3, 2**31 - 1):
        with pytest.raises(Unavailable):
            avro.decode(message(value=framed({'a': '', 'n': 1}, number)), Schemas())


def test_the_example_of_the_oci_factory_is_what_its_schemas_say() -> None:
    """The four files refer to each other by name."""
    folder = pathlib.Path(__file__).parent / 'data'
    named: dict[str, Any] = {}
    schema: Any = None
    for name in ('Layer', 'Artefact', 'Architecture', 'Oci'):
        schema = fastavro.parse_schema(
            json.loads((folder / f'bo.schema.avro.{name}.avsc').read_text()), named_schemas=named
        )
    example = json.loads((folder / 'example.json').read_text())
    content = io.BytesIO()
    fastavro.schemaless_writer(content, schema, example)

    class Known:
        def schema(self, number: int) -> Any:
            return avro.parse(schema['name'], named)

    assert avro.decode(message(value=b'\0\0\0\0\1' + content.getvalue()), Known()) == example
