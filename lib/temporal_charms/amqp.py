"""The interface `rabbitmq`, requirer's side, as both of RabbitMQ's charms speak it over their endpoint `amqp`.

Requirer, application databag: `username`, `vhost`. The provider makes the user when it first reads them, and keeps to
that: another user or virtual host needs a new relation.
Provider: `hostname` and `password`, in the application's databag from rabbitmq-k8s, in each unit's from
rabbitmq-server; from the latter also `ssl_port` and `ssl_ca` (PEM in base64), where it speaks TLS. The password stands
in the databag by the interface's design: like `pgsql`, it knows no secrets. Source: charms.rabbitmq_k8s.v0.rabbitmq,
rabbitmq-k8s, rabbitmq-server.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping

import ops

from temporal_charms import databags

_PORT = 5672


@dataclasses.dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        username: of the user to be made.
        vhost: the virtual host that it may use.
    """

    username: str
    vhost: str

    def dump(self) -> dict[str, str]:
        """The requirer's databag."""
        return {'username': self.username, 'vhost': self.vhost}


@dataclasses.dataclass(frozen=True)
class Broker:
    """RabbitMQ and how to log in to it.

    Attributes:
        hosts: names or addresses, at least one.
        port: TCP port.
        username: as it was asked for.
        vhost: as it was asked for.
        password: of the user.
        tls: whether the port speaks TLS.
        ca: PEM of the authority that signed the certificate; empty for the system's.
    """

    hosts: tuple[str, ...]
    port: int
    username: str
    vhost: str
    password: str = dataclasses.field(repr=False)
    tls: bool = False
    ca: str = ''


def broker(relation: ops.Relation, asked: Request) -> Broker | None:
    """The broker; None until everything is there.

    Args:
        relation: the relation; the databags of its remote application and units are read.
        asked: what stands in the requirer's databag, since the provider does not repeat it.
    """
    units = sorted(relation.units, key=lambda unit: int(unit.name.rsplit('/', 1)[-1]))
    told = [
        databag
        for databag in (relation.data[relation.app], *(relation.data[unit] for unit in units))
        if databag.get('hostname') and databag.get('password')
    ]
    if not told:
        return None
    first = told[0]
    encrypted = databags.port(first.get('ssl_port', ''))
    if first.get('ssl_port') and not encrypted:
        return None
    return Broker(
        hosts=tuple(dict.fromkeys(databag['hostname'] for databag in told)),
        port=encrypted or _PORT,
        username=asked.username,
        vhost=asked.vhost,
        password=first['password'],
        tls=bool(encrypted),
        ca=_authority(first) if encrypted else '',
    )


def _authority(databag: Mapping[str, str]) -> str:
    try:
        return base64.b64decode(databag.get('ssl_ca', ''), validate=True).decode()
    except ValueError:
        return ''
