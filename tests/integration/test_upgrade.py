"""From the previous release of Temporal to this one, two units under load: nothing is lost, whatever goes first."""

from __future__ import annotations

import json

import jubilant
import postgres
import pytest
import suite
import temporal

pytestmark = pytest.mark.soak

_BEATS, _COUNT = 150, 20


def _image(resource: str, *, previous: bool) -> str:
    return suite.images()[f'{resource}-previous' if previous else resource]


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, request: pytest.FixtureRequest) -> str:
    """The suite with the previous release, and its Kubernetes service."""
    if not request.config.getoption('--no-juju-setup'):
        juju.deploy(
            suite.charm(suite.SERVER),
            suite.SERVER,
            resources={'temporal-server-image': _image('temporal-server-image', previous=True)},
            num_units=2,
        )
        juju.deploy(
            suite.charm(suite.ADMIN),
            suite.ADMIN,
            resources={'temporal-admin-image': _image('temporal-admin-image', previous=True)},
        )
        suite.deploy_postgresql(juju)
        for endpoint in ('database', 'visibility-database'):
            juju.integrate(f'{suite.SERVER}:{endpoint}', f'{suite.POSTGRESQL}:database')
        juju.integrate(f'{suite.SERVER}:admin', f'{suite.ADMIN}:admin')
        suite.wait_active(juju)
    assert juju.status().apps[suite.SERVER].version == '1.31.2'
    return f'{juju.status().apps[suite.SERVER].address}:7233'


@pytest.fixture(scope='module')
def pulse(juju: jubilant.Juju, address: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A worker."""
    return suite.deploy_pulse(juju, tmp_path_factory.mktemp('pulse'))


def _attach(juju: jubilant.Juju, app: str, resource: str, *, previous: bool, version: str) -> None:
    juju.cli('attach-resource', app, f'{resource}={_image(resource, previous=previous)}')
    juju.wait(lambda status: status.apps[app].version == version, timeout=300, delay=2)
    suite.wait_active(juju, timeout=400, may_fail=True)


def test_given_running_workflows_when_upgraded_then_none_is_lost(juju, address, pulse):
    temporal.start_many(address, 'Pulse', _BEATS, prefix='upgraded', queue=pulse, count=_COUNT)
    result = juju.run(f'{suite.SERVER}/leader', 'pre-upgrade-check', {'version': '1.32.2'})
    assert result.status == 'completed'

    with temporal.under_load(address, pulse, rate=2) as load:
        # The admin charm first, as an operator who reads the documentation would.
        _attach(juju, suite.ADMIN, 'temporal-admin-image', previous=False, version='1.32.2')
        _attach(juju, suite.SERVER, 'temporal-server-image', previous=False, version='1.32.2')

    assert not load.failures, load
    results = temporal.results(address, prefix='upgraded', count=_COUNT, timeout=300)
    assert results == [sum(range(_BEATS))] * _COUNT


def test_given_an_upgraded_suite_when_one_step_back_then_it_runs_on_the_newer_schema(juju, address, pulse):
    _attach(juju, suite.SERVER, 'temporal-server-image', previous=True, version='1.31.2')
    _attach(juju, suite.ADMIN, 'temporal-admin-image', previous=True, version='1.31.2')

    assert temporal.run(address, 'Pulse', [2], workflow_id='back', queue=pulse) == 1


def test_given_an_old_schema_when_the_server_is_upgraded_before_the_admin_charm_then_it_waits_and_nothing_is_lost(
    juju, address, pulse
):
    temporal.start_many(address, 'Pulse', _BEATS, prefix='put-back', queue=pulse, count=_COUNT)
    login = suite.pod_exec(juju, f'{suite.ADMIN}-0', 'temporal-admin', 'cat /etc/temporal-charm/databases.json')
    # Nobody repairs it before the admin charm has its new image.
    suite.pod_exec(juju, f'{suite.ADMIN}-0', 'temporal-admin', '/charm/bin/pebble stop temporal-schema')
    postgres.sql(juju, json.loads(login)['persistence']['name'], postgres.SCHEMA_1_18)

    juju.cli(
        'attach-resource', suite.SERVER, f'temporal-server-image={_image("temporal-server-image", previous=False)}'
    )
    _attach(juju, suite.ADMIN, 'temporal-admin-image', previous=False, version='1.32.2')

    juju.wait(lambda status: status.apps[suite.SERVER].version == '1.32.2', timeout=300, delay=2)
    suite.wait_active(juju, timeout=400, may_fail=True)
    results = temporal.results(address, prefix='put-back', count=_COUNT, timeout=400)
    assert results == [sum(range(_BEATS))] * _COUNT


def test_given_a_version_that_the_charm_does_not_run_then_the_check_refuses_it_with_a_sentence(juju, address):
    with pytest.raises(jubilant.TaskError) as failed:
        juju.run(f'{suite.SERVER}/leader', 'pre-upgrade-check', {'version': '1.34.0'})

    assert failed.value.task.message == 'this charm runs 1.31 and 1.32, not 1.34.0'
