"""Asks PostgreSQL itself: its version, the connections that it has left, the version of the schema, the shard count.

The only module that speaks to PostgreSQL. The driver is imported where it is used: a charm without a database never
loads it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import re
import socket
import ssl
from typing import TYPE_CHECKING

from temporal_charms.databases import Database, Endpoint

if TYPE_CHECKING:
    from pg8000.native import Connection

_TIMEOUT = 5
"""Seconds for a connection, and for each answer on it."""

_NO_SUCH_TABLE, _NO_SUCH_DATABASE = '42P01', '3D000'
NOT_ALLOWED, NOT_LET_IN = '42501', '28000'
"""SQLSTATE where the login lacks rights, and where PostgreSQL does not let it in from here (pg_hba.conf)."""

_CERTIFICATE = re.compile('-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----', re.DOTALL)

# Other users' sessions hide what kind they are, but not whose: those of PostgreSQL itself have no database or no user.
# A limit of -1 is none. reserved_connections came with PostgreSQL 16. The numbers of the lock are temporal-schema's
# ("TEMP", "SCHM"). Extensions are looked for in files: only where a schema is still to be made.
_SERVER = """
SELECT current_setting('server_version'),
       EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2 AND granted
                   AND (classid, objid) = (1413827920, 1396918349)
                   AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
           OR count(*) FILTER (WHERE datname = current_database() AND usename = session_user
                                   AND application_name = 'temporal-schema-run') > 0,
       coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
       CASE WHEN to_regclass('schema_version') IS NOT NULL THEN true
            WHEN EXISTS (SELECT FROM pg_extension WHERE extname = 'btree_gin') THEN true
            ELSE EXISTS (SELECT FROM pg_available_extensions WHERE name = 'btree_gin')
                     AND has_database_privilege(current_database(), 'CREATE')
       END,
       count(*) FILTER (WHERE datname = current_database() AND usename = session_user
                            AND application_name NOT IN ('temporal-charm', 'temporal-schema', 'temporal-schema-run')),
       (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()),
       current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true), '0')::int,
       count(*),
       (SELECT rolconnlimit FROM pg_roles WHERE rolname = session_user),
       count(*) FILTER (WHERE usename = session_user),
       (SELECT datconnlimit FROM pg_database WHERE datname = current_database()),
       count(*) FILTER (WHERE datname = current_database())
FROM pg_stat_activity
WHERE datid IS NOT NULL AND usesysid IS NOT NULL
"""

# Each version stands beside the name of the database that it was made in, which a copy under another name keeps.
_SCHEMA = """
SELECT curr_version, min_compatible_version, to_regclass('cluster_metadata_info') IS NOT NULL, db_name
FROM schema_version WHERE version_partition = 0
ORDER BY db_name <> {}, creation_time DESC LIMIT 1
"""

# The server's name for its own cluster, in the configuration that the server charm writes.
_METADATA = "SELECT data FROM cluster_metadata_info WHERE cluster_name = 'active' AND data_encoding = 'Proto3'"

_SHARD_COUNT = 2
"""The field history_shard_count of temporal.server.api.persistence.v1.ClusterMetadata."""


class Unreachable(Exception):
    """A database cannot be asked; the sentence names it and why.

    Attributes:
        code: SQLSTATE of what PostgreSQL answered; empty where it did not answer.
        untrusted: whether it was not asked, since its certificate is not by the authority that was named, or that
            authority cannot be read.
    """

    def __init__(self, sentence: str, code: str = '', *, untrusted: bool = False):
        super().__init__(sentence)
        self.code = code
        self.untrusted = untrusted

    @property
    def missing(self) -> bool:
        """Whether PostgreSQL answers, and says that it has no such database."""
        return self.code == _NO_SUCH_DATABASE


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What a database says of itself.

    Attributes:
        server_version: of PostgreSQL ("16.9").
        tls: whether this connection was encrypted; the suite's programs log in likewise.
        allowed: connections that there may be: max_connections without what PostgreSQL keeps for superusers and for
            reserved roles, or the limit of the role or of the database where that is lower.
        used: connections that count against `allowed` now, this one included.
        schema_version: of Temporal ("1.19"); None where there is no schema yet.
        shards: the number of history shards that the cluster was first started with; None before, and in the database
            of the list of workflows.
        oldest: the oldest version that this schema still serves, as it says itself; None where there is no schema yet.
        locked: whether somebody works on the schema now.
        creates: whether this login may create tables.
        extends: whether the extension that the list of workflows needs can be had; true once there is a schema.
        serving: connections with this login in this database that are not the charms' own: the server's.
        former: the name of the database that its schema was made in, where that is another one; empty otherwise. For
            Temporal's programs, and so in `schema_version` and `oldest`, there is no schema then.
    """

    server_version: str
    tls: bool
    allowed: int
    used: int
    schema_version: str | None
    shards: int | None = None
    oldest: str | None = None
    locked: bool = False
    creates: bool = True
    extends: bool = True
    serving: int = 0
    former: str = ''


