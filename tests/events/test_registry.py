"""What each answer of a schema registry means: a schema, a message that is poison, or something to wait for."""

from __future__ import annotations

import base64
import dataclasses
import http.server
import json
import ssl
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import trustme
from fakes import message
from temporal_events import avro, registry
from temporal_events.model import Poison, Unavailable
from temporal_events.registry import Registry, Settings

OUTER = {'type': 'record', 'name': 'x.Outer', 'fields': [{'name': 'inner', 'type': 'x.Inner'}]}
INNER = {'type': 'record', 'name': 'x.Inner', 'fields': [{'name': 'name', 'type': 'x.Name'}]}
NAME = {'type': 'enum', 'name': 'x.Name', 'symbols': ['a']}
PASSWORD = 'ThisMustNeverBeSeen'


@dataclasses.dataclass
class StandIn:
    """A registry: path to status and content, and what it was asked."""

    url: str = ''
    answers: dict[str, tuple[int, bytes]] = dataclasses.field(default_factory=dict)
    asked: list[str] = dataclasses.field(default_factory=list)
    credentials: set[str | None] = dataclasses.field(default_factory=set)

    def say(self, path: str, content: Any, status: int = 200) -> None:
        self.answers[path] = (status, content if isinstance(content, bytes) else json.dumps(content).encode())

    def have(self, number: int, schema: Any, **more: Any) -> None:
        self.say(f'/schemas/ids/{number}', {'schema': json.dumps(schema), **more})


