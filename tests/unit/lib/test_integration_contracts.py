"""What workflow code uses besides Temporal: the wire formats of Kafka, RabbitMQ, S3 and external services, as read."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Mapping
from typing import Any

import ops
import pytest
from ops import testing
from temporal_charms import amqp, external_service, kafka_client, postgresql_client, s3

USER, TLS = 'secret:9m4e2mr0ui3e8a215n4g', 'secret:9m4e2mr0ui3e8a215n5h'
SECRETS = {
    USER: {'username': 'relation-7', 'password': 'hush', 'access-key': 'AK', 'secret-key': 'hush'},
    TLS: {'tls': 'enabled', 'tls-ca': '-----BEGIN CERTIFICATE-----'},
}


class Charm(ops.CharmBase):
    """A charm that does nothing by itself."""


@contextlib.contextmanager
def _relation(app: Mapping[str, str], units: Mapping[int, dict[str, str]] | None = None):
    """The relation as a charm sees it."""
    meta: dict[str, Any] = {'name': 'c', 'requires': {'r': {'interface': 'i'}}}
    ctx = testing.Context(Charm, meta=meta)
    relation = testing.Relation('r', 'i', remote_app_data=dict(app), remote_units_data=dict(units or {0: {}}))
    with ctx(ctx.on.update_status(), testing.State(relations=[relation])) as manager:
        yield manager.charm.model.relations['r'][0]


def _secret(uri: str) -> Mapping[str, str]:
    if uri not in SECRETS:
        raise ops.SecretNotFoundError(uri)
    return SECRETS[uri]


@pytest.mark.parametrize('port', ['', 'abc', '²', '70000', '9' * 5000])
def test_given_a_port_that_is_none_then_there_is_no_database_yet(port):
    said = {'endpoints': f'h:{port}', 'database': 'd', 'username': 'u', 'password': 'hush'}

    with _relation(said) as relation:
        assert postgresql_client.database(relation, _secret) is None


KAFKA = {
    'endpoints': 'k-0:9093,k-1:9093', 'topic': 't', 'consumer-group-prefix': 'g-', 'secret-user': USER,
    'secret-tls': TLS,
}  # fmt: skip


def test_given_a_kafka_with_secrets_then_all_of_it_is_read():
    with _relation(KAFKA) as relation:
        found = kafka_client.kafka(relation, _secret)

        assert kafka_client.secret_uris(relation) == [USER, TLS]
    assert found == kafka_client.Kafka(
        'k-0:9093,k-1:9093', 't', 'g-', 'relation-7', 'hush', True, '-----BEGIN CERTIFICATE-----'
    )
    assert 'hush' not in repr(found)


@pytest.mark.parametrize(
    'change',
    [
        {'endpoints': ''},
        {'topic': ''},
        {'secret-user': 'secret:9m4e2mr0ui3e8a215n6i'},
        {'secret-tls': 'secret:9m4e2mr0ui3e8a215n6i'},
        {'secret-user': TLS},
    ],
)
def test_given_a_kafka_that_has_not_said_all_then_there_is_none_yet(change):
    with _relation({**KAFKA, **change}) as relation:
        assert kafka_client.kafka(relation, _secret) is None


@pytest.mark.parametrize(
    ('told', 'tls', 'ca'),
    [
        ({}, False, ''),
        ({'tls': 'disabled', 'tls-ca': 'disabled'}, False, ''),
        ({'tls': 'enabled', 'tls-ca': 'enabled'}, True, ''),
        ({'tls': 'True', 'tls-ca': '-----BEGIN X'}, True, '-----BEGIN X'),
    ],
)
def test_given_a_kafka_that_knows_no_secrets_then_its_databag_is_read(told, tls, ca):
    plain = {'endpoints': 'k:9092', 'topic': 't', 'username': 'u', 'password': 'p', **told}
    with _relation(plain) as relation:
        found = kafka_client.kafka(relation, _secret)

    assert found == kafka_client.Kafka('k:9092', 't', '', 'u', 'p', tls, ca)


BUCKET = {
    'bucket': 'b', 'endpoint': 'https://s3', 'region': 'r', 'path': 'p', 's3-uri-style': 'host', 's3-api-version': '4',
    'storage-class': 'cold', 'attributes': '["a", 1]', 'tls-ca-chain': '["PEM"]',
}  # fmt: skip


@pytest.mark.parametrize('keys', [{'secret-extra': USER}, {'access-key': 'AK', 'secret-key': 'hush'}])
def test_given_a_bucket_of_either_version_then_all_of_it_is_read(keys):
    with _relation({**BUCKET, **keys}) as relation:
        found = s3.bucket(relation, _secret)

        assert s3.secret_uris(relation) == ([USER] if 'secret-extra' in keys else [])
    assert found == s3.Bucket(
        'b', 'AK', 'hush', 'https://s3', 'r', 'p', 'host', '4', 'cold', attributes=('a',), ca_chain=('PEM',)
    )
    assert 'hush' not in repr(found)


@pytest.mark.parametrize(
    ('told', 'read'),
    [
        ('["x-amz-acl: private", "x-a: 1"]', ('x-amz-acl: private', 'x-a: 1')),
        ('x-amz-acl: private, x-a: 1', ('x-amz-acl: private', 'x-a: 1')),
        ('x-a: 1', ('x-a: 1',)),
        (',', ()),
    ],
)
def test_given_attributes_of_either_version_then_they_are_read(told, read):
    with _relation({'bucket': 'b', 'secret-extra': USER, 'attributes': told}) as relation:
        found = s3.bucket(relation, _secret)

    assert found is not None
    assert found.attributes == read


def test_given_lists_that_are_none_then_a_bucket_has_none():
    with _relation({'bucket': 'b', 'secret-extra': USER, 'attributes': '{}', 'tls-ca-chain': 'PEM'}) as relation:
        found = s3.bucket(relation, _secret)

    assert found == s3.Bucket('b', 'AK', 'hush')


@pytest.mark.parametrize(
    'told', [{}, {'bucket': 'b'}, {'secret-extra': USER}, {'bucket': 'b', 'secret-extra': 'secret:unknown'}]
)
def test_given_a_bucket_that_is_not_there_yet_then_there_is_none(told):
    with _relation(told) as relation:
        assert s3.bucket(relation, _secret) is None


ASKED = amqp.Request('m-a', 'v')


def test_given_rabbitmq_that_speaks_for_the_application_then_its_databag_is_read():
    with _relation({'hostname': 'r', 'password': 'hush'}, {0: {'ingress-address': '10.1.0.7'}}) as relation:
        found = amqp.broker(relation, ASKED)

    assert found == amqp.Broker(('r',), 5672, 'm-a', 'v', 'hush')
    assert 'hush' not in repr(found)


@pytest.mark.parametrize(
    ('ca', 'read'),
    [(base64.b64encode(b'PEM').decode(), 'PEM'), ('', ''), ('no base64', ''), ('/////w==', ''), ('ő', '')],
)
def test_given_rabbitmq_whose_units_speak_then_all_of_them_are_hosts(ca, read):
    tls = {'ssl_port': '5671', 'ssl_ca': ca}
    units = {10: {'hostname': 'c', 'password': 'hush', **tls}, 2: {'hostname': 'b', 'password': 'hush', **tls}, 3: {}}
    with _relation({}, units) as relation:
        found = amqp.broker(relation, ASKED)

    assert found == amqp.Broker(('b', 'c'), 5671, 'm-a', 'v', 'hush', True, read)


@pytest.mark.parametrize('port', ['²', '70000', '9' * 5000])
def test_given_rabbitmq_with_a_port_for_tls_that_is_none_then_it_is_not_spoken_to_without(port):
    with _relation({'hostname': 'r', 'password': 'hush', 'ssl_port': port}) as relation:
        assert amqp.broker(relation, ASKED) is None


@pytest.mark.parametrize('told', [{}, {'hostname': 'r'}, {'password': 'p'}])
def test_given_rabbitmq_that_has_not_said_all_then_there_is_none_yet(told):
    with _relation(told) as relation:
        assert amqp.broker(relation, ASKED) is None


@pytest.mark.parametrize('service', [external_service.Service('sse', 'https://x', USER), external_service.Service()])
def test_given_an_external_service_then_what_is_written_is_read(service):
    with _relation(service.dump()) as relation:
        assert external_service.Service.load(relation.data[relation.app]) == service
        assert external_service.secret_uris(relation) == ([USER] if service.secret else [])
    assert external_service.credentials(service, _secret) == (SECRETS[USER] if service.secret else {})


def test_given_a_secret_that_cannot_be_read_then_there_are_no_credentials_yet():
    assert external_service.credentials(external_service.Service('s', 'u', 'secret:unknown'), _secret) is None


def test_given_what_is_asked_for_then_nothing_empty_is_written():
    secrets = json.dumps(['username', 'password', 'tls', 'tls-ca', 'uris'], separators=(',', ':'))
    assert kafka_client.request('t', '') == {'topic': 't', 'requested-secrets': secrets}
    assert kafka_client.request('t', 'admin', 'g')['consumer-group-prefix'] == 'g'
    assert s3.request('b') == {'bucket': 'b', 'version': '1', 'requested-secrets': '["access-key","secret-key"]'}
    assert postgresql_client.request('d') == {'database': 'd', 'requested-secrets': secrets}
    assert postgresql_client.request('d', 'CREATEDB')['extra-user-roles'] == 'CREATEDB'
    assert ASKED.dump() == {'username': 'm-a', 'vhost': 'v'}