def inspect(database: Database) -> Inspection:
    """Ask a database, by one connection and two questions; three where a cluster has been started.

    Raises:
        Unreachable: when the database does not answer or refuses the login.
    """
    from pg8000 import native

    name = native.literal(database.endpoint.name)
    connection = _connect(database)
    try:
        ((version, locked, creates, extends, serving, encrypted, *numbers),) = connection.run(_SERVER) or []
        try:
            rows = connection.run(_SCHEMA.format(name)) or []
        except native.DatabaseError as error:
            if _code(error) != _NO_SUCH_TABLE:
                raise
            rows = []
        metadata = connection.run(_METADATA) or [] if rows and rows[0][2] else []
    except (native.Error, OSError) as error:
        raise _refused(error, 'ask', database) from error
    finally:
        # The driver cannot take leave of one that is gone; why it is gone is told above.
        with contextlib.suppress(native.Error, OSError):
            connection.close()
    # The limits of the role and of the database bind where they are set.
    former = rows[0][3] if rows and rows[0][3] != database.endpoint.name else ''
    if former:
        rows = []
    limits = [(limit, used) for limit, used in zip(numbers[::2], numbers[1::2], strict=True) if limit not in (None, -1)]
    allowed, used = min(limits, key=lambda pair: pair[0])
    return Inspection(
        version.split()[0],
        bool(encrypted),
        allowed,
        used,
        str(rows[0][0]) if rows else None,
        _shards(metadata[0][0]) if metadata else None,
        str(rows[0][1]) if rows else None,
        locked,
        creates,
        extends,
        serving,
        former,
    )


def _shards(data: bytes) -> int | None:
    """The field of a message in protobuf's wire format; None where it is not there."""
    position = 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    try:
        while position < len(data):
            field, kind = divmod(number(), 8)
            if field == _SHARD_COUNT:
                return number()
            if kind == 0:
                number()
            elif kind == 2:
                length = number()
                position += length
            else:
                position += {1: 8, 5: 4}[kind]
    except (IndexError, KeyError):
        pass
    return None


def _connect(database: Database) -> Connection:
    import scramp
    from pg8000 import native

    endpoint = database.endpoint
    host = endpoint.host.removeprefix('[').removesuffix(']')
    try:
        return native.Connection(
            database.username,
            host=host if endpoint.tls else _address(host),
            port=endpoint.port,
            database=endpoint.name,
            password=database.password,
            timeout=_TIMEOUT,
            application_name='temporal-charm',
            # With None the driver takes TLS where it is offered, as Temporal's programs are told to.
            ssl_context=_tls(endpoint) if endpoint.tls else None,
        )
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f'{endpoint.host} is refused: its certificate is not by the authority that the database relation names '
            f'({error.verify_message})',
            untrusted=True,
        ) from error
    except (native.Error, OSError, ValueError, TypeError, scramp.ScramException) as error:
        # The last three: a name or a password that cannot be encoded, and a server that proves nothing.
        raise _refused(error, 'log in to', database) from error


@functools.cache
def _address(host: str) -> str:
    """Both databases are mostly on one host, and a lookup in a cluster takes as long as the rest of a connection."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    # PostgreSQL may listen on one kind of address only, and then mostly on this.
    return str(min(found, key=lambda each: each[0] != socket.AF_INET)[4][0])


def _tls(endpoint: Endpoint) -> ssl.SSLContext:
    """Verified where the authority is known, encrypted only where it is not.

    Raises:
        Unreachable: when an authority is named and cannot be read.
    """
    # Beside certificates PEM may hold comments in any language, and OpenSSL takes ASCII only.
    authority = '\n'.join(_CERTIFICATE.findall(endpoint.ca))
    try:
        if endpoint.ca and not authority:
            raise ValueError('it has no BEGIN CERTIFICATE')
        context = ssl.create_default_context(cadata=authority or None)
    except (ssl.SSLError, ValueError, TypeError) as error:
        raise Unreachable(
            f'{endpoint.host} is not asked: the authority that the database relation names is no certificate ({error})',
            untrusted=True,
        ) from error
    if not authority:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _code(error: Exception) -> str:
    """PostgreSQL's SQLSTATE; empty where the error is not PostgreSQL's."""
    detail = error.args[0] if error.args else None
    return str(detail.get('C', '')) if isinstance(detail, dict) else ''


def _refused(error: Exception, what: str, database: Database) -> Unreachable:
    """What could not be done and why, in PostgreSQL's words, which never hold the password."""
    endpoint, code = database.endpoint, _code(error)
    if code == _NO_SUCH_DATABASE:
        return Unreachable(f'there is no database {endpoint.name} on {endpoint.host}', code)
    detail = error.args[0] if error.args else error
    reason = detail.get('M', detail) if isinstance(detail, dict) else error
    return Unreachable(f'cannot {what} {endpoint.name} on {endpoint.host}: {reason}', code)
