"""Everything that can happen to the suite: what operators do, what Kubernetes, Juju and PostgreSQL do, and deaths.

A happening takes the world and a number, which chooses among the possibilities there are; one that is not possible now
does nothing, as Juju refuses a second relation where the limit is one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from stateful.model import Hook, Relation, Unit
from stateful.outside import UNKNOWN_KEY
from stateful.suite import ADMIN, ENDS, MEMBER, SERVER, Suite

T = TypeVar('T')
Happening = Callable[[Suite, int], Any]
VERSIONS = ('1.32.2', '1.31.2', '1.30.4', '')
"""Images: two that are supported, one that is not, and one without any of the programs."""

GOOD: dict[str, tuple[Any, ...]] = {
    'num-history-shards': (512, 4),
    'log-level': ('info', 'debug'),
    'persistence-max-conns': (5, 3),
    'global-rps-limit': (2400, 100),
    'namespace-rps-limit': ('', 'orders:100|stock:200'),
    'dynamic-config': ('', 'limit.blobSize.error: [{value: 4194304}]'),
    'external-hostname': ('', 'flow.example.com'),
    'services': ('frontend', 'history,matching,worker'),
}
"""Values that options may have; roles only for who shares a cluster."""

BAD: dict[str, tuple[Any, ...]] = {
    'num-history-shards': (0, 99999),
    'log-level': ('loud',),
    'persistence-max-conns': (0, 90),
    'global-rps-limit': (-1,),
    'namespace-rps-limit': ('orders',),
    'dynamic-config': ('{', '[1]', f'{UNKNOWN_KEY}: [{{value: 1}}]'),
    'external-hostname': ('No Name!',),
    'services': ('', 'internal-frontend', 'frontend,history'),
}
"""Values that block, `persistence-max-conns=90` since it is more than PostgreSQL has."""

_SETTINGS = [(name, value) for options in (GOOD, BAD) for name, values in options.items() for value in values]
MOST_UNITS = 3
PAIRS = ('db', 'visibility'), ('database', 'visibility-database')


def _pick(things: Sequence[T], number: int) -> T:
    return things[number % len(things)]


def _due(suite: Suite) -> list[tuple[Unit, Hook]]:
    return [(unit, hook) for unit in suite.units() for hook in suite.due(unit)]


def deliver(suite: Suite, number: int) -> None:
    """One hook that is due runs, on any unit."""
    due = _due(suite)
    if due:
        suite.deliver(*_pick(due, number))


def catch_up(suite: Suite, number: int) -> None:
    """One unit runs some of its hooks one after the other."""
    unit = _pick(suite.units(), number)
    for _ in range(2 + number % 5):
        due = suite.due(unit) if unit in suite.units() else []
        if due:
            suite.deliver(unit, _pick(due, number))


def die(suite: Suite, number: int) -> None:
    """A unit dies in a hook, at any of its commands; Juju runs the hook again later."""
    due = _due(suite)
    if due:
        suite.deliver(*_pick(due, number), die_at=1 + number % 61)


def die_with_pod(suite: Suite, number: int) -> None:
    """The same, and the whole pod with it."""
    die(suite, number)
    for unit in suite.units():
        if unit.failed:
            suite.replace_pod(unit)


def update_status(suite: Suite, number: int) -> None:
    """Juju's clock runs."""
    units = [
        unit
        for unit in suite.units()
        if unit.started and not (unit.failed or unit.queued or unit.dying or unit.rebooted)
    ]
    if units:
        suite.run(_pick(units, number), Hook('update-status'))