@pytest.fixture
def stand_in() -> Iterator[StandIn]:
    stand_in = StandIn()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            stand_in.asked.append(self.path)
            stand_in.credentials.add(self.headers['Authorization'])
            missing = (404, json.dumps({'error_code': 40403, 'message': 'no schema'}).encode())
            status, content = stand_in.answers.get(self.path, missing)
            self.send_response(status)
            self.send_header('Content-Length', str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        stand_in.url = f'http://127.0.0.1:{server.server_port}'
        yield stand_in
        server.shutdown()
        thread.join()


def known(stand_in: StandIn) -> Registry:
    return Registry(Settings(f'{stand_in.url}/', 'rocks', PASSWORD))


def read(stand_in: StandIn, number: int, content: bytes) -> Any:
    """What a message says, by the schema that the registry has."""
    return avro.decode(message(value=b'\0' + number.to_bytes(4, 'big') + content), known(stand_in))


def test_a_schema_is_asked_for_once_with_user_and_password(stand_in: StandIn) -> None:
    stand_in.have(3, NAME)
    schemas = known(stand_in)
    assert schemas.schema(3) == schemas.schema(3)
    assert stand_in.asked == ['/schemas/ids/3']
    assert stand_in.credentials == {'Basic ' + base64.b64encode(f'rocks:{PASSWORD}'.encode()).decode()}


def test_a_registry_for_everybody_gets_no_password(stand_in: StandIn) -> None:
    stand_in.have(3, NAME)
    Registry(Settings(stand_in.url)).schema(3)
    assert stand_in.credentials == {None}


def test_what_a_schema_refers_to_is_asked_for_too(stand_in: StandIn) -> None:
    stand_in.have(1, OUTER, references=[{'name': 'x.Inner', 'subject': 'in/ner', 'version': 2}])
    refers = [{'name': 'x.Name', 'subject': 'name', 'version': 1}]
    stand_in.say('/subjects/in%2Fner/versions/2', {'schema': json.dumps(INNER), 'references': refers})
    stand_in.say('/subjects/name/versions/1', {'schema': json.dumps(NAME)})
    assert read(stand_in, 1, b'\0') == {'inner': {'name': 'a'}}


@pytest.mark.parametrize(
    ('schema', 'content', 'said'),
    [
        (['x.Name', 'x.Other'], b'\2\6', {'n': 3}),
        ({'type': 'array', 'items': 'x.Other'}, b'\2\6\0', [{'n': 3}]),
        ({'type': 'map', 'values': 'x.Name'}, b'\2\2k\0\0', {'k': 'a'}),
    ],
)
def test_what_a_schema_that_is_no_record_refers_to_is_known_when_messages_are_read(
    stand_in: StandIn, schema: Any, content: bytes, said: Any
) -> None:
    subjects = ({'name': f'x.{name}', 'subject': name.lower(), 'version': 1} for name in ('Name', 'Other'))
    stand_in.have(1, schema, references=list(subjects))
    stand_in.say('/subjects/name/versions/1', {'schema': json.dumps(NAME)})
    other = {'type': 'record', 'name': 'x.Other', 'fields': [{'name': 'n', 'type': 'int'}]}
    stand_in.say('/subjects/other/versions/1', {'schema': json.dumps(other)})
    assert read(stand_in, 1, content) == said


def test_a_reference_that_leads_nowhere_is_poison(stand_in: StandIn) -> None:
    stand_in.have(1, OUTER, references=[{'name': 'x.Inner', 'subject': 'inner', 'version': 2}])
    with pytest.raises(Poison, match='schema 1 refers to inner, which the schema registry does not know'):
        known(stand_in).schema(1)


@pytest.mark.parametrize(
    ('answer', 'said'),
    [
        ({'schema': '{}', 'schemaType': 'JSON'}, 'schema 1 is JSON, not AVRO'),
        ({'schema': 'no JSON'}, 'schema 1 is none that can be read: JSONDecodeError'),
        ({'schema': '{"type": "record"}'}, 'schema 1 is none that can be read: '),
        ({'schema': json.dumps(OUTER)}, 'schema 1 is none that can be read: UnknownType'),
    ],
)
def test_a_schema_that_cannot_be_used_is_poison(stand_in: StandIn, answer: Any, said: str) -> None:
    stand_in.say('/schemas/ids/1', answer)
    with pytest.raises(Poison, match=said):
        known(stand_in).schema(1)


def test_a_schema_that_is_not_there_may_come_and_is_poison_if_it_does_not(stand_in: StandIn) -> None:
    schemas = Registry(Settings(stand_in.url), patience=0.2)
    with pytest.raises(Unavailable, match='does not know schema 9 yet'):
        schemas.schema(9)
    time.sleep(0.3)
    with pytest.raises(Poison, match='the schema registry does not know schema 9'):
        schemas.schema(9)
    stand_in.have(9, NAME)
    assert avro.decode(message(value=b'\0\0\0\0\x09\0'), schemas) == 'a'


@pytest.mark.parametrize('status', [400, 422])
def test_a_number_that_the_registry_refuses_is_poison(stand_in: StandIn, status: int) -> None:
    stand_in.say('/schemas/ids/0', {'error_code': status, 'message': 'no identifier'}, status)
    with pytest.raises(Poison, match=f'the schema registry answers {status} when it is asked for /schemas/ids/0'):
        known(stand_in).schema(0)


@pytest.mark.parametrize(
    ('status', 'content', 'said'),
    [
        (401, b'', 'the schema registry refuses the user or the password'),
        (403, b'{}', 'the schema registry refuses the user or the password'),
        (500, b'<html>', 'the schema registry answers 500'),
        (503, b'{"error_code": 40403}', 'the schema registry answers 503'),
        (404, b'<html>no such page', 'the schema registry answers 404, which it should not: is its URL right?'),
        (404, b'{"error_code": 404}', 'the schema registry answers 404'),
        (200, b'[]', 'the schema registry answers 200'),
        (302, b'', 'the schema registry answers 302'),
        (400, b'<html>plain HTTP to a port with TLS', 'the schema registry answers 400, which it should not'),
        (422, b'{}', 'the schema registry answers 422, which it should not'),
        (408, b'{"error_code": 408}', 'the schema registry answers 408'),
        (429, b'{"error_code": 429}', 'the schema registry answers 429'),
    ],
)
def test_everything_else_is_waited_for(stand_in: StandIn, status: int, content: bytes, said: str) -> None:
    stand_in.say('/schemas/ids/1', content, status)
    with pytest.raises(Unavailable, match=said) as caught:
        known(stand_in).schema(1)
    assert PASSWORD not in str(caught.value)


def test_a_registry_that_is_away_is_waited_for() -> None:
    with pytest.raises(Unavailable, match='the schema registry does not answer: ConnectError'):
        Registry(Settings('http://127.0.0.1:1')).schema(1)
    with pytest.raises(Unavailable, match='the schema registry does not answer: '):
        Registry(Settings('http://[')).schema(1)


@pytest.mark.parametrize('proxy', [f'htp://me:{PASSWORD}@squid:3128', 'socks5://squid:1080'])
def test_a_proxy_that_cannot_be_used_is_waited_for(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    monkeypatch.setenv('ALL_PROXY', proxy)
    with pytest.raises(Unavailable, match='mend HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY') as caught:
        Registry(Settings('http://127.0.0.1:1')).schema(1)
    assert PASSWORD not in str(caught.value)


def test_an_authority_is_trusted_alone() -> None:
    ca = trustme.CA().cert_pem.bytes().decode()
    assert len(registry.trust(ca).get_ca_certs()) == 1
    assert len(registry.trust(f'# Zertifizierungsstelle für Köln\n{ca}').get_ca_certs()) == 1
    with pytest.raises(ValueError, match='no certificate in PEM'):
        registry.trust('ü')
    assert registry.trust('').verify_mode == ssl.CERT_REQUIRED
    with pytest.raises(ValueError, match='no certificate in PEM'):
        registry.trust('nonsense')


def test_passwords_are_not_shown() -> None:
    assert PASSWORD not in repr(Settings('http://x', 'rocks', PASSWORD))
