"""What the operator asks of the applications that the workflow code uses: the options about them, and the defaults."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from temporal_charms import amqp, kafka_client, postgresql_client, s3
from temporal_charms.databases import database_name

ENDPOINTS = ('database', 's3', 'kafka', 'amqp')
"""Those with one relation each; their names are the integrations' own."""

EXTERNAL = 'external-service'
"""The endpoint with any number of relations; the services' names are the integrations'."""

_REQUIRED = 'required-integrations'

_NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]*')
_ROLES = re.compile(r'[A-Za-z0-9_-]+(,[A-Za-z0-9_-]+)*')
_TOPIC = re.compile(r'[A-Za-z0-9._-]{1,249}|[A-Za-z0-9._-]{3,248}\*')

_FORMS: Mapping[str, tuple[re.Pattern[str], str]] = {
    'database-name': (re.compile(r'[A-Za-z_][A-Za-z0-9_-]{0,48}'), 'up to 49 letters, digits, _ and -'),
    'database-extra-user-roles': (_ROLES, 'roles separated by commas'),
    's3-bucket': (
        re.compile(r'[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]'),
        '3 to 63 lower-case letters, digits, - and dots',
    ),
    's3-path': (re.compile(r'\S+'), 'without white space'),
    'kafka-topic': (_TOPIC, 'up to 249 letters, digits, dots, _ and -; a * may end it'),
    'kafka-extra-user-roles': (_ROLES, 'roles separated by commas'),
    'kafka-consumer-group-prefix': (re.compile(r'[A-Za-z0-9._-]{1,249}'), 'up to 249 letters, digits, dots, _ and -'),
    'amqp-vhost': (re.compile(r'\S{1,255}'), 'up to 255 characters without white space'),
}
"""What an option takes, unless it is empty; in words, too."""


@dataclasses.dataclass(frozen=True)
class Options:
    """The options, valid or with a problem.

    Attributes:
        required: `required-integrations`, split, each once; none while it is the option that is wrong.
        requests: endpoint to what the application says there.
        broker: what it says to RabbitMQ, which does not repeat it.
        problem: what is wrong with the options.
    """

    required: tuple[str, ...]
    requests: Mapping[str, Mapping[str, str]]
    broker: amqp.Request
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], model: str, app: str) -> Options:
        """Read and check the options.

        Args:
            raw: Juju's.
            model: its name; names that nobody has chosen are made of it and the application's.
            app: this application's name.
        """
        text = {name: str(raw[name]).strip() for name in (*_FORMS, _REQUIRED)}
        for name in (name for name in text if name.endswith('-roles')):
            text[name] = ','.join(role.strip() for role in text[name].split(',') if role.strip())
        own = database_name(model, app)
        # Underscores are not allowed everywhere.
        plain = own.replace('_', '-')
        broker = amqp.Request(plain, text['amqp-vhost'] or plain)
        required = tuple(dict.fromkeys(name.strip() for name in text[_REQUIRED].split(',') if name.strip()))
        unreadable = _required_problem(required, app)
        problem = unreadable or _problem(text, app)
        return cls(
            # What is wrong with another option makes nothing dispensable.
            required=() if unreadable else required,
            requests={
                'database': postgresql_client.request(text['database-name'] or own, text['database-extra-user-roles']),
                's3': s3.request(text['s3-bucket'] or plain, text['s3-path']),
                'kafka': kafka_client.request(
                    text['kafka-topic'] or plain, text['kafka-extra-user-roles'], text['kafka-consumer-group-prefix']
                ),
                'amqp': broker.dump(),
            }
            if not problem
            else {},
            broker=broker,
            problem=problem,
        )


def _required_problem(required: tuple[str, ...], app: str) -> str:
    remedy = f'juju config {app} {_REQUIRED}=NAME,...'
    if EXTERNAL in required:
        return f'{_REQUIRED}: {EXTERNAL} can be several: name the service as its provider calls it: {remedy}'
    if wrong := next((name for name in required if not _NAME.fullmatch(name)), ''):
        known = ', '.join(ENDPOINTS)
        return f'{_REQUIRED}: {wrong[:60]!r} is no name: take {known} or the name of an external service: {remedy}'
    return ''


def _problem(text: Mapping[str, str], app: str) -> str:
    for name, (form, words) in _FORMS.items():
        if text[name] and not form.fullmatch(text[name]):
            return f'{name} must be {words}: juju config {app} --reset {name}'
    return ''
