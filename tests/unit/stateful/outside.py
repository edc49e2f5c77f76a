"""What the charms reach without Juju, as the world has it: the pod's address, the server, PostgreSQL, programs.

Where the charms reach out, they find these functions while an event of theirs runs.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar

import temporal_charms.workload
from temporal_charms import postgresql

from stateful.container import Container, Programs
from stateful.model import Unit
from stateful.neighbours import Postgresql, Refused
from stateful.rooms import REPOSITORY, Room

if TYPE_CHECKING:
    from stateful.suite import Suite

SERVER_SOURCE = REPOSITORY
ADMIN_SOURCE = REPOSITORY / 'charms' / 'temporal-admin-k8s'
SCHEMAS = {'temporal': '1.19', 'visibility': '1.14'}
"""The schemas that the tools of all releases carry which the suite knows."""

CONNECTIONS = 97
"""What PostgreSQL's default of 100 leaves to ordinary roles."""

UNKNOWN_KEY = 'no.such.key'
"""A key of the dynamic configuration that the server does not know."""

server = Room(SERVER_SOURCE / 'src')
admin = Room(ADMIN_SOURCE / 'src')


class _Here:
    """The unit whose event runs."""

    suite: Suite
    unit: Unit
    said: ClassVar[set[tuple[str, str]]] = set()


def said() -> set[tuple[str, str]]:
    """The statuses that conditions of the charm have given in this event: name and message."""
    return _Here.said


@contextlib.contextmanager
def entered(suite: Suite, unit: Unit) -> Iterator[None]:
    """While a unit's event runs."""
    _Here.suite, _Here.unit = suite, unit
    _Here.said.clear()
    library: Any = postgresql, temporal_charms.workload
    inspect, configuration = library[0].inspect, library[1].configuration
    library[0].inspect, library[1].configuration = _inspect, _readable
    try:
        yield
    finally:
        library[0].inspect, library[1].configuration = inspect, configuration


def _readable(files: Any) -> str:
    """Instead of a hash: what is hashed, so that worlds with other addresses and numbers can be compared."""
    return '\n'.join(f'{file.path}\n{file.content}' for file in files if file.restarts)


def _pod_address() -> tuple[str, str]:
    unit = _Here.unit
    return unit.address, f'{unit.app}-{unit.number}.{unit.app}-endpoints.{_Here.suite.model}.svc.cluster.local'


def _health() -> Any:
    container = _Here.unit.containers['temporal']
    module: Any = server.modules['probe']
    if 'temporal' not in container.running:
        return module.Health(False, 'the server to start')
    return module.Health(container.serving, '' if container.serving else 'frontend, history')


def _inspect(database: Any) -> postgresql.Inspection:
    endpoint, pg = database.endpoint, _Here.suite.postgresql
    try:
        pg.enter(endpoint.host, endpoint.name, database.username, database.password)
    except Refused as refused:
        place = f'{endpoint.name} on {endpoint.host}'
        raise postgresql.Unreachable(f'cannot log in to {place}: {refused}', refused.code) from refused
    return postgresql.Inspection(
        '16.9',
        endpoint.tls,
        CONNECTIONS,
        1,
        pg.schemas[endpoint.name],
        pg.shards.get(endpoint.name),
        locked=pg.locked,
    )


def state(pg: Postgresql, login: dict[str, Any]) -> str:
    """How the watcher in the admin charm's container sees a database (watcher/watch.go)."""
    try:
        pg.enter(login['host'], login['name'], login['user'], login['password'])
    except Refused as refused:
        return f'!{refused.code[:2]}'
    return 'busy' if pg.locked else f'{pg.schemas[login["name"]] or "0.0"}@{CONNECTIONS}'


class Tools(Programs):
    """The programs of the images, and those that the charms push."""

    def __init__(self, suite: Suite):
        self._suite = suite

    def lasts(self, container: Container, service: str) -> bool:
        """A server ends at once if PostgreSQL does not answer."""
        del container
        return service != 'temporal' or not self._suite.postgresql.down

    def run(
        self, container: Container, command: list[str], environment: dict[str, str], given: str
    ) -> tuple[int, str, str] | None:
        """Run one to its end."""
        del environment, given
        name, *arguments = command
        if name.endswith('/temporal-schema'):
            return self._migrate(container, arguments) if name in container.files else None
        version = container.image.get(name)
        if version is None:
            return None
        if arguments == ['--version']:
            return 0, f'{name} version {version}\n', ''
        if arguments[0] == 'validate-dynamic-config':
            content = container.files[arguments[1]].content.decode()
            return 0, f'  warning: unregistered key: {UNKNOWN_KEY}\n' if UNKNOWN_KEY in content else '', ''
        return 0, '', ''

    def _migrate(self, container: Container, arguments: list[str]) -> tuple[int, str, str]:
        """`temporal-schema run`: each database by itself, to what the image's tool carries."""
        assert arguments[:2] == ['run', '--databases']
        pg, logins = self._suite.postgresql, json.loads(container.files[arguments[2]].content)
        if pg.locked:
            return 75, '', 'somebody else works on the schema'
        reports = []
        for name, schema in (argument.split('=') for argument in arguments[3:]):
            login, reason = logins[name], ''
            try:
                pg.enter(login['host'], login['name'], login['user'], login['password'])
            except Refused as refused:
                reason = f'cannot log in: {refused}'
            if self._suite.tool_breaks:
                reason = reason or 'disk full'
            elif not reason:
                pg.schemas[login['name']] = SCHEMAS[schema.rpartition('/')[2]]
            reports.append({'database': name, 'status': 'failed' if reason else 'done', 'reason': reason})
        failed = any(report['reason'] for report in reports)
        return int(failed), json.dumps(reports), 'the tool ended with status 1' if failed else ''


def started_with(container: Container) -> tuple[str, int]:
    """The database of workflows that a server was told of, and its number of shards."""
    text = container.files['/etc/temporal/config.yaml'].content.decode()
    (database, _), shards = re.findall(r'databaseName: "(.*)"', text), re.search(r'numHistoryShards: (\d+)', text)
    assert shards
    return database, int(shards[1])


def _remembering(status: Any) -> Any:
    def remembered(facts: Any) -> Any:
        result = status(facts)
        _Here.said.add((result.name, result.message))
        return result

    return remembered


def _patch() -> None:
    modules: dict[str, Any] = {name: module for name, module in server.modules.items() if module}
    modules['facts'].pod_address = _pod_address
    modules['probe'].ask = _health
    # Any file does for the programs that only a packed charm has.
    for room in (server, admin):
        modules = dict(room.modules)
        modules['workload']._PROGRAM = REPOSITORY / 'charmcraft.yaml'
        for condition in (*modules['conditions'].CONDITIONS, *modules['conditions'].OUTCOMES):
            object.__setattr__(condition, 'status', _remembering(condition.status))


_patch()
