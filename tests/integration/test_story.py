"""The mission's main road: legacy databases, the ingress as an operator configures it, the OCI Factory's rebuild."""

from __future__ import annotations

import datetime
import json
import os
import pathlib
import re
import subprocess
import sys

import jubilant
import pytest
import rebuilt
import suite
import temporal
import yaml

QUEUE = 'oci-factory'
_WITH_NAME = suite.ROOT / 'demo' / 'with-name'


@pytest.fixture(scope='module')
def stand_ins(juju: jubilant.Juju) -> suite.StandIns:
    """GitHub, the registry and the store of build metadata."""
    return suite.StandIns(juju)


@pytest.fixture(scope='module')
def deployed(
    juju: jubilant.Juju,
    stand_ins: suite.StandIns,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> None:
    """Everything that `make demo` deploys."""
    if request.config.getoption('--no-juju-setup'):
        return
    folder = tmp_path_factory.mktemp('story')
    suite.deploy_server(juju, databases='legacy')
    suite.deploy_nginx(juju)
    juju.integrate(f'{suite.SERVER}:ingress', f'{suite.NGINX}:ingress')
    juju.config(suite.NGINX, {'path-routes': '/', 'service-hostname': suite.SERVER, 'backend-protocol': 'GRPC'})
    suite.wait_active(juju, suite.SERVER, suite.ADMIN)
    suite.register_namespace(juju)
    env = stand_ins.env_file(folder)
    suite.deploy_worker(juju, suite.WORKER, workflows=suite.DIST / 'oci-factory.tar', env=env, queue=QUEUE)
    juju.integrate(f'{suite.WORKER}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    suite.wait_active(juju)


@pytest.fixture
def address(juju: jubilant.Juju, deployed: None) -> str:
    """The server's Kubernetes service."""
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def test_given_the_suite_when_deployed_then_no_hook_ran_but_what_juju_emits_and_one_notice(juju, deployed):
    log = juju.cli('debug-log', '--replay', '--no-tail', '--include', f'{suite.SERVER}/0')
    ran = re.findall(r' ran "([a-z-]+)" hook', log)

    assert ran.count('temporal-pebble-custom-notice') == 1
    assert not [name for name in ran if 'pebble-check' in name]
    assert 'ERROR' not in log


def test_given_a_client_outside_when_it_starts_a_rebuild_through_the_ingress_then_github_gets_what_is_expected(
    juju, deployed, stand_ins
):
    stand_ins.forget()
    now = datetime.datetime.now(datetime.UTC)
    ingress = juju.status().apps[suite.NGINX].address
    command = [_WITH_NAME, suite.SERVER, ingress, sys.executable, '-m', 'demo.client', '24.04']
    command += ['--address', f'{suite.SERVER}:80', '--queue', QUEUE, '--id', 'rebuild-outside']
    environment = {**os.environ, 'PYTHONPATH': str(suite.ROOT)}
    result = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert result.returncode == 0, result.stderr

    report = {image['image']: image for image in json.loads(result.stdout)['images']}
    expected = rebuilt.expected(now)
    assert rebuilt.triggers(stand_ins.recorded()) == expected
    assert {name for name, image in report.items() if image['dispatched']} == set(expected)
    # What the real release files have alive on 24.04, whatever the generator makes up around them.
    assert {'go', 'jre', 'kafka', 'postgres', 'python', 'rabbitmq', 'ruby', 'valkey'} <= set(expected)
    assert suite.SERVER not in pathlib.Path('/etc/hosts').read_text()


def test_given_a_github_in_trouble_when_rebuilt_then_every_image_is_dispatched_once(juju, address, stand_ins):
    stand_ins.forget()
    stand_ins.fail(
        {'status': 403, 'headers': {'Retry-After': '1'}, 'times': 1, 'match': 'dispatches'},
        {'status': 429, 'headers': {'Retry-After': '1'}, 'times': 1, 'match': 'dispatches'},
        {'status': 502, 'times': 1, 'match': 'dispatches'},
        {'status': 502, 'times': 2, 'match': 'dispatches', 'after_recording': True},
    )
    now = datetime.datetime.now(datetime.UTC)

    temporal.run(address, 'RebuildForRelease', ['24.04'], workflow_id='rebuild-trouble', queue=QUEUE)

    assert rebuilt.triggers(stand_ins.recorded()) == rebuilt.expected(now)


def test_given_a_dry_run_then_github_gets_nothing_and_the_triggers_are_told(address, stand_ins):
    stand_ins.forget()

    report = temporal.run(address, 'RebuildForRelease', ['24.04', 'go', True], workflow_id='dry', queue=QUEUE)

    assert stand_ins.recorded() == []
    assert isinstance(report, dict)
    (image,) = report['images']
    assert yaml.safe_load(image['trigger'])['upload']


def test_given_secrets_then_they_stand_in_no_databag_plan_argument_or_log(juju, deployed):
    server = json.loads(juju.cli('show-unit', f'{suite.SERVER}/0', '--format=json'))[f'{suite.SERVER}/0']
    provided = [relation for relation in server['relation-info'] if relation['endpoint'] in ('db', 'visibility')]
    passwords = {relation['related-units'][f'{suite.POSTGRESQL}/0']['data']['password'] for relation in provided}
    assert len(passwords) == 2
    secrets = {*passwords, suite.TOKEN}

    def clean(text: str, where: str) -> None:
        assert not [secret for secret in secrets if secret in text], f'a secret stands in {where}'

    for app in (suite.SERVER, suite.ADMIN, suite.WORKER):
        shown = json.loads(juju.cli('show-unit', f'{app}/0', '--format=json'))[f'{app}/0']
        # The legacy interface has the password in PostgreSQL's databag, by its design: exempt, there only.
        exempt = [r for r in shown['relation-info'] if r['endpoint'] in ('db', 'visibility')]
        shown['relation-info'] = [r for r in shown['relation-info'] if r not in exempt]
        clean(json.dumps(shown), f'the databags of {app}')
        clean(suite.pod_exec(juju, f'{app}-0', suite.CONTAINER[app], '/charm/bin/pebble plan'), f'the plan of {app}')
        arguments = 'for p in /proc/[0-9]*; do tr "\\0" " " < $p/cmdline; done 2>/dev/null || true'
        clean(suite.pod_exec(juju, f'{app}-0', suite.CONTAINER[app], arguments), f'the arguments in {app}')
        logs = suite.kubectl(juju, 'logs', f'{app}-0', '--all-containers')
        clean(logs, f"the containers' logs of {app}")
    clean(juju.cli('debug-log', '--replay', '--no-tail'), 'the log of Juju')
    modes = 'stat -c %a /etc/temporal/config.yaml /etc/temporal/secrets/*'
    assert set(suite.pod_exec(juju, f'{suite.SERVER}-0', 'temporal', modes).split()) == {'600'}
    modes = 'stat -c %a /srv/temporal-worker/environment.json'
    assert suite.pod_exec(juju, f'{suite.WORKER}-0', 'temporal-worker', modes).strip() == '600'


@pytest.mark.parametrize(('app', 'argument'), [(suite.WORKER, 'loader.run'), (suite.SERVER, 'temporal-server')])
def test_given_a_workload_process_when_killed_then_it_comes_back_and_the_status_is_true_meanwhile(
    juju, deployed, app, argument
):
    suite.kill_process(juju, f'{app}-0', suite.CONTAINER[app], argument)

    suite.wait_status(juju, app, 'waiting: waiting for', timeout=20)
    suite.wait_active(juju, timeout=120)
    # Kubernetes asks every 10 seconds, and until then sends no client to it.
    suite.kubectl(juju, 'wait', '--for=condition=Ready', f'pod/{app}-0', '--timeout=30s')


def test_given_the_admin_relation_when_removed_then_the_status_says_so_and_when_back_all_is_well(
    juju, address, stand_ins
):
    juju.remove_relation(f'{suite.SERVER}:admin', f'{suite.ADMIN}:admin')
    suite.wait_status(juju, suite.SERVER, 'blocked: no admin tools: juju integrate')
    suite.wait_status(juju, suite.ADMIN, 'blocked: no server: juju integrate')
    # Nothing is wrong with the server: it goes on.
    temporal.run(address, 'RebuildForRelease', ['24.04', 'go', True], workflow_id='no-admin', queue=QUEUE)
    suite.wait_forgotten(juju, 'admin', suite.SERVER, suite.ADMIN)

    juju.integrate(f'{suite.SERVER}:admin', f'{suite.ADMIN}:admin')
    suite.wait_active(juju)
    output = juju.run(f'{suite.ADMIN}/0', 'cli', {'args': 'operator namespace list'}).results['output']
    assert 'default' in output


@pytest.fixture(scope='module')
def pulse(juju: jubilant.Juju, deployed: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A second unit of the server, and a worker with a workflow that goes on for a while."""
    folder = tmp_path_factory.mktemp('pulse')
    env = folder / 'pulse.env'
    env.write_text('UNUSED=1\n')
    suite.deploy_worker(juju, 'pulse', workflows=suite.pulse_archive(folder), env=env, queue='pulse')
    juju.integrate('pulse:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    juju.add_unit(suite.SERVER)
    suite.wait_active(juju)
    return 'pulse'


@pytest.mark.parametrize('units', ['0', pytest.param('1010', marks=pytest.mark.soak)])
def test_given_two_units_when_pods_are_killed_under_load_then_every_workflow_ends(juju, address, pulse, units):
    count, beats = 30, 15 * len(units)
    prefix = f'killed-{len(units)}'
    temporal.start_many(address, 'Pulse', beats, prefix=prefix, queue=pulse, count=count)

    for unit in units:
        suite.replace_pod(juju, f'{suite.SERVER}-{unit}')
        suite.wait_active(juju, may_fail=True)

    found = temporal.results(address, prefix=prefix, count=count, timeout=180)
    assert found == [sum(range(beats))] * count
