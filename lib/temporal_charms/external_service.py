"""The interface `external-service`: something outside Juju that workloads use, by a name that operators choose.

Provider, application databag (raw strings):
    name: what the service is called; requirers make names of variables of it.
    url: where it answers; nothing secret stands in it.
    secret: URI of a secret of the provider's application, granted to the relation, with whatever the service wants to
        be told by its users (`username`, `password`, `token`, ...); absent where it wants nothing.

Requirer: nothing.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping

import ops

NAME = re.compile(r'[A-Za-z][A-Za-z0-9-]{0,62}')
"""What a provider of this suite takes as a name; others may say more."""

URL = 'url'
"""The key that a secret must not have: requirers could not tell it from the address."""


@dataclasses.dataclass(frozen=True)
class Service:
    """What a provider says.

    Attributes:
        name: as operators call it; empty until it is said.
        url: where it answers; empty until it is said.
        secret: URI; empty where there is none.
    """

    name: str = ''
    url: str = ''
    secret: str = ''

    def dump(self) -> dict[str, str]:
        """The provider's databag."""
        return {key: value for key, value in dataclasses.asdict(self).items() if value}

    @classmethod
    def load(cls, databag: Mapping[str, str]) -> Service:
        """Read the provider's databag."""
        return cls(databag.get('name', ''), databag.get('url', ''), databag.get('secret', ''))


def secret_uris(relation: ops.Relation) -> list[str]:
    """The secrets that the provider has named so far."""
    return [uri for uri in [Service.load(relation.data[relation.app]).secret] if uri]


def credentials(service: Service, secret: Callable[[str], Mapping[str, str]]) -> Mapping[str, str] | None:
    """What the service wants to be told; None until it can be read, empty where it wants nothing.

    Args:
        service: what the provider says.
        secret: reads a secret, by its URI.
    """
    try:
        return secret(service.secret) if service.secret else {}
    except ops.ModelError:
        # The URI can arrive before the grant, and the grant can go before the relation.
        return None
