"""A PostgreSQL that changes under a suite that works: TLS, passwords, the primary, the connections it allows.

Two suites share it, one by each pair of endpoints. Whatever happens, both end active by themselves.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator
from typing import Any

import jubilant
import pytest
import suite
import temporal
import yaml
from postgres import AS_POSTGRES, PROGRAMS, sql

# Several minutes: with all of them the tests would take longer than they may.
pytestmark = pytest.mark.soak

PG = suite.POSTGRESQL


@dataclasses.dataclass(frozen=True)
class Suite:
    """One of the suites.

    Attributes:
        databases: the pair of endpoints, as `suite.deploy_server` calls it.
        server: its server.
        admin: its admin tools.
        queue: its worker, and the worker's task queue.
    """

    databases: str
    server: str
    admin: str
    queue: str

    def address(self, juju: jubilant.Juju) -> str:
        """The server's Kubernetes service."""
        return f'{juju.status().apps[self.server].address}:7233'

    def store(self, juju: jubilant.Juju) -> dict[str, Any]:
        """What the server is told of its database of workflows."""
        content = suite.pod_exec(juju, f'{self.server}-0', 'temporal', 'cat /etc/temporal/config.yaml')
        return yaml.safe_load(content)['persistence']['datastores']['default']['sql']

    def password(self, juju: jubilant.Juju) -> str:
        """The password that the server uses."""
        return suite.pod_exec(juju, f'{self.server}-0', 'temporal', 'cat /etc/temporal/secrets/default-password')


CURRENT = Suite('current', 'engine', 'tools', 'pulse')
LEGACY = Suite('legacy', 'old-engine', 'old-tools', 'old-pulse')


