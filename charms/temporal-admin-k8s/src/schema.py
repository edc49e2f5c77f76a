"""Reads the versions of the schemas from the databases themselves. The only module that speaks to PostgreSQL."""

from __future__ import annotations

import functools
import socket
import ssl

from pg8000 import native
from pg8000.exceptions import DatabaseError, InterfaceError
from temporal_charms.databases import Database

_UNDEFINED_TABLE = '42P01'


class Unreachable(Exception):
    """A database cannot be asked; the sentence names it and why."""


def version(database: Database) -> str | None:
    """The schema version in a database; None where there is no schema yet.

    Raises:
        Unreachable: when the database does not answer or refuses the login.
    """
    endpoint = database.endpoint
    place = f'{endpoint.name} on {endpoint.host}'
    try:
        connection = native.Connection(
            database.username,
            host=endpoint.host if endpoint.tls else _address(endpoint.host),
            port=endpoint.port,
            database=endpoint.name,
            password=database.password,
            timeout=10,
            ssl_context=_tls(endpoint.ca) if endpoint.tls else None,
        )
    except (InterfaceError, DatabaseError, OSError) as error:
        raise Unreachable(f'cannot log in to {place}: {_reason(error)}') from error
    try:
        rows = connection.run('SELECT curr_version FROM schema_version WHERE db_name = :name', name=endpoint.name)
    except DatabaseError as error:
        if error.args[0].get('C') == _UNDEFINED_TABLE:
            return None
        raise Unreachable(f'cannot read the schema version of {place}: {_reason(error)}') from error
    except (InterfaceError, OSError) as error:
        raise Unreachable(f'cannot read the schema version of {place}: {_reason(error)}') from error
    finally:
        connection.close()
    return str(rows[0][0]) if rows else None


@functools.cache
def _address(host: str) -> str:
    """Both databases are mostly on one host, and a lookup in a cluster takes as long as the rest of a connection."""
    return socket.gethostbyname(host)


def _tls(ca: str) -> ssl.SSLContext:
    """Verified where the authority is known, encrypted only where it is not."""
    context = ssl.create_default_context(cadata=ca or None)
    if not ca:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _reason(error: Exception) -> str:
    """PostgreSQL's message, which never holds the password."""
    detail = error.args[0] if error.args else error
    return str(detail.get('M', detail) if isinstance(detail, dict) else detail)
