"""nginx in its container: its configuration, and how it takes up a new one."""

from __future__ import annotations

import pathlib

import ops
from ops import pebble

from definition import Definition

PORT = 80
_CONFIG = '/etc/nginx/juju.conf'
_SERVICE = 'nginx'


def render(definition: Definition | None, resolver: str) -> str:
    """nginx' whole configuration; without a route it answers everything with 404, as an ingress controller does.

    Args:
        definition: the route.
        resolver: address of the cluster's DNS: names of backends are looked up again while nginx runs.
    """
    listen = f'{PORT} http2' if definition and definition.http2 else str(PORT)
    parts = [
        'user www-data;',
        'error_log /dev/stderr warn;',
        'pid /run/nginx-juju.pid;',
        'events { worker_connections 4096; }',
        'http {',
        'access_log off;',
        f'resolver {resolver} valid=5s;',
        # Long polls and large workflow payloads are what runs through here.
        'client_max_body_size 0;',
        f'server {{ listen {listen} default_server; return 404; }}',
    ]
    if definition:
        parts += _route(definition, listen)
    return '\n'.join([*parts, '}', ''])


def _route(definition: Definition, listen: str) -> list[str]:
    kind = 'grpc' if definition.protocol.startswith('GRPC') else 'proxy'
    scheme = definition.protocol.lower()
    named = len(definition.backends) == 1 and not definition.backends[0][0].isdigit()
    # A variable makes nginx look the name up for each request rather than once at its start.
    target = '$backend' if named else 'backend'
    route = []
    if not named:
        servers = ' '.join(f'server {backend} max_fails=1 fail_timeout=2s;' for backend in definition.backends)
        route.append(f'upstream backend {{ {servers} }}')
    route += [f'server {{ listen {listen}; server_name {definition.hostname};']
    if named:
        route.append(f'set $backend {definition.backends[0]};')
    for path in definition.paths:
        route.append(f'location {path} {{ {kind}_pass {scheme}://{target};')
        if kind == 'proxy':
            route.append('proxy_set_header Host $host;')
        route.append(f'{kind}_read_timeout {definition.read_timeout}s; {kind}_send_timeout {definition.send_timeout}s;')
        route.append(f'{kind}_connect_timeout {definition.connect_timeout}s; }}')
    return [*route, '}']


def cluster_dns() -> str:
    """The address of the cluster's DNS, from the pod's resolver configuration."""
    for line in pathlib.Path('/etc/resolv.conf').read_text().splitlines():
        if line.startswith('nameserver '):
            return line.split()[1]
    raise RuntimeError('the pod has no nameserver')


class Nginx:
    """The container `nginx`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def apply(self, configuration: str) -> None:
        """Make nginx serve a configuration; running connections are kept."""
        try:
            with self._container.pull(_CONFIG) as file:
                changed = file.read() != configuration
        except pebble.PathError:
            changed = True
        if changed:
            self._container.push(_CONFIG, configuration, make_dirs=True)
        layer: pebble.LayerDict = {
            'services': {
                _SERVICE: {
                    'override': 'replace',
                    'summary': 'nginx',
                    'command': f"nginx -c {_CONFIG} -g 'daemon off;'",
                    'startup': 'enabled',
                }
            },
            'checks': {'up': {'override': 'replace', 'level': 'ready', 'period': '5s', 'tcp': {'port': PORT}}},
        }
        running = self.running()
        self._container.add_layer(_SERVICE, layer, combine=True)
        self._container.replan()
        if changed and running:
            self._container.send_signal('SIGHUP', _SERVICE)

    def running(self) -> bool:
        """Whether nginx runs."""
        services = self._container.get_services(_SERVICE)
        return _SERVICE in services and services[_SERVICE].is_running()
