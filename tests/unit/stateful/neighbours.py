"""PostgreSQL beside the suite, played by the tests: databases with schemas, logins, and both ways of providing them."""

from __future__ import annotations

import dataclasses

from stateful.juju import World
from stateful.model import Databag, Relation

PASSWORD = 'hush'
"""What every password begins with, so that one is found wherever it stands."""

LEGACY, CURRENT = 'pgsql', 'postgresql_client'
_PORT = 5432


class Refused(Exception):
    """PostgreSQL does not let in who asks; the message is PostgreSQL's.

    Attributes:
        code: SQLSTATE; empty where it does not answer.
    """

    def __init__(self, message: str, code: str = ''):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass
class Postgresql:
    """A PostgreSQL application.

    Attributes:
        app: its name.
        primary: the number of the host that is the primary now.
        down: whether it does not answer.
        schemas: the schema version in each database; None without a schema.
        shards: the number of history shards that a cluster was first started with, in its database.
        locked: whether somebody works on the schemas.
        logins: the password of each relation.
        passwords: how many there have been.
    """

    app: str
    primary: int = 0
    down: bool = False
    schemas: dict[str, str | None] = dataclasses.field(default_factory=dict)
    shards: dict[str, int] = dataclasses.field(default_factory=dict)
    locked: bool = False
    logins: dict[int, str] = dataclasses.field(default_factory=dict)
    passwords: int = 0

    @property
    def host(self) -> str:
        """Where the primary is."""
        return f'{self.app}-{self.primary}.{self.app}-endpoints'

    def rotate(self, relation: Relation) -> None:
        """Give a relation's user another password; the old one does not do any more."""
        self.passwords += 1
        # With what connection strings and URIs must quote.
        self.logins[relation.id] = f"{PASSWORD}{self.passwords}&s'w%rd"

    def enter(self, host: str, database: str, user: str, password: str) -> None:
        """Log in.

        Raises:
            Refused: with the reason.
        """
        if self.down or host != self.host:
            raise Refused('connection refused')
        if password != self.logins.get(int(user.rpartition('_')[2])):
            raise Refused(f'password authentication failed for user "{user}"', '28P01')
        if database not in self.schemas:
            raise Refused(f'database "{database}" does not exist', '3D000')

    def unanswered(self, world: World) -> list[Relation]:
        """The relations on which something is to be said that has not been said yet."""
        relations = [*world.related(self.app, 'db'), *world.related(self.app, 'database')]
        return [relation for relation in relations if not relation.dying and self._news(world, relation)]

    def answer(self, world: World, relation: Relation) -> None:
        """Say on a relation what is to be said, making database and user before."""
        own = relation.of(self.app)
        assert own
        self.schemas.setdefault(self._wanted(relation), None)
        if relation.id not in self.logins:
            self.rotate(relation)
        said = self._said(relation)
        if relation.interface == CURRENT:
            user = said['secret-user']
            content = {'username': _user(relation), 'password': self.logins[relation.id]}
            if user not in world.secrets:
                world.new_secret(self.app, content, id=user).grants = {relation.id}
                world.new_secret(self.app, {'tls': 'False'}, id=said['secret-tls']).grants = {relation.id}
            elif world.secrets[user].revisions[world.secrets[user].latest] != content:
                world.secrets[user].update(content)
        else:
            own.write_unit(0, said)
        own.write(said)

    def leave(self, world: World, relation: Relation) -> None:
        """Take back what a relation has had; the databases stay."""
        self.logins.pop(relation.id, None)
        for name in ('user', 'tls'):
            world.secrets.pop(_secret(relation, name), None)

    def _news(self, world: World, relation: Relation) -> bool:
        """Whether `answer` would change anything."""
        if not self._wanted(relation) or self.down:
            return False
        own = relation.of(self.app)
        assert own
        if relation.id not in self.logins or own.data != self._said(relation):
            return True
        if relation.interface == LEGACY:
            return False
        secret = world.secrets[_secret(relation, 'user')]
        return secret.revisions[secret.latest]['password'] != self.logins[relation.id]

    def _wanted(self, relation: Relation) -> str:
        """The database asked for; the legacy way only once every unit has repeated it."""
        asking = relation.other(self.app)
        own = relation.of(self.app)
        if own and own.data:
            return own.data['database']
        wanted = asking.data.get('database', '')
        if relation.interface == CURRENT or all(unit.get('database') == wanted for unit in asking.units.values()):
            return wanted
        return ''

    def _said(self, relation: Relation) -> Databag:
        """What the databags say when all is said."""
        database = self._wanted(relation)
        if relation.interface == CURRENT:
            return {
                'database': database,
                'endpoints': f'{self.host}:{_PORT}',
                'secret-user': _secret(relation, 'user'),
                'secret-tls': _secret(relation, 'tls'),
            }
        password = self.logins.get(relation.id, '').replace('\\', '\\\\').replace("'", "\\'")
        units = relation.other(self.app).units.values()
        return {
            'database': database,
            'allowed-subnets': ','.join(sorted(unit['egress-subnets'] for unit in units)),
            'master': f"dbname={database} host={self.host} password='{password}' port={_PORT} user={_user(relation)}",
        }


def _user(relation: Relation) -> str:
    return f'relation_id_{relation.id}'


def _secret(relation: Relation, name: str) -> str:
    return f'secret:{name}{relation.id:0{20 - len(name)}d}'
