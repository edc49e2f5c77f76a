"""What to route where: read from the relation and the options, as nginx-ingress-integrator reads them.

Options win over the relation. `nginx-route` names a Kubernetes service, `ingress` (v2) the units' addresses. Source:
ingress_definition.py of nginx-ingress-integrator.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence

PROTOCOLS = ('HTTP', 'HTTPS', 'GRPC', 'GRPCS')


class InvalidDefinition(Exception):
    """The relation or an option says something that cannot be routed; a sentence for the status."""


@dataclasses.dataclass(frozen=True)
class Definition:
    """A route.

    Attributes:
        hostname: that clients ask for.
        paths: below it.
        protocol: one of PROTOCOLS.
        backends: "host:port" of each.
        read_timeout: seconds without a byte from the backend after which a request fails.
        send_timeout: likewise to the backend.
        connect_timeout: seconds for a connection to the backend.
        http2: whether clients speak HTTP/2 without TLS.
    """

    hostname: str
    paths: tuple[str, ...]
    protocol: str
    backends: tuple[str, ...]
    read_timeout: int
    send_timeout: int
    connect_timeout: int
    http2: bool


def from_nginx_route(config: Mapping[str, object], app: Mapping[str, str]) -> Definition:
    """The route that a requirer of `nginx-route` asks for.

    Raises:
        InvalidDefinition: when it cannot be routed.
    """
    missing = [k for k in ('service-namespace', 'service-name', 'service-port', 'service-hostname') if not app.get(k)]
    if missing:
        raise InvalidDefinition(f'Missing fields for nginx-route: {", ".join(missing)}')
    backend = f'{app["service-name"]}.{app["service-namespace"]}.svc.cluster.local:{app["service-port"]}'
    return _definition(config, app, [backend], default_paths='/')


def from_ingress(
    config: Mapping[str, object], app: Mapping[str, str], units: Sequence[Mapping[str, str]]
) -> Definition:
    """The route that a requirer of `ingress` asks for.

    Raises:
        InvalidDefinition: when it cannot be routed.
    """
    try:
        model, name, port = (json.loads(app[key]) for key in ('model', 'name', 'port'))
        addresses = [json.loads(unit['ip']) for unit in units if 'ip' in unit]
    except (KeyError, ValueError) as error:
        raise InvalidDefinition(f'invalid ingress relation data: {error}') from error
    if not addresses:
        raise InvalidDefinition('no endpoints with ip are provided in ingress relation')
    if not config['service-hostname']:
        raise InvalidDefinition(
            'service-hostname is not set for the ingress relation, configure it using `juju config`'
        )
    return _definition(config, {}, [f'{ip}:{port}' for ip in sorted(addresses)], default_paths=f'/{model}-{name}')


def _definition(
    config: Mapping[str, object], app: Mapping[str, str], backends: list[str], *, default_paths: str
) -> Definition:
    hostname = str(config['service-hostname'] or app.get('service-hostname', ''))
    if not re.fullmatch(r'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*', hostname):
        raise InvalidDefinition(
            'invalid ingress service-hostname, the hostname must consist of lower case alphanumeric characters, '
            "'-' or '.'"
        )
    protocol = str(config['backend-protocol'] or app.get('backend-protocol', '') or 'HTTP').upper()
    if protocol not in PROTOCOLS:
        raise InvalidDefinition(f'invalid backend protocol {protocol!r}, valid values: {", ".join(PROTOCOLS)}')
    paths = tuple(
        p.strip() for p in str(config['path-routes'] or app.get('path-routes', '') or default_paths).split(',')
    )
    if not all(re.fullmatch(r"/[^\s;{}\"']*", path) for path in paths):
        raise InvalidDefinition("All path routes must start with a forward slash '/'")
    # As with the real charm, the options' defaults win over what the relation says, too.
    read, send, connect = (
        int(str(config[f'proxy-{name}-timeout'] or app.get(f'proxy-{name}-timeout') or 60))
        for name in ('read', 'send', 'connect')
    )
    http2 = bool(config['cleartext-http2']) and protocol.startswith('GRPC')
    return Definition(hostname, paths, protocol, tuple(backends), read, send, connect, http2)
