"""Three units: a restart goes from one to the next, and nobody who uses the server has to notice."""

from __future__ import annotations

import json
import re

import jubilant
import pytest
import suite
import temporal

# Several minutes: with all of them the tests would take longer than they may.
pytestmark = pytest.mark.soak

UNITS = (0, 1, 2)
_SLOWEST = 15.0
"""Seconds: the drain of all roles of a unit, its start, and the client's own pauses between attempts."""


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, request: pytest.FixtureRequest) -> str:
    """The server's Kubernetes service."""
    if not request.config.getoption('--no-juju-setup'):
        suite.deploy_server(juju, databases='current', units=len(UNITS))
        suite.wait_active(juju)
    return f'{juju.status().apps[suite.SERVER].address}:7233'


@pytest.fixture(scope='module')
def pulse(
    juju: jubilant.Juju, address: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> str:
    """A worker."""
    if request.config.getoption('--no-juju-setup'):
        return 'pulse'
    return suite.deploy_pulse(juju, tmp_path_factory.mktemp('pulse'))


def _journal(juju: jubilant.Juju, unit: int) -> list[dict]:
    text = suite.pod_exec(juju, f'{suite.SERVER}-{unit}', 'temporal', 'cat /etc/temporal-charm/restarts.jsonl')
    return [json.loads(line) for line in text.splitlines()]


def _all_restarted(juju: jubilant.Juju, why: str, times: int) -> bool:
    return all(
        len([entry for entry in _journal(juju, unit) if entry['what'] == 'restart' and entry['why'] == [why]]) == times
        for unit in UNITS
    )


def test_given_three_units_when_an_option_restarts_them_then_one_at_a_time_and_clients_need_not_notice(
    juju, address, pulse
):
    with temporal.under_load(address, pulse) as load:
        juju.config(suite.SERVER, {'log-level': 'warn'})
        suite.wait_until(lambda: _all_restarted(juju, 'log-level', 1), 'all units have restarted', timeout=240, pause=2)
        suite.wait_active(juju)

    assert not load.failures, load
    assert load.longest < _SLOWEST, load
    times = sorted(entry['time'] for unit in UNITS for entry in _journal(juju, unit) if entry['why'] == ['log-level'])
    assert len(set(times)) == len(UNITS), times
    log = juju.cli('debug-log', '--replay', '--no-tail', '--level', 'ERROR')
    assert not re.findall(r'hook .* failed', log)


def test_given_three_units_when_what_needs_no_restart_changes_then_none_restarts_and_all_follow(juju, address):
    # At the level of warnings the server tells nothing of what it reads.
    juju.config(suite.SERVER, {'log-level': 'info'})
    suite.wait_until(lambda: _all_restarted(juju, 'log-level', 2), 'all units have restarted', timeout=240, pause=2)
    suite.wait_active(juju)

    juju.config(
        suite.SERVER, {'namespace-rps-limit': 'orders:7', 'dynamic-config': 'limit.blobSize.error: [{value: 9}]'}
    )
    suite.wait_until(
        lambda: all(_journal(juju, unit)[-1]['what'] == 'reload' for unit in UNITS),
        'all units have taken it up',
        pause=1,
    )
    suite.wait_active(juju)

    for unit in UNITS:
        content = suite.pod_exec(juju, f'{suite.SERVER}-{unit}', 'temporal', 'cat /etc/temporal/dynamic-config.yaml')
        assert 'orders' in content

        def followed(unit: int = unit) -> bool:
            logs = suite.kubectl(juju, 'logs', f'{suite.SERVER}-{unit}', '--container=temporal', '--since=2m')
            return 'limit.blobsize.error' in logs

        # It looks every ten seconds.
        suite.wait_until(followed, 'the server has read its dynamic configuration', pause=1)
    assert _all_restarted(juju, 'log-level', 2)
    assert all(_journal(juju, unit)[-1]['what'] == 'reload' for unit in UNITS)


def test_given_an_unknown_key_of_dynamic_configuration_then_the_servers_own_validator_is_quoted(juju, address):
    juju.config(suite.SERVER, {'dynamic-config': 'limit.blobSize.errors: [{value: 9}]'})

    suite.wait_status(
        juju, suite.SERVER, 'blocked: dynamic-config: unregistered key "limit.blobsize.errors"', settled=True
    )
    juju.config(suite.SERVER, reset=['dynamic-config'])
    suite.wait_active(juju)


def test_given_three_units_when_one_is_taken_away_under_load_then_nothing_is_lost(juju, address, pulse):
    with temporal.under_load(address, pulse) as load:
        juju.cli('scale-application', suite.SERVER, '2')
        juju.wait(lambda status: len(status.apps[suite.SERVER].units) == 2, timeout=120)
        suite.wait_active(juju)

    assert not load.failures, load
    assert load.longest < _SLOWEST, load


def test_given_three_units_when_refreshed_under_load_then_nothing_is_lost(juju, address, pulse):
    juju.cli('scale-application', suite.SERVER, str(len(UNITS)))
    suite.wait_active(juju)
    before = _pods(juju)

    with temporal.under_load(address, pulse) as load:
        juju.refresh(suite.SERVER, path=suite.charm(suite.SERVER))
        suite.wait_until(
            lambda: len(_pods(juju) - before) == len(UNITS), 'all pods have been replaced', timeout=300, pause=2
        )
        suite.wait_active(juju)

    assert not load.failures, load
    assert load.longest < 2 * _SLOWEST, load


def _pods(juju: jubilant.Juju) -> set[str]:
    names = [f'{suite.SERVER}-{unit}' for unit in UNITS]
    # While a pod is replaced there is none of its name.
    uids = suite.kubectl(juju, 'get', 'pod', *names, '--ignore-not-found', '--output=jsonpath={.items[*].metadata.uid}')
    return set(uids.split())
