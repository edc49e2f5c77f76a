"""Clients outside the cluster reach the server through nginx, by either relation, whatever happens behind it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import jubilant
import pytest
import suite

# Several minutes: with all of them the tests would take longer than they may.
pytestmark = pytest.mark.soak

QUEUE = 'pulse'
_ENDPOINTS = ('ingress', 'nginx-route')


@pytest.fixture(scope='module')
def deployed(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    """Server, databases, nginx and a worker; no ingress relation yet."""
    if request.config.getoption('--no-juju-setup'):
        return
    suite.deploy_server(juju, databases='current')
    suite.deploy_nginx(juju)
    suite.wait_active(juju, suite.SERVER, suite.ADMIN)
    suite.deploy_pulse(juju, tmp_path_factory.mktemp('ingress'))


@pytest.fixture(scope='module', params=_ENDPOINTS)
def route(juju: jubilant.Juju, deployed: None, request: pytest.FixtureRequest) -> str:
    """The server behind nginx by one of the relations, and by no other."""
    relations = juju.status().apps[suite.SERVER].relations
    for other in set(_ENDPOINTS) & set(relations) - {request.param}:
        juju.remove_relation(f'{suite.SERVER}:{other}', f'{suite.NGINX}:{other}')
        suite.wait_forgotten(juju, other, suite.SERVER, suite.NGINX)
    # What nginx-ingress-integrator must be told for a server of gRPC over `ingress`; over `nginx-route` nothing.
    options = {'path-routes': '/', 'service-hostname': suite.SERVER, 'backend-protocol': 'GRPC'}
    if request.param == 'ingress':
        juju.config(suite.NGINX, options)
    else:
        juju.config(suite.NGINX, reset=list(options))
    if request.param not in relations:
        juju.integrate(f'{suite.SERVER}:{request.param}', f'{suite.NGINX}:{request.param}')
    suite.wait_active(juju)
    return request.param


def _answers(juju: jubilant.Juju, name: str) -> bool:
    return suite.outside(juju, name, f"temporal.reachable('{name}:80')").returncode == 0


def _rename(juju: jubilant.Juju, route: str, name: str) -> None:
    """Give the server another name outside, where the relation has it."""
    if route == 'ingress':
        juju.config(suite.NGINX, {'service-hostname': name})
    else:
        juju.config(suite.SERVER, {'external-hostname': name if name != suite.SERVER else ''})


def test_given_a_client_outside_when_it_runs_a_workflow_then_it_gets_the_result(juju, route):
    call = f"temporal.run('{suite.SERVER}:80', 'Pulse', [2], workflow_id='outside-{route}', queue='{QUEUE}')"
    result = suite.outside(juju, suite.SERVER, call)

    assert result.stdout.strip() == '1', result.stderr


def test_given_another_hostname_then_nginx_serves_it_and_no_longer_the_old_one(juju, route):
    _rename(juju, route, 'temporal.example')
    try:
        suite.wait_until(lambda: _answers(juju, 'temporal.example'), 'the new name is served')
        refused = suite.outside(juju, suite.SERVER, f"temporal.reachable('{suite.SERVER}:80')")
        assert '404' in refused.stderr
    finally:
        _rename(juju, route, suite.SERVER)
    suite.wait_until(lambda: _answers(juju, suite.SERVER), 'the old name is served again')
    suite.wait_active(juju)


def test_given_load_from_outside_when_the_frontend_is_replaced_then_every_workflow_ends(juju, route):
    script = f"temporal.load_for(20, '{suite.SERVER}:80', '{QUEUE}')"
    with suite.outside_meanwhile(juju, suite.SERVER, script) as client:
        suite.replace_pod(juju, f'{suite.SERVER}-0')
        suite.wait_active(juju, may_fail=True)
        stdout, stderr = client.communicate(timeout=150)

    assert client.returncode == 0, stderr
    # The SDK logs to standard output, too.
    load = json.loads(stdout.splitlines()[-1])
    print(route, load)
    assert not load['failures']
    assert load['ended'] == load['started']


@pytest.fixture
def long_polls(juju: jubilant.Juju, route: str) -> Iterator[None]:
    """The server answers polls of empty queues after up to 80 seconds, not 60 as it does by itself."""
    options = {'dynamic-config': 'matching.longPollExpirationInterval: [{value: 80s}]'}
    juju.config(suite.SERVER, options)
    file = 'cat /etc/temporal/dynamic-config.yaml'
    suite.wait_until(lambda: '80s' in suite.pod_exec(juju, f'{suite.SERVER}-0', 'temporal', file), 'the server is told')
    # It looks for changes every ten seconds.
    time.sleep(12)
    yield
    juju.config(suite.SERVER, reset=list(options))
    juju.config(suite.NGINX, reset='proxy-read-timeout')
    suite.wait_active(juju)


def _poll(juju: jubilant.Juju) -> tuple[float, str]:
    """Seconds that a worker outside polls an empty queue, and how that ends."""
    result = suite.outside(juju, suite.SERVER, f"temporal.idle_poll('{suite.SERVER}:80')", timeout=130)
    seconds, end = result.stdout.splitlines()[-1].split(maxsplit=1)
    return float(seconds), end


def _configured(juju: jubilant.Juju) -> int:
    """How often nginx's charm has looked at its options."""
    log = juju.cli('debug-log', '--replay', '--no-tail', '--include', f'{suite.NGINX}/0')
    return log.count('ran "config-changed" hook')


def test_given_a_worker_outside_when_it_polls_an_empty_queue_then_the_server_answers_before_nginx_gives_up(juju, route):
    seconds, end = _poll(juju)

    assert end == 'empty'
    assert 45 < seconds < 60


def test_given_polls_of_more_than_a_minute_then_nginx_cuts_them_off_unless_its_timeout_is_raised(juju, long_polls):
    seconds, end = _poll(juju)
    assert '504' in end
    assert 59 < seconds < 62

    before = _configured(juju)
    juju.config(suite.NGINX, {'proxy-read-timeout': 120})
    suite.wait_until(lambda: _configured(juju) > before, 'nginx is told of its timeout')
    suite.wait_active(juju)
    seconds, end = _poll(juju)
    assert end == 'empty'
    assert 62 < seconds < 82
