"""The topics of published base images: where they are, from environment variables, and what a message means here."""

from __future__ import annotations

import functools
import os
import pathlib
import re
from collections.abc import Mapping

from temporal_events import avro, kafka, registry
from temporal_events.model import Message, Poison, Start
from temporal_events.settling import Decide
from temporalio.exceptions import ApplicationError

from oci_factory import release
from oci_factory.settings import Settings, is_url

REBUILD = 'RebuildForRelease'

_PREFIX = 'ROCKS_EVENTBUS_'
_KAFKA = {
    'brokers': f'{_PREFIX}KAFKA_ADDRESS',
    'protocol': f'{_PREFIX}PROTOCOL',
    'mechanism': f'{_PREFIX}MECHANISM',
    'username': f'{_PREFIX}USERNAME',
    'password': f'{_PREFIX}PASSWORD',
    'ca': f'{_PREFIX}CA',
}
_RELATED = {
    'brokers': 'KAFKA_BOOTSTRAP_SERVERS',
    'protocol': 'KAFKA_SECURITY_PROTOCOL',
    'mechanism': 'KAFKA_SASL_MECHANISM',
    'username': 'KAFKA_USERNAME',
    'password': 'KAFKA_PASSWORD',
    'ca': 'KAFKA_TLS_CA',
}
"""What a worker that is related to Kafka has."""

_REGISTRY = f'{_PREFIX}KARAPACE_URL'

# It goes to GitHub as a part of the external reference, and into shells there.
_IDENTIFIER = re.compile(r'[A-Za-z0-9._:-]{1,128}')


def brokers(environ: Mapping[str, str]) -> kafka.Settings:
    """Where the brokers are: `ROCKS_EVENTBUS_KAFKA_ADDRESS` and so on, or what a relation to Kafka gives.

    Raises:
        ApplicationError: when a variable is missing or cannot be right; the sentence names it.
    """
    related = not _value(environ, _KAFKA['brokers']) and _value(environ, _RELATED['brokers'])
    names = _RELATED if related else _KAFKA
    protocol = _value(environ, names['protocol']) or 'SASL_SSL'
    mechanism = _value(environ, names['mechanism']) or 'SCRAM-SHA-512'
    if protocol not in kafka.PROTOCOLS:
        raise _wrong(names['protocol'], f'is none of {", ".join(kafka.PROTOCOLS)}: change it')
    if mechanism not in kafka.MECHANISMS:
        raise _wrong(names['mechanism'], f'is none of {", ".join(kafka.MECHANISMS)}: change it')
    if '://' in _value(environ, names['brokers']):
        raise _wrong(names['brokers'], 'begins like a URL, and should be HOST:PORT: change it')
    secured = protocol.startswith('SASL_')
    return kafka.Settings(
        brokers=_needed(environ, names['brokers']),
        protocol=protocol,
        mechanism=mechanism,
        username=_needed(environ, names['username']) if secured else '',
        password=_needed(environ, names['password']) if secured else '',
        ca=_certificates(environ, names['ca']),
    )


def schemas(environ: Mapping[str, str]) -> registry.Settings:
    """Where the schema registry is: `ROCKS_EVENTBUS_KARAPACE_URL`; as the same user as Kafka, unless others are named.

    Raises:
        ApplicationError: when a variable is missing or cannot be right; the sentence names it.
    """
    url = _needed(environ, _REGISTRY)
    if not is_url(url):
        raise _wrong(_REGISTRY, 'is no http(s) URL: change it')
    if '@' in url.split('/')[2]:
        raise _wrong(_REGISTRY, 'has a password in it, which logs would show: leave it out')
    own = {field: f'{_PREFIX}KARAPACE_{field.upper()}' for field in ('username', 'password', 'ca')}
    return registry.Settings(
        url=url,
        username=_value(environ, own['username']) or _value(environ, _KAFKA['username']),
        password=_value(environ, own['password']) or _value(environ, _KAFKA['password']),
        ca=_certificates(environ, own['ca']) or _certificates(environ, _KAFKA['ca']),
    )


def decider(patience: float = registry.PATIENCE) -> Decide:
    """What decides about the messages; it keeps the schemas that it has read.

    It decides nothing while a rebuild would fail for want of a setting: each message would be acted upon for nothing.

    Args:
        patience: seconds after which a schema that the registry does not know does not exist.

    Raises:
        ApplicationError: when a variable is missing or cannot be right; the sentence names it.
    """
    try:
        Settings.load(os.environ)
    except ApplicationError as error:
        raise _again(error.message) from None
    return functools.partial(decide, registry.Registry(schemas(os.environ), patience))


def decide(known: avro.Schemas, message: Message) -> Start:
    """What to start for a message: the rebuild for the release that it is about.

    Args:
        known: the schemas.
        message: in Avro.

    Raises:
        Poison: when the message cannot be read, does not tell its release, or has no identifier.
        Unavailable: when the schema registry does not answer.
    """
    event = avro.decode(message, known)
    if not isinstance(event, dict):
        raise Poison('the message is no record')
    identifier = event.get('message_id')
    if not isinstance(identifier, str) or not _IDENTIFIER.fullmatch(identifier):
        told = release.quoted(identifier)
        raise Poison(f'its message_id is {told}: it should be letters, digits and . _ : -, 128 characters at most')
    try:
        version = release.decide(event)
    except ApplicationError as error:
        raise Poison(error.message) from None
    return Start(REBUILD, f'rebuild-{identifier}', (version,))


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name, '').strip()


def _needed(environ: Mapping[str, str], name: str) -> str:
    value = _value(environ, name)
    if not value:
        raise _wrong(name, 'is not set: give it to the worker')
    return value


def _certificates(environ: Mapping[str, str], name: str) -> str:
    """Certificates in PEM: the value itself, with line ends as they are or escaped, or the file that it names."""
    value = _value(environ, name)
    if not value:
        return ''
    if '-----BEGIN' not in value:
        try:
            value = pathlib.Path(value).read_text()
        except (OSError, ValueError):
            raise _wrong(name, 'is neither certificates in PEM nor a file that can be read: change it') from None
    value = value.replace('\\n', '\n')
    try:
        registry.trust(value)
    except ValueError:
        raise _wrong(name, 'has no certificate in PEM that can be read: change it') from None
    return value


def _wrong(name: str, what: str) -> ApplicationError:
    return _again(f'{name} {what}')


def _again(sentence: str) -> ApplicationError:
    # Tried again, other than by a rebuild: a consumer has no end, and goes on once its settings are right.
    return ApplicationError(sentence, type='WrongSetting')
