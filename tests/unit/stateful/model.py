"""What a Juju model is made of: hooks, relations, secrets, units. `juju.py` gives them life."""

from __future__ import annotations

import dataclasses
from typing import Any

from ops import testing

from stateful.container import Container

Databag = dict[str, str]


@dataclasses.dataclass(frozen=True)
class Hook:
    """One hook.

    Attributes:
        kind: as Juju calls it, without the names of endpoint and container.
        relation: its relation's number.
        unit: the remote unit's number.
        secret: a secret's URI.
        revision: of the secret.
        container: a container's name.
        key: of a notice or a check.
    """

    kind: str
    relation: int = -1
    unit: int | None = None
    secret: str = ''
    revision: int = 0
    container: str = ''
    key: str = ''

    def __str__(self) -> str:
        parts = [self.kind, self.container, self.key, self.secret, str(self.revision or '')]
        parts += [f'of relation {self.relation}'] if self.relation >= 0 else []
        parts += [f'with unit {self.unit}'] if self.unit is not None else []
        return ' '.join(part for part in parts if part)


@dataclasses.dataclass
class Side:
    """One application's side of a relation.

    Attributes:
        app: the application.
        endpoint: its endpoint.
        data: the application's databag.
        version: how often that has changed.
        units: the databags of the units in the relation's scope.
        versions: how often those have changed.
    """

    app: str
    endpoint: str
    data: Databag = dataclasses.field(default_factory=dict)
    version: int = 0
    units: dict[int, Databag] = dataclasses.field(default_factory=dict)
    versions: dict[int, int] = dataclasses.field(default_factory=dict)

    def write(self, data: Databag) -> None:
        """Replace the application's databag."""
        if data != self.data:
            self.data, self.version = dict(data), self.version + 1

    def write_unit(self, number: int, data: Databag) -> None:
        """Replace a unit's databag, with which the unit enters if it is not there yet."""
        if data != self.units.get(number):
            self.units[number] = dict(data)
            self.versions[number] = self.versions.get(number, 0) + 1


@dataclasses.dataclass
class Relation:
    """A relation; one between peers has one side."""

    id: int
    interface: str
    sides: list[Side]
    dying: bool = False

    def of(self, app: str) -> Side | None:
        """An application's own side."""
        return next((side for side in self.sides if side.app == app), None)

    def other(self, app: str) -> Side:
        """The side that an application sees; its own between peers."""
        return next((side for side in self.sides if side.app != app), self.sides[0])

    @property
    def peer(self) -> bool:
        """Whether it is between peers."""
        return len(self.sides) == 1


@dataclasses.dataclass
class Secret:
    """A secret.

    Attributes:
        id: its URI.
        owner: the application that owns it.
        label: the owner's.
        revisions: contents by number.
        latest: the newest number.
        grants: relations over which it may be read.
        tracked: which revision each consuming unit follows.
    """

    id: str
    owner: str
    label: str | None
    revisions: dict[int, dict[str, str]]
    latest: int = 1
    grants: set[int] = dataclasses.field(default_factory=set)
    tracked: dict[str, int] = dataclasses.field(default_factory=dict)

    def update(self, content: dict[str, str]) -> None:
        """Add a revision."""
        self.latest += 1
        self.revisions[self.latest] = dict(content)


@dataclasses.dataclass
class Seen:
    """What a unit's agent knows of a relation: the versions that it has told its charm."""

    created: bool = False
    app: int = 0
    members: dict[int, int] = dataclasses.field(default_factory=dict)
    pending: int | None = None


@dataclasses.dataclass
class Unit:
    """A unit, with what its agent remembers.

    `deposed` is one that has led, and has had no hook since: it is told by none that it leads no longer.
    """

    app: str
    number: int
    containers: dict[str, Container]
    incarnation: int = 0
    installed: bool = False
    started: bool = False
    stopped: bool = False
    dying: bool = False
    rebooted: bool = False
    leader: bool = False
    deposed: bool = False
    queued: Hook | None = None
    failed: Hook | None = None
    config: tuple[int, int] = (-1, -1)
    relations: dict[int, Seen] = dataclasses.field(default_factory=dict)
    secrets: dict[str, int] = dataclasses.field(default_factory=dict)
    obsolete: set[tuple[str, int]] = dataclasses.field(default_factory=set)
    status: testing.UnknownStatus | Any = dataclasses.field(default_factory=testing.UnknownStatus)
    version: str = ''
    ports: frozenset[Any] = frozenset()

    @property
    def name(self) -> str:
        """As Juju writes it."""
        return f'{self.app}/{self.number}'

    @property
    def address(self) -> str:
        """The pod's; another one for each pod."""
        return f'10.{self.incarnation}.{sum(map(ord, self.app)) % 200}.{self.number}'

    @property
    def network(self) -> Databag:
        """What Juju itself writes into the unit's databags."""
        address = self.address
        return {'egress-subnets': f'{address}/32', 'ingress-address': address, 'private-address': address}


@dataclasses.dataclass
class Application:
    """An application; without units of its own if a test plays it.

    Attributes:
        images: the version of each program, by container.
    """

    name: str
    images: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    config_version: int = 0
    leader: int | None = 0
    units: dict[int, Unit] = dataclasses.field(default_factory=dict)
