"""The legacy interface `pgsql`, requirer's side, through ops-lib-pgsql.

The library's client object keeps StoredState, which a killed pod loses, and asks for `leader-get`, which Juju 4 has no
more. So only its stateless parts are used: the request of a joined relation, and the reading of the connection string
with the library's test of readiness (the provider has echoed the request and allowed our subnets). What the library
would keep in leadership settings is the request itself, which every unit knows.

The password stands in this interface's databag, by its design. This module is the one exemption from the rule that
nothing secret does.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator

import ops
from pgconnstr import ConnectionString
from pgsql import client

from temporal_charms import databags
from temporal_charms.databases import Database, Endpoint

_logger = logging.getLogger(__name__)
# The library tells every step, and Juju's log takes a process for each line.
_logger.setLevel(logging.INFO)

_PORT = 5432
"""Where none is said."""


def request(relation: ops.Relation, unit: ops.Unit, database: str, *, leader: bool) -> None:
    """Ask for a database. Old providers wait until every unit has repeated what the leader asked for.

    Args:
        relation: the relation.
        unit: this unit.
        database: the name to ask for. Extensions are not asked for: providers refuse that, and the owner of a
            database may create the ones that Temporal needs.
        leader: whether this unit may write the application's databag.
    """
    if leader and relation.data[unit.app].get('database') != database:
        databags.write(relation.data[unit.app], {'database': database})
    if relation.data[unit].get('database') != database:
        databags.write(relation.data[unit], {'database': database})


def database(relation: ops.Relation, unit: ops.Unit, name: str) -> Database | None:
    """The database that the provider has made; None until it is ready for this unit.

    Args:
        relation: the relation.
        unit: this unit.
        name: the database that was asked for.
    """
    with _leadership_settings({relation.id: {'database': name}}):
        text = client._master(_logger, relation, unit)
    if not text:
        return None
    master = ConnectionString(text)
    port = databags.port(str(master.port or _PORT))
    if not (master.host and port and master.user and master.password):
        return None
    return Database(Endpoint(master.host, port, master.dbname or name), master.user, master.password)


@contextlib.contextmanager
def _leadership_settings(settings: dict[int, dict[str, str]]) -> Iterator[None]:
    """Answer the library's question for leadership settings with what was asked for on each relation."""
    original = client._get_pgsql_leader_data
    client._get_pgsql_leader_data = lambda: settings
    try:
        yield
    finally:
        client._get_pgsql_leader_data = original
