"""The interface `ingress`, version 2, per application; requirer's side.

Requirer, application databag: `model`, `name`, `port`, and `scheme` where it is not http; unit databag: `host`, `ip`.
Every value is JSON. Provider, application databag: `ingress`, JSON `{"url"}`; not needed by us. Source: the ingress
library of traefik-k8s, v2.
"""

from __future__ import annotations

from temporal_charms import databags


def application(model: str, name: str, port: int) -> dict[str, str]:
    """What the leader writes: HTTP/2 without TLS on the given port."""
    content = {'model': model, 'name': name, 'port': port, 'scheme': 'h2c'}
    return {key: databags.dump_json(value) for key, value in content.items()}


def unit(host: str, ip: str) -> dict[str, str]:
    """What every unit writes: where it is."""
    return {'host': databags.dump_json(host), 'ip': databags.dump_json(ip)}
