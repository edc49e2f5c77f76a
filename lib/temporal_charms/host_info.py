"""The interface `temporal-host-info`: where a Temporal server answers.

Provider, application databag (raw strings): `host`, `port`, and, where the server wants it, `tls` ("true") and `ca`
(PEM). The first two are what the published interface has; a reader that knows only them is served.
"""

from __future__ import annotations

from collections.abc import Mapping

from temporal_charms.admin import Frontend


def dump(frontend: Frontend) -> dict[str, str]:
    """The provider's databag."""
    content = {'host': frontend.host, 'port': str(frontend.port)}
    if frontend.tls:
        content |= {'tls': 'true', 'ca': frontend.ca}
    return content


def load(databag: Mapping[str, str]) -> Frontend | None:
    """Read the provider's databag; None until it says where the server is."""
    host, port = databag.get('host', ''), databag.get('port', '')
    if not host or not port.isdigit():
        return None
    return Frontend(host, int(port), databag.get('tls', '').lower() == 'true', databag.get('ca', ''))
