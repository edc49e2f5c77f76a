"""What a charm needs to know of a PostgreSQL database, whichever interface told it."""

from __future__ import annotations

import dataclasses
import hashlib
import re

_LONGEST = 49
"""Newer PostgreSQL charms make roles from a database's name and refuse longer ones."""

_ENDINGS = ('-visibility',)
"""What the suite's charms use as a suffix."""


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """Where a database is; nothing secret.

    Attributes:
        host: name or address of the primary.
        port: TCP port.
        name: of the database.
        tls: whether the server wants TLS.
        ca: PEM of the authority that signed its certificate; empty for the system's.
    """

    host: str
    port: int
    name: str
    tls: bool = False
    ca: str = ''


@dataclasses.dataclass(frozen=True)
class Database:
    """A database and how to log in to it."""

    endpoint: Endpoint
    username: str
    password: str = dataclasses.field(repr=False)


def database_name(model: str, application: str, suffix: str = '') -> str:
    """The name of an application's database: its own, whoever else uses the same PostgreSQL.

    Args:
        model: the Juju model, since applications of other models may be related across models.
        application: the Juju application.
        suffix: tells several databases of one application apart.
    """
    plain = '_'.join(re.sub(r'[^a-z0-9]+', '_', part.lower()) for part in (model, application, suffix) if part)
    # Else an application `a-visibility` would be given what belongs to the application `a`.
    ambiguous = not suffix and application.endswith(_ENDINGS)
    if len(plain) <= _LONGEST and not ambiguous:
        return plain
    mark = hashlib.sha256(plain.encode()).hexdigest()[:8]
    return f'{plain[: _LONGEST - 9]}_{mark}'
