"""The SQL that the charm runs, as text for psql."""

from __future__ import annotations

from server import OPERATOR, REPLICATION


def own_roles(operator: str, replication: str) -> str:
    """The charm's own two roles, with their passwords; nothing is written where they are there."""
    return '\n'.join(
        [
            _create_role(OPERATOR, f'SUPERUSER LOGIN PASSWORD {_literal(operator)}'),
            _create_role(REPLICATION, f'REPLICATION LOGIN PASSWORD {_literal(replication)}'),
        ]
    )


def database(name: str, user: str) -> str:
    """A database and a user who may do everything in it, without a password yet.

    The database belongs to a role that the user takes on at login: what one user made, the next one owns, too.
    """
    owner = f'{name}_owner'
    # \gexec runs what a query gives: PostgreSQL has no CREATE ROLE IF NOT EXISTS.
    return '\n'.join(
        [
            *(_create_role(role, options) for role, options in ((owner, 'NOLOGIN'), (user, 'LOGIN'))),
            f'GRANT {_name(owner)} TO {_name(user)};',
            f'SELECT {_literal(f"CREATE DATABASE {_name(name)} OWNER {_name(owner)}")} '
            f'WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = {_literal(name)}) \\gexec',
            f'REVOKE ALL ON DATABASE {_name(name)} FROM PUBLIC;',
            f'ALTER ROLE {_name(user)} IN DATABASE {_name(name)} SET role = {_name(owner)};',
            f'\\connect {_name(name)}',
            f'GRANT ALL ON SCHEMA public TO {_name(owner)};',
        ]
    )


def password(user: str, text: str) -> str:
    """A user's password."""
    return f'ALTER ROLE {_name(user)} PASSWORD {_literal(text)};'


def end_sessions(user: str) -> str:
    """Throw a user out."""
    return f'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = {_literal(user)};'


def drop_user(user: str) -> str:
    """Remove the user of a relation that is gone; the database stays."""
    return f'{end_sessions(user)}\nDROP ROLE {_name(user)};'


def state(prefix: str) -> str:
    """The server's version, and the users whose names begin so: one line each."""
    return f'SHOW server_version;\nSELECT rolname FROM pg_roles WHERE rolname LIKE {_literal(prefix + "%")};'


def _create_role(role: str, options: str) -> str:
    return (
        f'SELECT {_literal(f"CREATE ROLE {_name(role)} {options}")} '
        f'WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {_literal(role)}) \\gexec'
    )


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
