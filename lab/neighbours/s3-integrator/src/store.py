"""MinIO in its container: started, and given buckets. Knows nothing of relations."""

from __future__ import annotations

import dataclasses
import hashlib
import socket
import time

import ops
from ops import pebble

PORT = 9000

_DATA = '/data'
_CONFIG = '/etc/minio'
_SERVICE = 'minio'
_REGION = 'us-east-1'
"""What S3 calls the region of who names none."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the store is started with.

    Attributes:
        access_key: of its only user.
        secret_key: of its only user.
        region: empty for the store's choice.
    """

    access_key: str
    secret_key: str = dataclasses.field(repr=False)
    region: str = ''


class Store:
    """The container `minio`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def start(self, settings: Settings) -> None:
        """Start it, or let it take up new settings by a restart, and wait until it answers.

        Raises:
            TimeoutError: when it does not within two minutes.
        """
        self._container.exec(['install', '-d', '-o', 'minio', '-g', 'minio', '-m', '0700', _DATA]).wait()
        for name, content in (('user', settings.access_key), ('password', settings.secret_key)):
            self._container.push(
                f'{_CONFIG}/{name}', content, user='minio', group='minio', permissions=0o600, make_dirs=True
            )
        self._container.add_layer(_SERVICE, _layer(settings), combine=True)
        self._container.replan()
        if not self.answers(within=120):
            raise TimeoutError('MinIO does not answer')

    def answers(self, within: float) -> bool:
        """Whether it takes connections.

        Args:
            within: seconds that it may take until it does.
        """
        end = time.monotonic() + within
        while True:
            try:
                # The container has the charm's network.
                socket.create_connection(('127.0.0.1', PORT), timeout=1).close()
            except OSError:
                if time.monotonic() > end:
                    return False
                time.sleep(0.1)
            else:
                return True


def ensure_bucket(settings: Settings, name: str) -> None:
    """Make a bucket of the store, unless it is there."""
    # Of what most hooks do not need.
    from minio import Minio

    client = Minio(
        f'127.0.0.1:{PORT}',
        settings.access_key,
        settings.secret_key,
        secure=False,
        region=settings.region or _REGION,
    )
    if not client.bucket_exists(name):
        client.make_bucket(name)


def _layer(settings: Settings) -> pebble.LayerDict:
    key = hashlib.sha256(repr(dataclasses.astuple(settings)).encode()).hexdigest()[:12]
    return {
        'services': {
            _SERVICE: {
                'override': 'replace',
                'summary': 'MinIO',
                'command': f'minio server --address :{PORT} {_DATA}',
                'startup': 'enabled',
                'user': 'minio',
                'group': 'minio',
                'environment': {
                    'HOME': _DATA,
                    'MINIO_ROOT_USER_FILE': f'{_CONFIG}/user',
                    'MINIO_ROOT_PASSWORD_FILE': f'{_CONFIG}/password',
                    'MINIO_SITE_REGION': settings.region or _REGION,
                    'MINIO_BROWSER': 'off',
                    # What it reads takes effect by a restart.
                    'RESTART_KEY': key,
                },
                'kill-delay': '20s',
            }
        },
        'checks': {
            'up': {'override': 'replace', 'level': 'ready', 'period': '2s', 'threshold': 2, 'tcp': {'port': PORT}}
        },
    }
