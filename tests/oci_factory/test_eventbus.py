"""What an event of a published base image starts here, and what the worker has to be told to hear of it."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import pathlib
from collections.abc import Callable
from typing import Any, cast

import development
import fastavro
import pytest
import trustme
from oci_factory import consume, eventbus
from temporal_events import avro, names, registry
from temporal_events.model import Letter, Message, Outcome, Poison, Start, Unavailable
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

PASSWORD = 'ThisMustNeverBeSeenAnywhere'
EVENT: dict[str, Any] = json.loads((pathlib.Path(__file__).parent / 'data' / 'event.json').read_text())
SCHEMA = {
    'type': 'record',
    'name': 'Oci',
    'fields': [
        {'name': name, 'type': ['null', 'string'], 'default': None} for name in ('message_id', 'release', 'series')
    ]
    + [{'name': 'registry_tags', 'type': {'type': 'array', 'items': 'string'}, 'default': []}],
}
ENVIRONMENT = {
    'ROCKS_EVENTBUS_KAFKA_ADDRESS': 'kafka:9094',
    'ROCKS_EVENTBUS_KARAPACE_URL': 'https://registry',
    'ROCKS_EVENTBUS_USERNAME': 'rocks',
    'ROCKS_EVENTBUS_PASSWORD': PASSWORD,
}


class Schemas:
    def __init__(self, schema: Any = SCHEMA) -> None:
        self._schema = avro.parse(schema, {})

    def schema(self, number: int) -> Any:
        if number == 2:
            raise Unavailable('no registry')
        return self._schema


def message(number: int = 1, **told: Any) -> Message:
    content = io.BytesIO()
    fastavro.schemaless_writer(content, fastavro.parse_schema(SCHEMA), told)
    return Message('base/0', 0, b'\0' + number.to_bytes(4, 'big') + content.getvalue())


def test_an_event_starts_the_rebuild_of_its_release_under_its_own_identifier() -> None:
    one = message(message_id=EVENT['message_id'], series='noble')
    assert eventbus.decide(Schemas(), one) == Start('RebuildForRelease', f'rebuild-{EVENT["message_id"]}', ('24.04',))


def test_the_field_release_comes_first_if_the_schema_has_it() -> None:
    assert eventbus.decide(Schemas(), message(message_id='1', series='noble', release='22.04')).args == ('22.04',)


@pytest.mark.parametrize(
    ('told', 'said'),
    [
        ({'message_id': '1', 'series': 'zzz'}, 'the event does not tell its Ubuntu release'),
        ({'series': 'noble'}, 'its message_id is None'),
        ({'message_id': '', 'series': 'noble'}, "its message_id is ''"),
        ({'message_id': '1"; rm -rf', 'series': 'noble'}, 'its message_id is'),
        ({'message_id': 'x' * 129, 'series': 'noble'}, 'xxx...: it should be letters, digits and . _ : -, 128 char'),
    ],
)
def test_an_event_that_does_not_tell_is_poison(told: dict[str, Any], said: str) -> None:
    with pytest.raises(Poison, match=said) as caught:
        eventbus.decide(Schemas(), message(**told))
    assert len(str(caught.value)) <= 400


def test_what_is_no_event_is_poison() -> None:
    with pytest.raises(Poison, match='the message is no record'):
        eventbus.decide(Schemas({'type': 'string'}), Message('base/0', 0, b'\0\0\0\0\1\x02a'))
    with pytest.raises(Poison, match='not framed as Avro'):
        eventbus.decide(Schemas(), Message('base/0', 0, b'{}'))


def test_without_a_registry_nothing_is_decided() -> None:
    with pytest.raises(Unavailable):
        eventbus.decide(Schemas(), message(2, message_id='1', series='noble'))


def test_the_settings_are_todays() -> None:
    brokers, schemas = eventbus.brokers(ENVIRONMENT), eventbus.schemas(ENVIRONMENT)
    assert (brokers.brokers, brokers.protocol, brokers.mechanism) == ('kafka:9094', 'SASL_SSL', 'SCRAM-SHA-512')
    assert (brokers.username, brokers.password, brokers.ca) == ('rocks', PASSWORD, '')
    assert (schemas.url, schemas.username, schemas.password, schemas.ca) == ('https://registry', 'rocks', PASSWORD, '')
    assert PASSWORD not in repr((brokers, schemas))


def test_the_registry_may_have_a_user_and_an_authority_of_its_own() -> None:
    ca, other = (trustme.CA().cert_pem.bytes().decode() for _ in range(2))
    changes = {
        'ROCKS_EVENTBUS_KARAPACE_USERNAME': 'reader',
        'ROCKS_EVENTBUS_KARAPACE_PASSWORD': 'other',
        'ROCKS_EVENTBUS_CA': ca,
    }
    found = eventbus.schemas({**ENVIRONMENT, **changes})
    assert (found.username, found.password, found.ca) == ('reader', 'other', ca.strip())
    assert eventbus.schemas({**ENVIRONMENT, **changes, 'ROCKS_EVENTBUS_KARAPACE_CA': other}).ca == other.strip()


def test_an_authority_is_given_as_text_in_one_line_or_more_or_as_a_file(tmp_path: pathlib.Path) -> None:
    ca = trustme.CA().cert_pem.bytes().decode()
    (tmp_path / 'ca.crt').write_text(ca)
    commented = f'# Zertifizierungsstelle für Köln\n{ca}'
    assert eventbus.brokers({**ENVIRONMENT, 'ROCKS_EVENTBUS_CA': commented}).ca == commented.strip()
    for value in (ca, ca.replace('\n', '\\n'), str(tmp_path / 'ca.crt')):
        assert eventbus.brokers({**ENVIRONMENT, 'ROCKS_EVENTBUS_CA': value}).ca.strip() == ca.strip()


def test_a_broker_without_passwords_needs_none() -> None:
    found = eventbus.brokers({'ROCKS_EVENTBUS_KAFKA_ADDRESS': 'kafka:9092', 'ROCKS_EVENTBUS_PROTOCOL': 'PLAINTEXT'})
    assert (found.username, found.password) == ('', '')


def test_a_relation_to_kafka_gives_what_is_needed_unless_the_address_is_given() -> None:
    ca = trustme.CA().cert_pem.bytes().decode()
    related = {
        'KAFKA_BOOTSTRAP_SERVERS': 'kafka-0:9093,kafka-1:9093',
        'KAFKA_SECURITY_PROTOCOL': 'SASL_PLAINTEXT',
        'KAFKA_SASL_MECHANISM': 'SCRAM-SHA-512',
        'KAFKA_USERNAME': 'relation-3',
        'KAFKA_PASSWORD': PASSWORD,
        'KAFKA_TLS_CA': ca,
    }
    found = eventbus.brokers(related)
    assert (found.brokers, found.protocol) == ('kafka-0:9093,kafka-1:9093', 'SASL_PLAINTEXT')
    assert (found.username, found.password, found.ca) == ('relation-3', PASSWORD, ca.strip())
    assert eventbus.brokers({**related, **ENVIRONMENT}) == eventbus.brokers(ENVIRONMENT)
    with pytest.raises(ApplicationError, match='KAFKA_PASSWORD is not set'):
        eventbus.brokers({**related, 'KAFKA_PASSWORD': ''})


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'ROCKS_EVENTBUS_KAFKA_ADDRESS': ''}, 'ROCKS_EVENTBUS_KAFKA_ADDRESS is not set: give it to the worker'),
        (
            {'ROCKS_EVENTBUS_KAFKA_ADDRESS': 'https://kafka:9094'},
            'ROCKS_EVENTBUS_KAFKA_ADDRESS begins like a URL, and should be HOST:PORT: change it',
        ),
        ({'ROCKS_EVENTBUS_USERNAME': ''}, 'ROCKS_EVENTBUS_USERNAME is not set'),
        ({'ROCKS_EVENTBUS_PASSWORD': ' '}, 'ROCKS_EVENTBUS_PASSWORD is not set'),
        ({'ROCKS_EVENTBUS_PROTOCOL': 'TLS'}, 'ROCKS_EVENTBUS_PROTOCOL is none of SASL_SSL, '),
        ({'ROCKS_EVENTBUS_MECHANISM': 'GSSAPI'}, 'ROCKS_EVENTBUS_MECHANISM is none of SCRAM-SHA-512, '),
        ({'ROCKS_EVENTBUS_CA': '/no/such/file'}, 'ROCKS_EVENTBUS_CA is neither certificates in PEM nor a file'),
        ({'ROCKS_EVENTBUS_CA': '-----BEGIN nonsense'}, 'ROCKS_EVENTBUS_CA has no certificate in PEM that can be read'),
        ({'ROCKS_EVENTBUS_KARAPACE_URL': ''}, 'ROCKS_EVENTBUS_KARAPACE_URL is not set'),
        ({'ROCKS_EVENTBUS_KARAPACE_URL': 'registry:8081'}, 'ROCKS_EVENTBUS_KARAPACE_URL is no http'),
        (
            {'ROCKS_EVENTBUS_KARAPACE_URL': f'https://u:{PASSWORD}@r'},
            'ROCKS_EVENTBUS_KARAPACE_URL has a password in it',
        ),
    ],
)
def test_a_wrong_setting_is_named_and_read_again_later(changes: dict[str, str], said: str) -> None:
    environ = {**ENVIRONMENT, **changes}
    load = eventbus.schemas if 'KARAPACE' in said else eventbus.brokers
    with pytest.raises(ApplicationError) as caught:
        load(environ)
    assert said in caught.value.message and PASSWORD not in caught.value.message
    assert caught.value.type == 'WrongSetting' and not caught.value.non_retryable


@pytest.fixture
def rebuilding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that has what rebuilds need."""
    for name, value in development.environment('http://127.0.0.1:1', 'token').items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures('rebuilding')