def _deploy(juju: jubilant.Juju, wanted: Suite, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    if wanted.server not in juju.status().apps:
        suite.deploy_server(juju, databases=wanted.databases, app=wanted.server, admin=wanted.admin)
        suite.wait_active(juju, wanted.server, wanted.admin)
        folder = tmp_path_factory.mktemp(wanted.queue)
        suite.deploy_pulse(juju, folder, server=wanted.server, admin=wanted.admin, app=wanted.queue)
    return wanted


@pytest.fixture(scope='module')
def current(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A suite with `database` and `visibility-database`."""
    return _deploy(juju, CURRENT, tmp_path_factory)


@pytest.fixture(scope='module')
def legacy(juju: jubilant.Juju, current: Suite, tmp_path_factory: pytest.TempPathFactory) -> Suite:
    """A second suite, with `db` and `visibility`, beside the first."""
    return _deploy(juju, LEGACY, tmp_path_factory)


def _renew(juju: jubilant.Juju, **parameters: bool) -> None:
    """A new certificate; see the action for the parameters."""
    juju.run(f'{PG}/leader', 'lab-renew-certificate', {key.replace('_', '-'): v for key, v in parameters.items()})


def _sessions(juju: jubilant.Juju, unit: int = 0) -> dict[str, bool]:
    """The users who have sessions, and whether all their sessions are encrypted."""
    lines = sql(
        juju,
        'postgres',
        'SELECT usename, bool_and(ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) '
        r"WHERE usename LIKE 'relation\_id\_%' GROUP BY usename",
        unit,
    ).splitlines()
    return {line.split('|')[0]: line.endswith('|t') for line in lines}


@contextlib.contextmanager
def _working(juju: jubilant.Juju, *suites: Suite) -> Iterator[None]:
    """Workflows go on in each suite while the body runs; none of them fails, and all is active at the end."""
    loads = []
    with contextlib.ExitStack() as stack:
        for one in suites:
            loads.append(stack.enter_context(temporal.under_load(one.address(juju), one.queue, rate=2)))
        yield
        suite.wait_active(juju)
    for one, load in zip(suites, loads, strict=True):
        print(f'{one.databases}: {load}')
        assert not load.failures, f'{one.databases}: {load}'
    log = juju.cli('debug-log', '--replay', '--no-tail', '--level', 'ERROR')
    assert not re.findall(r'hook .* failed', log)


def _lets_in(juju: jubilant.Juju, user: str, password: str, mode: str = 'prefer') -> bool:
    """Whether PostgreSQL takes a password."""
    login = f'host={PG}-primary user={user} password={password} sslmode={mode} dbname=postgres'
    said = suite.pod_exec(
        juju, f'{PG}-0', 'postgresql', f'{AS_POSTGRES} {PROGRAMS}/psql "{login}" --command= 2>&1 && echo let in || true'
    )
    return said.endswith('let in\n')


def _ask_again(juju: jubilant.Juju, one: Suite) -> None:
    """Let the admin charm look at the databases now; it does so by itself later."""
    juju.exec('JUJU_DISPATCH_PATH=hooks/update-status ./dispatch', unit=f'{one.admin}/0')


@pytest.fixture(scope='module')
def suites(request: pytest.FixtureRequest) -> list[Suite]:
    """One by the current endpoints; where tests may take long, one by the legacy ones beside it."""
    names = ('current',) if 'not soak' in str(request.config.getoption('markexpr')) else ('current', 'legacy')
    return [request.getfixturevalue(name) for name in names]


def test_given_suites_at_work_when_passwords_are_rotated_then_they_go_on_with_the_new_ones(juju, suites):
    old = {one: one.password(juju) for one in suites}

    with _working(juju, *suites):
        juju.run(f'{PG}/leader', 'lab-rotate-passwords')
        for one in suites:
            suite.wait_until(lambda one=one: one.password(juju) != old[one], 'the new password has arrived')

    for one in suites:
        user = one.store(juju)['user']
        assert not _lets_in(juju, user, old[one])
        assert _lets_in(juju, user, one.password(juju))


def test_given_suites_at_work_when_postgresql_begins_to_speak_tls_then_they_follow_and_verify_what_they_can(
    juju, suites
):
    with _working(juju, *suites):
        juju.config(PG, {'lab-tls': True})
        suite.wait_until(lambda: 'tls' in CURRENT.store(juju), 'the server is told of TLS', timeout=120)

    assert CURRENT.store(juju)['tls']['enableHostVerification'] is True
    for one in suites:
        assert not _lets_in(juju, one.store(juju)['user'], one.password(juju), 'disable')
    # The legacy interface has no word for TLS: there it is taken as it is offered.
    assert set(_sessions(juju).values()) == {True}


def test_given_a_certificate_of_another_authority_then_it_is_refused_with_a_sentence_and_told_of_it_all_is_well(
    juju, suites
):
    _renew(juju, new_authority=True, tell=False)
    sql(
        juju, 'postgres', r"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename LIKE 'relation\_id\_%'"
    )
    host = f'{PG}-primary.{juju.status().model.name}.svc.cluster.local'
    suite.wait_status(juju, CURRENT.admin, f'blocked: {host} is refused: its certificate is not by the authority')
    # It is not used: those who verify have no sessions.
    assert CURRENT.store(juju)['user'] not in _sessions(juju)

    _renew(juju, new_authority=True)
    suite.wait_active(juju)
    with _working(juju, *suites):
        # By the same authority, nobody has to be told.
        _renew(juju)


def test_given_suites_at_work_when_the_primary_moves_and_comes_back_then_they_follow(juju, suites):
    juju.add_unit(PG)
    juju.wait(lambda status: len(status.apps[PG].units) == 2, timeout=120, successes=1)
    suite.wait_active(juju)
    before = {one.queue: one.store(juju)['connectAddr'] for one in suites}

    for unit in (1, 0):
        with _working(juju, *suites):
            _move(juju, unit)

        # What clients are told stays as it was: a service that follows the primary.
        assert {one.queue: one.store(juju)['connectAddr'] for one in suites} == before


def _move(juju: jubilant.Juju, unit: int) -> None:
    juju.run(f'{PG}/{unit}', 'promote-to-primary', {'scope': 'unit'})

    def moved() -> bool:
        units = juju.status().apps[PG].units
        return {name: (u.workload_status.current, u.workload_status.message) for name, u in units.items()} == {
            f'{PG}/{n}': ('active', 'Primary' if n == unit else '') for n in range(2)
        }

    suite.wait_until(moved, 'the primary has moved', timeout=180)


def test_given_suites_that_are_told_the_primarys_pod_when_it_moves_then_they_follow_to_another_address(juju, suites):
    with _working(juju, *suites):
        juju.config(PG, {'lab-tell-pod': True})
        _wait_address(juju, suites, f'{PG}-0.{PG}-endpoints')
    with _working(juju, *suites):
        _move(juju, 1)
        _wait_address(juju, suites, f'{PG}-1.{PG}-endpoints')
    with _working(juju, *suites):
        juju.config(PG, reset='lab-tell-pod')
        _wait_address(juju, suites, f'{PG}-primary')
        _move(juju, 0)


def _wait_address(juju: jubilant.Juju, suites: list[Suite], host: str) -> None:
    def told() -> bool:
        return all(one.store(juju)['connectAddr'].startswith(f'{host}.') for one in suites)

    suite.wait_until(told, f'all are told {host}', timeout=120)


def test_given_suites_when_postgresql_allows_too_few_connections_then_blocked_says_the_numbers(juju, suites):
    juju.config(PG, {'experimental_max_connections': 30})
    suite.wait_active(juju, PG)
    for one in suites:
        _ask_again(juju, one)
        suite.wait_status(juju, one.server, 'blocked: units x roles x connections is 1 x 4 x (5 + 2) = 28, PostgreSQL')

    juju.config(PG, reset='experimental_max_connections')
    suite.wait_active(juju, PG)
    for one in suites:
        _ask_again(juju, one)
    suite.wait_active(juju)


def test_given_suites_when_their_roles_may_have_fewer_connections_then_they_are_told_within_seconds(juju, suites):
    roles = [one.store(juju)['user'] for one in suites]

    def limit(connections: int) -> None:
        sql(juju, 'postgres', ';'.join(f'ALTER ROLE "{role}" CONNECTION LIMIT {connections}' for role in roles))

    limit(27)
    try:
        for one in suites:
            sentence = 'blocked: units x roles x connections is 1 x 4 x (5 + 2) = 28, PostgreSQL allows 27'
            suite.wait_status(juju, one.server, sentence, timeout=30)
    finally:
        limit(-1)
    suite.wait_active(juju)
