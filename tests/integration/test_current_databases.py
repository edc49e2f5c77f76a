"""The second pair of database endpoints, nginx without any configuration, and applications with other names."""

from __future__ import annotations

import os
import subprocess
import sys

import postgres
import pytest
import suite
import temporal

pytestmark = pytest.mark.soak

SERVER, ADMIN, WORKER = 'engine', 'tools', 'pulse'
_WITH_NAME = suite.ROOT / 'demo' / 'with-name'


@pytest.fixture(scope='module')
def deployed(juju, tmp_path_factory, request) -> None:
    """Server, admin tools, ingress and a worker, under names of the operator's own."""
    if request.config.getoption('--no-juju-setup'):
        return
    folder = tmp_path_factory.mktemp('current')
    env = folder / 'pulse.env'
    env.write_text('UNUSED=1\n')
    suite.deploy_server(juju, databases='current', app=SERVER, admin=ADMIN)
    suite.deploy_nginx(juju)
    juju.integrate(f'{SERVER}:nginx-route', f'{suite.NGINX}:nginx-route')
    suite.deploy_worker(juju, WORKER, workflows=suite.pulse_archive(folder), env=env, queue=WORKER)
    juju.integrate(f'{WORKER}:temporal-host-info', f'{SERVER}:temporal-host-info')
    suite.wait_active(juju, SERVER, ADMIN, suite.NGINX)


@pytest.fixture
def address(juju, deployed) -> str:
    """The server's Kubernetes service."""
    return f'{juju.status().apps[SERVER].address}:7233'


def test_given_a_worker_whose_namespace_is_missing_then_the_server_registers_it(juju, deployed):
    suite.wait_active(juju)


def _through_nginx(juju, name: str, workflow_id: str) -> subprocess.CompletedProcess[str]:
    """Run the workflow Pulse as a client outside that knows the server by a name."""
    call = f"temporal.run('{name}:80', 'Pulse', [2], workflow_id='{workflow_id}', queue='{WORKER}')"
    command = [
        _WITH_NAME,
        name,
        juju.status().apps[suite.NGINX].address,
        sys.executable,
        '-c',
        # Without an interpreter's orderly end: the SDK's threads now and then crash it.
        f'import os, temporal; print({call}, flush=True); os._exit(0)',
    ]
    environment = {**os.environ, 'PYTHONPATH': str(suite.ROOT / 'tests' / 'integration')}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60)


def test_given_a_route_without_configuration_then_a_client_outside_reaches_the_server_by_its_name(juju, deployed):
    result = _through_nginx(juju, SERVER, 'route')

    assert result.stdout.strip() == '1', result.stderr


def test_given_a_hostname_when_it_is_changed_then_the_route_follows_and_the_old_name_is_gone(juju, deployed):
    juju.config(SERVER, {'external-hostname': 'temporal.example'})

    suite.wait_until(lambda: _through_nginx(juju, 'temporal.example', 'new').returncode == 0, 'the new name is served')
    assert '404' in _through_nginx(juju, SERVER, 'old').stderr


def test_given_the_database_when_its_pod_is_killed_then_all_comes_back_with_its_data(juju, address):
    temporal.run(address, 'Pulse', [3], workflow_id='before-0', queue=WORKER)

    suite.replace_pod(juju, f'{suite.POSTGRESQL}-0')
    # The end of a pod cuts off the hook that it runs.
    suite.wait_active(juju, may_fail=True)

    # The result stands in the database, and nowhere else.
    assert temporal.results(address, prefix='before', count=1, timeout=60) == [3]
    assert temporal.run(address, 'Pulse', [2], workflow_id='after', queue=WORKER) == 1


def test_given_a_database_that_is_away_when_the_admin_charm_asks_then_it_asks_again_until_there_is_an_answer(
    juju, deployed
):
    def asked_in_vain() -> bool:
        juju.exec('JUJU_DISPATCH_PATH=hooks/update-status ./dispatch', unit=f'{ADMIN}/0')
        return suite.unit_status(juju.status(), ADMIN).startswith('waiting: cannot log in to')

    postgres.stop(juju)
    try:
        suite.wait_until(asked_in_vain, 'the database is away')
    finally:
        postgres.start(juju)

    # By itself, long before the next update-status.
    suite.wait_active(juju, timeout=90)