@pytest.mark.parametrize('activity', [consume.consume_events, consume.retry_letter])
def test_nothing_is_consumed_while_a_rebuild_would_fail(
    monkeypatch: pytest.MonkeyPatch, activity: Callable[[Any], Any]
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv('GITHUB_TOKEN')
    with pytest.raises(ApplicationError) as caught:
        asyncio.run(activity(None))
    assert caught.value.message == 'GITHUB_TOKEN is not set: give it to the worker'
    assert caught.value.type == 'WrongSetting' and not caught.value.non_retryable


@pytest.mark.usefixtures('rebuilding')
def test_the_decision_is_made_by_the_workers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('ROCKS_EVENTBUS_KARAPACE_URL', raising=False)
    with pytest.raises(ApplicationError, match='KARAPACE_URL is not set'):
        eventbus.decider()
    monkeypatch.setenv('ROCKS_EVENTBUS_KARAPACE_URL', 'https://127.0.0.1:1')
    framed = base64.b64decode('AAAAAAEA')
    with pytest.raises(Unavailable, match='the schema registry does not answer'):
        eventbus.decider()(Message('base/0', 0, framed))


@pytest.mark.usefixtures('rebuilding')
def test_a_dead_letter_whose_schema_is_still_unknown_says_so_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('ROCKS_EVENTBUS_KARAPACE_URL', 'https://127.0.0.1:1')
    monkeypatch.setattr(registry.Registry, '_get', lambda *_: None)
    letter = Letter.of(Message('base/0', 0, base64.b64decode('AAAAAAEA')), 'group', 'why')
    surroundings = ActivityEnvironment(client=cast('Client', object()))
    outcome = asyncio.run(cast('Any', surroundings.run(consume.retry_letter, letter)))
    assert outcome == Outcome(reason='the schema registry does not know schema 1')


def test_the_worker_finds_the_workflows_and_what_they_ask_for() -> None:
    def found(mark: str) -> set[str]:
        marks = [getattr(thing, mark, None) for thing in vars(consume).values()]
        return {mark.name for mark in marks if mark}

    assert found('__temporal_workflow_definition') == {names.CONSUME_EVENTS, names.DEAD_LETTER}
    assert found('__temporal_activity_definition') == {names.CONSUME, names.RETRY}
