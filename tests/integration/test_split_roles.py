"""One cluster in three applications: one has frontend and databases, the others join it, each scaled on its own."""

from __future__ import annotations

import jubilant
import pytest
import suite
import temporal

FRONT, HISTORY, MATCHING = 'front', 'history', 'matching'
_ROLES = {FRONT: 'frontend,worker', HISTORY: 'history', MATCHING: 'matching'}


@pytest.fixture(scope='module')
def deployed(juju: jubilant.Juju, request: pytest.FixtureRequest) -> None:
    """The suite, with its roles in three applications."""
    if request.config.getoption('--no-juju-setup'):
        return
    suite.deploy_server(juju, databases='current', app=FRONT, config={'services': _ROLES[FRONT]})
    suite.wait_status(juju, FRONT, 'blocked: nobody runs history, matching: add it to services, or juju integrate')
    for app in (HISTORY, MATCHING):
        suite.deploy_charm(juju, app, {'services': _ROLES[app]})
    suite.wait_status(juju, HISTORY, f'blocked: services has no frontend: add it, or juju integrate {HISTORY}:')
    for app in (HISTORY, MATCHING):
        juju.integrate(f'{app}:join-cluster', f'{FRONT}:cluster')
    suite.wait_active(juju)


@pytest.fixture(scope='module')
def pulse(juju: jubilant.Juju, deployed: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A worker."""
    return suite.deploy_pulse(juju, tmp_path_factory.mktemp('pulse'), server=FRONT, admin=suite.ADMIN)


@pytest.fixture
def address(juju: jubilant.Juju, deployed: None) -> str:
    """The frontend's Kubernetes service."""
    return f'{juju.status().apps[FRONT].address}:7233'


def test_given_split_roles_when_deployed_then_each_application_says_what_it_runs_and_workflows_end(
    juju, pulse, address
):
    status = juju.status()
    for app, roles in _ROLES.items():
        assert suite.unit_status(status, app).endswith(f': {roles.replace(",", ", ")}')

    assert temporal.run(address, 'Pulse', [2], workflow_id='split', queue=pulse) == 1


def test_given_a_cluster_then_nobody_listens_for_callers_without_authorisation_and_gossip_is_not_opened(juju, deployed):
    for app in _ROLES:
        listening = suite.pod_exec(juju, f'{app}-0', 'temporal', 'cat /proc/net/tcp /proc/net/tcp6')
        ports = {int(line.split()[1].rsplit(':', 1)[1], 16) for line in listening.splitlines() if ':' in line}
        assert 7236 not in ports
        assert 6936 not in ports
        opened = next(iter(juju.status().apps[app].units.values())).open_ports
        assert opened == (['7233/tcp'] if app == FRONT else [])


@pytest.mark.soak
def test_given_a_running_cluster_when_a_role_is_scaled_then_its_unit_joins_and_workflows_go_on(juju, pulse, address):
    with temporal.under_load(address, pulse) as load:
        juju.add_unit(HISTORY)
        juju.wait(lambda status: len(status.apps[HISTORY].units) == 2, timeout=60)
        suite.wait_active(juju)

    assert not load.failures, load
    assert len(juju.status().apps[HISTORY].units) == 2


@pytest.mark.soak
def test_given_more_connections_than_postgresql_allows_when_asked_for_then_the_numbers_are_told_and_nothing_restarts(
    juju, deployed
):
    juju.config(HISTORY, {'persistence-max-conns': 40})

    suite.wait_status(
        juju, HISTORY, 'blocked: units x roles x connections is 2 x 1 x (40 + 2) + 21 elsewhere = 105, ', settled=True
    )
    started = suite.pod_exec(juju, f'{HISTORY}-0', 'temporal', 'cat /etc/temporal-charm/restarts.jsonl')
    assert '"persistence-max-conns"' not in started
    juju.config(HISTORY, reset=['persistence-max-conns'])
    suite.wait_active(juju)


@pytest.mark.soak
def test_given_a_member_when_its_relation_goes_then_it_says_so_and_when_back_it_serves_again(juju, deployed):
    juju.remove_relation(f'{MATCHING}:join-cluster', f'{FRONT}:cluster')
    suite.wait_status(juju, MATCHING, 'blocked: services has no frontend')
    suite.wait_status(juju, FRONT, 'blocked: nobody runs matching')
    suite.wait_forgotten(juju, 'join-cluster', MATCHING, FRONT)

    juju.integrate(f'{MATCHING}:join-cluster', f'{FRONT}:cluster')
    suite.wait_active(juju)
