"""The interface `temporal-host-info`: where a Temporal server answers, and a namespace for who asks for one.

Provider, application databag (raw strings):
    host, port: where the server answers. The published interface has no more, and its readers are served by these.
    tls, ca: "true" and the authority's PEM, where the server wants TLS.
    namespace: the namespace that was asked for, once it is there.
    namespace_status: `pending`, `granted` or `refused`; a provider without it registers no namespaces.
    namespace_reason: why it is refused, one sentence.

Requirer, application databag, all optional:
    namespace: a namespace to register, unless it is there.
    retention: how long a new namespace keeps closed workflows ("3d", "72h").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from temporal_charms import databags
from temporal_charms.admin import Frontend

PENDING, GRANTED, REFUSED = 'pending', 'granted', 'refused'


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client asks for.

    Attributes:
        namespace: the name.
        retention: as people write it; empty for the provider's choice.
    """

    namespace: str
    retention: str = ''

    def dump(self) -> dict[str, str]:
        """The requirer's databag."""
        content = {'namespace': self.namespace, 'retention': self.retention}
        return {key: value for key, value in content.items() if value}

    @classmethod
    def load(cls, databag: Mapping[str, str]) -> Request | None:
        """Read the requirer's databag; None if it asks for nothing."""
        name = databag.get('namespace', '')
        return cls(name, databag.get('retention', '')) if name else None


@dataclasses.dataclass(frozen=True)
class Grant:
    """What became of a request.

    Attributes:
        status: `pending`, `granted` or `refused`; empty where the provider registers no namespaces.
        namespace: the one that is there.
        reason: why it was refused.
    """

    status: str = ''
    namespace: str = ''
    reason: str = ''

    @classmethod
    def load(cls, databag: Mapping[str, str]) -> Grant:
        """Read the provider's databag."""
        return cls(
            databag.get('namespace_status', ''), databag.get('namespace', ''), databag.get('namespace_reason', '')
        )


def dump(frontend: Frontend, grant: Grant | None = None) -> dict[str, str]:
    """The provider's databag."""
    content = {'host': frontend.host, 'port': str(frontend.port)}
    if frontend.tls:
        content |= {'tls': 'true', 'ca': frontend.ca}
    if grant:
        said = {'namespace': grant.namespace, 'namespace_status': grant.status, 'namespace_reason': grant.reason}
        content |= {key: value for key, value in said.items() if value}
    return content


def load(databag: Mapping[str, str]) -> Frontend | None:
    """Read the provider's databag; None until it says where the server is."""
    host, port = databag.get('host', ''), databags.port(databag.get('port', ''))
    if not host or not port:
        return None
    return Frontend(host, port, databag.get('tls', '').lower() == 'true', databag.get('ca', ''))
