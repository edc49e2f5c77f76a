"""A worker that reads its build metadata from OpenStack: a real Swift in a pod, where Keystone lets it read."""

from __future__ import annotations

import concurrent.futures
import datetime
import os
import re
import string
import sys
from typing import Any

import jubilant
import pytest
import rebuilt
import suite
import temporal
import yaml

sys.path.insert(0, str(suite.ROOT / 'tests' / 'oci_factory'))
import generator
from openstack import Login, OpenStack

pytestmark = pytest.mark.soak

QUEUE = 'oci-factory'
POD = IMAGE = 'oci-factory-swift'
CONTAINER = 'builds'
ADMIN_PASSWORD = 'admin-stand-in-password'
MEMBER = Login('uploader', 'uploader-stand-in-password', 'rocks')
READER = Login('factory', 'factory-stand-in-password', 'rocks')


def _openstack(juju: jubilant.Juju) -> OpenStack:
    """Swift and Keystone in a pod of the model."""
    template = (suite.ROOT / 'tests' / 'oci_factory' / 'object_store' / 'pod.yaml').read_text()
    values = {'IMAGE': suite.images()[IMAGE], 'PASSWORD': ADMIN_PASSWORD}
    suite.kubectl(juju, 'apply', '-f', '-', stdin=string.Template(template).substitute(values))
    suite.kubectl(juju, 'wait', '--for=condition=Ready', f'pod/{POD}', '--timeout=300s')
    address = suite.kubectl(juju, 'get', 'pod', POD, '--output=jsonpath={.status.podIP}')
    return OpenStack(f'http://{address}:8080', f'http://{address}:5000/v3', ADMIN_PASSWORD)


@pytest.fixture(scope='module')
def stand_ins(juju: jubilant.Juju) -> suite.StandIns:
    """GitHub and the registry."""
    return suite.StandIns(juju)


@pytest.fixture(scope='module')
def address(
    juju: jubilant.Juju,
    stand_ins: suite.StandIns,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> str:
    """A server with the OCI Factory's worker, and where the server answers."""
    if IMAGE not in suite.images():
        text = f'dist/resources.env lacks {IMAGE}'
        if os.environ.get('LAB') == 'none':
            pytest.skip(text)
        pytest.fail(f'{text}: make neighbours')
    if not request.config.getoption('--no-juju-setup'):
        folder = tmp_path_factory.mktemp('object-store')
        suite.deploy_server(juju, databases='current')
        openstack = _openstack(juju)
        openstack.add_user(MEMBER, 'member')
        openstack.add_user(READER, 'reader')
        openstack.fill(CONTAINER, MEMBER, generator.make(1).objects)
        suite.wait_active(juju, suite.SERVER, suite.ADMIN, suite.POSTGRESQL)
        suite.register_namespace(juju)

        path = openstack.account(MEMBER.project).removeprefix(openstack.swift)
        builds = {'OCI_FACTORY_BUILDS': f'http://{POD}:8080{path}/{CONTAINER}'}
        env = stand_ins.env_file(folder, {**READER.environment(f'http://{POD}:5000/v3'), **builds})
        suite.deploy_worker(juju, suite.WORKER, workflows=suite.DIST / 'oci-factory.tar', env=env, queue=QUEUE)
        juju.integrate(f'{suite.WORKER}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
        suite.wait_active(juju)
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _dry_run(address: str, name: str, image: str = '*') -> dict[str, dict[str, Any]]:
    """Image to what the report of a rebuild says of it."""
    report = temporal.run(address, 'RebuildForRelease', ['24.04', image, True], workflow_id=name, queue=QUEUE)
    assert isinstance(report, dict)
    return {one['image']: one for one in report['images']}


def _triggers(report: dict[str, dict[str, Any]]) -> dict[str, Any]:
    assert {name: one['error'] for name, one in report.items() if one['error']} == {}
    return {name: yaml.safe_load(one['trigger']) for name, one in report.items() if one['trigger']}


def test_given_swift_when_rebuilt_then_github_gets_what_is_expected(juju, address, stand_ins):
    stand_ins.forget()
    now = datetime.datetime.now(datetime.UTC)

    temporal.run(address, 'RebuildForRelease', ['24.04'], workflow_id='rebuild-swift', queue=QUEUE)

    assert rebuilt.triggers(stand_ins.recorded()) == rebuilt.expected(now)
    # The stand-ins have the same build metadata; it was Swift that was asked.
    found = rf' GET /v1/\S+/{CONTAINER}/valkey/\S+/build_metadata.json HTTP/1.\d 200 - python-swiftclient'
    assert re.search(found, suite.kubectl(juju, 'logs', POD))


def test_given_swift_when_its_container_dies_then_a_rebuild_goes_on_as_soon_as_it_is_back(juju, address):
    suite.kill_process(juju, POD, 'openstack', '/usr/bin/swift-object-server')

    report = _dry_run(address, 'dry-killed')

    assert _triggers(report) == rebuilt.expected(datetime.datetime.now(datetime.UTC))
    restarts = '--output=jsonpath={.status.containerStatuses[0].restartCount}'
    assert suite.kubectl(juju, 'get', 'pod', POD, restarts) == '1'


def test_given_a_new_password_at_keystone_then_a_rebuild_says_what_to_check_and_goes_on_once_it_fits(juju, address):
    openstack = _openstack(juju)
    said = 'Keystone refuses the user: check OS_USERNAME, OS_PASSWORD'

    openstack.change_password(READER.user, 'another-stand-in-password')
    with concurrent.futures.ThreadPoolExecutor(1) as waiting:
        rebuild = waiting.submit(_dry_run, address, 'dry-refused', 'valkey')
        try:
            suite.wait_until(
                lambda: any(said in one for one in temporal.failures(address, 'dry-refused/valkey')), said, pause=1
            )
        finally:
            openstack.change_password(READER.user, READER.password)
        # What is refused is asked again after a minute at first.
        report = rebuild.result(300)

    assert _triggers(report)


def test_given_passwords_then_they_stand_in_no_log_and_no_plan(juju, address):
    worker = f'{suite.WORKER}-0'
    plan = suite.pod_exec(juju, worker, suite.CONTAINER[suite.WORKER], '/charm/bin/pebble plan')
    logs = suite.kubectl(juju, 'logs', worker, '--all-containers') + juju.cli('debug-log', '--replay', '--no-tail')

    assert READER.password not in plan + logs
