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
from oci_factory.settings import is_url

REBUILD = 'RebuildForRelease'

_PREFIX = 'ROCKS_EVENTBUS_'
# It goes to GitHub as a part of the external reference, and into shells there.
_IDENTIFIER = re.compile(r'[A-Za-z0-9._:-]{1,128}')


def brokers(environ: Mapping[str, str]) -> kafka.Settings:
    """Where the brokers are: `ROCKS_EVENTBUS_KAFKA_ADDRESS`, and so on.

    Raises:
        ApplicationError: when a variable is missing or cannot be right; the sentence names it.
    """
    protocol = _value(environ, 'PROTOCOL') or 'SASL_SSL'
    mechanism = _value(environ, 'MECHANISM') or 'SCRAM-SHA-512'
    if protocol not in kafka.PROTOCOLS:
        raise _wrong('PROTOCOL', f'is none of {", ".join(kafka.PROTOCOLS)}: change it')
    if mechanism not in kafka.MECHANISMS:
        raise _wrong('MECHANISM', f'is none of {", ".join(kafka.MECHANISMS)}: change it')
    secured = protocol.startswith('SASL_')
    return kafka.Settings(
        brokers=_needed(environ, 'KAFKA_ADDRESS'),
        protocol=protocol,
        mechanism=mechanism,
        username=_needed(environ, 'USERNAME') if secured else '',
        password=_needed(environ, 'PASSWORD') if secured else '',
        ca=_certificates(environ, 'CA'),
    )


def schemas(environ: Mapping[str, str]) -> registry.Settings:
    """Where the schema registry is: `ROCKS_EVENTBUS_KARAPACE_URL`; as the same user as Kafka, unless others are named.

    Raises:
        ApplicationError: when a variable is missing or cannot be right; the sentence names it.
    """
    url = _needed(environ, 'KARAPACE_URL')
    if not is_url(url):
        raise _wrong('KARAPACE_URL', 'is no http(s) URL: change it')
    if '@' in url.split('/')[2]:
        raise _wrong('KARAPACE_URL', 'has a password in it, which logs would show: leave it out')
    return registry.Settings(
        url=url,
        username=_value(environ, 'KARAPACE_USERNAME') or _value(environ, 'USERNAME'),
        password=_value(environ, 'KARAPACE_PASSWORD') or _value(environ, 'PASSWORD'),
        ca=_certificates(environ, 'KARAPACE_CA') or _certificates(environ, 'CA'),
    )


def decider() -> Decide:
    """What decides about the messages; it keeps the schemas that it has read.

    Raises:
        ApplicationError: when a variable is missing or cannot be right; the sentence names it.
    """
    return functools.partial(decide, registry.Registry(schemas(os.environ)))


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
        raise Poison(
            f'its message_id is {identifier!r}: it should be letters, digits and . _ : -, 128 characters at most'[:400]
        )
    try:
        version = release.decide(event)
    except ApplicationError as error:
        raise Poison(error.message) from None
    return Start(REBUILD, f'rebuild-{identifier}', (version,))


def _value(environ: Mapping[str, str], name: str) -> str:
    return environ.get(f'{_PREFIX}{name}', '').strip()


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
    # Tried again, other than wrong settings of a rebuild: a consumer has no end, and goes on once they are right.
    return ApplicationError(f'{_PREFIX}{name} {what}', type='WrongSetting')