def configure(suite: Suite, number: int) -> None:
    """The operator sets an option, not always well."""
    name, value = _pick(_SETTINGS, number)
    servers = [app for app in suite.charms() if app != ADMIN]
    suite.configure(_pick(servers, number // len(_SETTINGS)), {name: value})


def integrate(suite: Suite, number: int) -> None:
    """The operator adds a relation; never a second one where the limit is one."""
    free = [name for name in ENDS if name != 'join-cluster' and not suite.related(SERVER, name)]
    if free:
        suite.integrate(SERVER, _pick(free, number))


def integrate_pair(suite: Suite, number: int) -> None:
    """The operator adds what is missing: a pair of databases, the admin charm, and who shares the cluster."""
    for endpoint in (*_pick(PAIRS, number), 'admin'):
        if not suite.related(SERVER, endpoint):
            suite.integrate(SERVER, endpoint)
    if MEMBER in suite.charms() and not suite.related(MEMBER, 'join-cluster'):
        suite.integrate(MEMBER, 'join-cluster')


def _relations(suite: Suite) -> list[Relation]:
    return [relation for relation in suite.relations.values() if not (relation.peer or relation.dying)]


def separate(suite: Suite, number: int) -> None:
    """The operator removes a relation."""
    alive = _relations(suite)
    if alive:
        suite.separate(_pick(alive, number))


def scale_up(suite: Suite, number: int) -> None:
    """One more unit; Kubernetes starts none while another one stops."""
    app = _pick(suite.charms(), number)
    units = suite.applications[app].units
    if len(units) < MOST_UNITS and not any(unit.dying for unit in units.values()):
        suite.add_unit(app)


def scale_down(suite: Suite, number: int) -> None:
    """One unit less."""
    app = _pick(suite.charms(), number)
    units = suite.applications[app].units
    if len(units) > 1 and not any(unit.dying for unit in units.values()):
        suite.remove_unit(app)


def lead(suite: Suite, number: int) -> None:
    """Another unit becomes the leader."""
    app = _pick(suite.charms(), number)
    fit = [unit.number for unit in suite.applications[app].units.values() if not unit.dying]
    suite.lead(app, _pick(fit, number // 3))


def attach(suite: Suite, number: int) -> None:
    """The operator attaches another image."""
    suite.attach(_pick(suite.charms(), number), _pick(VERSIONS, number // 3))


def replace_pod(suite: Suite, number: int) -> None:
    """A pod is killed."""
    suite.replace_pod(_pick(suite.units(), number))


def restart_container(suite: Suite, number: int) -> None:
    """A container is killed."""
    suite.restart_container(_pick(suite.units(), number))


def come_up(suite: Suite, number: int) -> None:
    """A container has started."""
    starting = [container for container in suite.containers() if not container.reachable]
    if starting:
        _pick(starting, number).come_up()


def start_again(suite: Suite, number: int) -> None:
    """Pebble starts again what had ended at once."""
    suite.start_again(_pick(suite.containers(), number))


def serve(suite: Suite, number: int) -> None:
    """A server has come so far that it serves."""
    suite.serve(_pick(suite.containers(), number))


def fail(suite: Suite, number: int) -> None:
    """A server stops answering."""
    _pick(suite.containers(), number).fail()


def examine(suite: Suite, number: int) -> None:
    """Pebble's checks run."""
    container = _pick(suite.containers(), number)
    for name in container.checks:
        container.examine(name)


def watch(suite: Suite, number: int) -> None:
    """The admin charm's watcher looks at the databases."""
    suite.watch(_pick(suite.containers(), number))


def answer(suite: Suite, number: int) -> None:
    """PostgreSQL gets round to a relation."""
    unanswered = suite.postgresql.unanswered(suite)
    if unanswered:
        suite.postgresql.answer(suite, _pick(unanswered, number))


def rotate(suite: Suite, number: int) -> None:
    """PostgreSQL gives a user another password."""
    known = [relation for relation in _relations(suite) if relation.id in suite.postgresql.logins]
    if known:
        suite.postgresql.rotate(_pick(known, number))


def move(suite: Suite, number: int) -> None:
    """Another host becomes PostgreSQL's primary."""
    suite.postgresql.primary = number % 2


def stop_database(suite: Suite, number: int) -> None:
    """PostgreSQL does not answer, or does again."""
    suite.postgresql.down = number % 3 == 0


def lock(suite: Suite, number: int) -> None:
    """Somebody else works on the schemas, or does no longer."""
    suite.postgresql.locked = number % 3 == 0


def break_tool(suite: Suite, number: int) -> None:
    """The schema tool fails from now on, or no longer."""
    suite.tool_breaks = number % 2 == 0


def restore(suite: Suite, number: int) -> None:
    """A database comes back from an old backup, or empty."""
    schemas = suite.postgresql.schemas
    if schemas:
        schemas[_pick(sorted(schemas), number)] = ('1.2', None)[number // 2 % 2]
        _fail_all(suite)


def drop(suite: Suite, number: int) -> None:
    """A database is gone."""
    schemas = suite.postgresql.schemas
    if schemas:
        name = _pick(sorted(schemas), number)
        del schemas[name]
        suite.postgresql.shards.pop(name, None)
        _fail_all(suite)


def _fail_all(suite: Suite) -> None:
    for container in suite.containers():
        container.fail()


HAPPENINGS: dict[str, Happening] = {
    function.__name__: function
    for function in (
        catch_up,
        die,
        die_with_pod,
        update_status,
        configure,
        integrate,
        integrate_pair,
        separate,
        scale_up,
        scale_down,
        lead,
        attach,
        replace_pod,
        restart_container,
        come_up,
        start_again,
        serve,
        fail,
        examine,
        watch,
        answer,
        rotate,
        move,
        stop_database,
        lock,
        break_tool,
        restore,
        drop,
    )
}
"""All but `deliver`, by name."""


def mend(suite: Suite) -> None:
    """What an operator does in the end: everything that is wrong is put right, and nothing else is touched."""
    pg = suite.postgresql
    suite.tool_breaks = pg.down = pg.locked = False
    for app in suite.charms():
        if suite.version(app) not in VERSIONS[:2]:
            suite.attach(app, VERSIONS[0])
    if MEMBER in suite.charms() and suite.version(MEMBER) != suite.version(SERVER):
        suite.attach(MEMBER, suite.version(SERVER))
    current = any(suite.related(SERVER, endpoint) for endpoint in PAIRS[1])
    for relation in _relations(suite):
        # Of two kinds of databases the older is given up.
        if current and any(side.endpoint in PAIRS[0] and side.app == SERVER for side in relation.sides):
            suite.separate(relation)
    suite.settle()
    legacy = any(suite.related(SERVER, endpoint) for endpoint in PAIRS[0])
    integrate_pair(suite, int(current or not legacy))
    for relation in _relations(suite):
        asked = relation.sides[0].data.get('database')
        if asked and (asked in pg.shards or relation.id in pg.logins):
            pg.schemas.setdefault(asked, None)
    for app in suite.charms():
        suite.configure(app, _mended(suite, app))
    suite.settle()


def _mended(suite: Suite, app: str) -> dict[str, Any]:
    """The options of an application, bad ones reset and the shards as they are fixed."""
    config = suite.applications[app].config
    mended = {name: value if value in GOOD[name] else None for name, value in config.items()}
    if MEMBER in suite.charms():
        mended['services'] = GOOD['services'][app == MEMBER] if app != ADMIN else None
    else:
        mended['services'] = None
    if app == MEMBER:
        # They are for the application to set that has the databases.
        mended |= {'namespace-rps-limit': None, 'dynamic-config': None}
    if app == SERVER:
        in_database = [number for name, number in suite.postgresql.shards.items() if name in suite.postgresql.schemas]
        first = suite.related(SERVER, 'peer')[0].sides[0].data.get('shards')
        if in_database or first:
            mended['num-history-shards'] = in_database[0] if in_database else int(first or 0)
    return mended
