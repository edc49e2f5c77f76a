"""Makes environment variables of what related applications tell, under the names that 12-factor charms use. Pure.

A URL becomes `<PREFIX>_CONNECT_STRING` and its parts, as with paas-charm, with which Canonical's charms for Flask,
Django, FastAPI, Go and others are made; the user's name and password are also there as they are, without the
percent signs that a URL wants. For Kafka paas-charm has no names: these are those of the clients' own settings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from temporal_charms.amqp import Broker
from temporal_charms.databases import Database
from temporal_charms.external_service import Service
from temporal_charms.kafka_client import Kafka
from temporal_charms.s3 import Bucket

_MECHANISM = 'SCRAM-SHA-512'
"""What Kafka's charms let clients log in with."""


def database(found: Database) -> dict[str, str]:
    """Those of a PostgreSQL database; none where its address is no such thing."""
    place = found.endpoint
    login = f'{quote(found.username, safe="")}:{quote(found.password, safe="")}'
    url = f'postgresql://{login}@{place.host}:{place.port}/{quote(place.name, safe="")}'
    if not _is_url(url):
        return {}
    return {
        **_of_url('POSTGRESQL_DB', url, found.username, found.password),
        'POSTGRESQL_DB_NAME': place.name,
        'POSTGRESQL_DB_TLS': str(place.tls).lower(),
        **_if_said({'POSTGRESQL_DB_TLS_CA': place.ca}),
    }


def s3(found: Bucket) -> dict[str, str]:
    """Those of a bucket."""
    return _if_said(
        {
            'S3_ACCESS_KEY': found.access_key,
            'S3_SECRET_KEY': found.secret_key,
            'S3_REGION': found.region,
            'S3_STORAGE_CLASS': found.storage_class,
            'S3_BUCKET': found.name,
            'S3_ENDPOINT': found.endpoint,
            'S3_PATH': found.path,
            'S3_API_VERSION': found.api_version,
            'S3_URI_STYLE': found.uri_style,
            # What Amazon's own programs call it.
            'S3_ADDRESSING_STYLE': 'virtual' if found.uri_style == 'host' else found.uri_style,
            'S3_ATTRIBUTES': json.dumps(found.attributes) if found.attributes else '',
            'S3_TLS_CA_CHAIN': json.dumps(found.ca_chain) if found.ca_chain else '',
        }
    )


def kafka(found: Kafka) -> dict[str, str]:
    """Those of a Kafka cluster."""
    return _if_said(
        {
            'KAFKA_BOOTSTRAP_SERVERS': found.servers,
            'KAFKA_SECURITY_PROTOCOL': 'SASL_SSL' if found.tls else 'SASL_PLAINTEXT',
            'KAFKA_SASL_MECHANISM': _MECHANISM,
            'KAFKA_USERNAME': found.username,
            'KAFKA_PASSWORD': found.password,
            'KAFKA_TOPIC': found.topic,
            'KAFKA_CONSUMER_GROUP_PREFIX': found.group_prefix,
            'KAFKA_TLS_CA': found.ca if found.tls else '',
        }
    )


def amqp(found: Broker) -> dict[str, str]:
    """Those of RabbitMQ; none where no address of it is one."""
    login = f'{quote(found.username, safe="")}:{quote(found.password, safe="")}'
    urls = [
        f'{"amqps" if found.tls else "amqp"}://{login}@{host}:{found.port}/{quote(found.vhost, safe="")}'
        for host in found.hosts
    ]
    urls = [url for url in urls if _is_url(url)]
    if not urls:
        return {}
    return {
        **_of_url('RABBITMQ', urls[0], found.username, found.password),
        'RABBITMQ_CONNECT_STRINGS': ','.join(urls),
        'RABBITMQ_VHOST': found.vhost,
        **_if_said({'RABBITMQ_TLS_CA': found.ca}),
    }


def external(service: Service, credentials: Mapping[str, str]) -> dict[str, str]:
    """Those of a service outside: its address, and one for each key of its secret.

    Args:
        service: with a name that gives one of a variable.
        credentials: what its secret holds.
    """
    prefix = f'EXTERNAL_{word(service.name)}'
    return {
        **{f'{prefix}_{word(key)}': value for key, value in credentials.items()},
        f'{prefix}_URL': service.url,
    }


def word(name: str) -> str:
    """A name as a part of a variable's: capitals and digits, with one `_` for all else; empty where nothing is left."""
    return re.sub(r'[^A-Z0-9]+', '_', name.upper()).strip('_')


def _is_url(url: str) -> bool:
    """Whether host and port are such; what another charm writes counts as not written yet where they are not."""
    try:
        return urlsplit(url).port is not None
    except ValueError:
        return False


def _of_url(prefix: str, url: str, username: str, password: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        f'{prefix}_CONNECT_STRING': url,
        f'{prefix}_SCHEME': parts.scheme,
        f'{prefix}_NETLOC': parts.netloc,
        f'{prefix}_PATH': parts.path,
        f'{prefix}_PARAMS': '',
        f'{prefix}_QUERY': parts.query,
        f'{prefix}_FRAGMENT': parts.fragment,
        f'{prefix}_HOSTNAME': parts.hostname or '',
        f'{prefix}_PORT': str(parts.port),
        f'{prefix}_USERNAME': username,
        f'{prefix}_PASSWORD': password,
    }


def _if_said(values: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in values.items() if value}
