"""Lives of a suite in which every kind of event comes, one after the other, for tests that look at each of them."""

from __future__ import annotations

from collections.abc import Callable

from stateful import happenings
from stateful.suite import ADMIN, MEMBER, SERVER, Suite

Story = Callable[[Suite], None]


def legacy(suite: Suite) -> None:
    """One unit with the legacy databases: is configured, moved, refreshed, loses everything, and gets it back."""
    suite.deploy(SERVER, 1)
    suite.deploy(ADMIN, 1)
    suite.settle()
    for endpoint in ('db', 'visibility', 'admin', 'ingress'):
        suite.integrate(SERVER, endpoint)
    suite.settle()
    for options in (
        {'external-hostname': 'flow.example.com', 'global-rps-limit': 100},
        {'log-level': 'debug', 'dynamic-config': happenings.GOOD['dynamic-config'][1]},
        {'num-history-shards': 0},
        {'num-history-shards': None},
    ):
        suite.configure(SERVER, options)
        suite.settle()
    _rotate(suite)
    suite.postgresql.primary = 1
    suite.settle()
    suite.attach(SERVER, '1.31.2')
    suite.settle()
    suite.restart_container(suite.applications[ADMIN].units[0])
    suite.settle()
    suite.replace_pod(suite.applications[ADMIN].units[0])
    suite.settle()
    _part(suite)
    happenings.integrate_pair(suite, 0)
    suite.settle()


def current(suite: Suite) -> None:
    """Two units of each, with the current databases: trouble, restarts in turn, another leader, scaling."""
    suite.deploy(SERVER, 2)
    suite.deploy(ADMIN, 2)
    for endpoint in ('database', 'visibility-database', 'admin', 'nginx-route', 'temporal-host-info'):
        suite.integrate(SERVER, endpoint)
    suite.settle()
    _rotate(suite)
    container = suite.applications[SERVER].units[0].containers['temporal']
    container.fail()
    for name in container.checks:
        container.examine(name)
    suite.settle()
    suite.configure(SERVER, {'log-level': 'debug'})
    suite.settle()
    suite.lead(SERVER, 1)
    suite.lead(ADMIN, 1)
    suite.settle()
    suite.postgresql.schemas = dict.fromkeys(suite.postgresql.schemas, '1.2')
    suite.settle()
    suite.add_unit(SERVER)
    suite.settle()
    suite.replace_pod(suite.applications[SERVER].units[1])
    suite.settle()
    suite.remove_unit(SERVER)
    suite.remove_unit(ADMIN)
    suite.settle()
    _part(suite)


def split(suite: Suite) -> None:
    """Roles in two applications, which come together, upgrade and part."""
    suite.deploy(SERVER, 1, '1.31.2', services='frontend')
    suite.deploy(ADMIN, 1)
    suite.deploy(MEMBER, 1, '1.31.2', services='history,matching,worker')
    happenings.integrate_pair(suite, 1)
    suite.settle()
    suite.configure(SERVER, {'dynamic-config': happenings.GOOD['dynamic-config'][1]})
    suite.settle()
    _rotate(suite)
    for app in (SERVER, MEMBER):
        suite.attach(app, '1.32.2')
        suite.settle()
    _part(suite)


def _rotate(suite: Suite) -> None:
    for relation in list(suite.relations.values()):
        if relation.of(suite.postgresql.app):
            suite.postgresql.rotate(relation)
            suite.settle()


def _part(suite: Suite) -> None:
    for relation in [relation for relation in suite.relations.values() if not relation.peer]:
        suite.separate(relation)
        suite.settle()


STORIES: tuple[Story, ...] = (legacy, current, split)
