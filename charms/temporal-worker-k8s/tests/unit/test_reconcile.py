"""Whatever the event: code installed, worker started with what it needs, and nothing secret where it can be read."""

from __future__ import annotations

import dataclasses
import inspect
import json

import ops
import pytest
import temporalio.worker
import world
from ops import pebble, testing

import plan
from loader.layout import Settings
from workload import Health

SECRET = "s3cr3t'&"


def _settings(disk) -> Settings:
    return Settings.load((disk / 'settings.json').read_text())


def test_given_everything_in_place_when_pebble_is_ready_then_the_code_is_installed_and_the_worker_started(
    ctx, run, disk, archive
):
    out = run(world.state(disk, archive))

    found = _settings(disk)
    assert (found.address, found.namespace, found.queues) == (
        'temporal-k8s.m.svc.cluster.local:7233',
        'default',
        ('q',),
    )
    assert (found.workflows, found.activities, found.tls) == ((), (), False)
    (copy,) = disk.glob('code-*/workflows-file')
    assert copy.read_bytes() == archive.read_bytes()
    ran = ctx.exec_history['temporal-worker'][0]
    assert ran.command[:3] == ['python3', '-m', 'loader.prepare']
    assert (ran.user_id, ran.environment['PYTHONPATH']) == (1000, '/usr/local/lib/temporal-worker')
    container = out.get_container('temporal-worker')
    assert container.service_statuses[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert container.service_statuses[plan.ANNOUNCER] == pebble.ServiceStatus.ACTIVE
    assert container.plan.services[plan.SERVICE].user_id == 1000
    assert container.plan.services[plan.ANNOUNCER].user_id is None


def test_given_installed_code_when_reconciled_again_then_it_is_not_installed_again(ctx, run, disk, archive):
    first = run(world.state(disk, archive))

    second = ctx.run(ctx.on.config_changed(), first)

    assert len(ctx.exec_history['temporal-worker']) == 1
    assert second.get_container('temporal-worker').plan == first.get_container('temporal-worker').plan


@pytest.mark.parametrize(
    ('config', 'prepares'),
    [
        ({'supported-workflows': 'Hello'}, True),
        ({'supported-activities': 'greet, other'}, True),
        ({'workflows-file-name': 'x.whl'}, True),
        ({'index-url': 'https://packages.example/simple'}, True),
        ({'namespace': 'other'}, False),
        ({'queue': 'other'}, False),
        ({'queue': 'q,other'}, False),
        ({'max-cached-workflows': 10}, False),
        ({'log-level': 'Debug'}, False),
    ],
)
def test_given_a_running_worker_when_an_option_changes_then_it_is_restarted_and_prepared_if_needed(
    ctx, run, disk, archive, config, prepares
):
    first = run(world.state(disk, archive))
    before = first.get_container('temporal-worker').plan.services[plan.SERVICE].environment

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'queue': 'q', **config}))

    assert second.get_container('temporal-worker').plan.services[plan.SERVICE].environment != before
    assert len(ctx.exec_history['temporal-worker']) == (2 if prepares else 1)


def test_given_new_code_when_attached_then_it_is_installed_and_the_old_one_removed(ctx, run, disk, archive, tmp_path):
    first = run(world.state(disk, archive))
    other = world.tar(tmp_path / 'other.tar', world.wheel(tmp_path, 'other'))
    attached = dataclasses.replace(first, resources=world.resources(other))

    ctx.run(ctx.on.upgrade_charm(), attached)

    assert [path.parent.name for path in disk.glob('code-*/workflows-file')] == [f'code-{_settings(disk).code}']


@pytest.mark.parametrize('passing', [True, False])
def test_given_new_code_that_cannot_run_when_attached_then_the_old_one_stays(
    ctx, run, disk, archive, worker, tmp_path, passing
):
    first = run(world.state(disk, archive))
    worker.problem, worker.passing = 'the index does not answer', passing
    other = world.tar(tmp_path / 'other.tar', world.wheel(tmp_path, 'other'))

    ctx.run(ctx.on.upgrade_charm(), dataclasses.replace(first, resources=world.resources(other)))

    assert len(list(disk.glob('code-*/workflows-file'))) == 2


def test_given_an_env_file_when_started_then_its_values_stand_in_one_file_only(ctx, run, disk, archive, tmp_path):
    env = tmp_path / 'x.env'
    env.write_text(f'# a comment\n\nTOKEN="{SECRET}"\nexport EMPTY=\n')
    resources = world.resources(archive, env)

    out = run(world.state(disk, archive, resources=resources))

    file = disk / 'environment.json'
    found = json.loads(file.read_text())
    assert (found['TOKEN'], found['EMPTY']) == (SECRET, '')
    assert file.stat().st_mode & 0o777 == 0o600
    container = out.get_container('temporal-worker')
    assert SECRET not in str(container.plan.to_yaml()) + str(ctx.exec_history) + (disk / 'settings.json').read_text()
    assert not [line for line in ctx.juju_log if SECRET in line.message]
    assert SECRET not in str([r.local_app_data for r in out.relations])


def test_given_a_new_env_file_when_attached_then_the_worker_is_restarted(ctx, run, disk, archive, tmp_path):
    first = run(world.state(disk, archive))
    env = tmp_path / 'x.env'
    env.write_text('A=1')
    resources = world.resources(archive, env)

    second = ctx.run(ctx.on.upgrade_charm(), dataclasses.replace(first, resources=resources))

    plans = [s.get_container('temporal-worker').plan.services[plan.SERVICE].environment for s in (first, second)]
    assert plans[0] != plans[1]


def test_given_a_server_elsewhere_when_named_by_host_then_the_worker_connects_to_it(run, disk, archive):
    run(world.state(disk, archive, relations=[], config={'queue': 'q', 'host': 'temporal.example.com:7233'}))

    assert _settings(disk).address == 'temporal.example.com:7233'


def test_given_a_server_with_tls_when_related_then_the_worker_uses_its_authority(run, disk, archive):
    data = {'host': 'h', 'port': '7233', 'tls': 'true', 'ca': 'PEM'}

    run(world.state(disk, archive, relations=[world.server(data)]))

    assert (_settings(disk).tls, _settings(disk).ca) == (True, 'PEM')


@pytest.mark.parametrize('leader', [True, False])
def test_given_somebody_who_asks_for_it_then_the_leader_says_namespace_and_queue(run, disk, archive, leader):
    info = testing.Relation('temporal-worker-info')

    out = run(world.state(disk, archive, relations=[world.server(), info], leader=leader))

    assert out.get_relation(info.id).local_app_data == ({'namespace': 'default', 'queue': 'q'} if leader else {})


def test_given_several_queues_then_the_worker_polls_all_and_the_first_is_the_codes_own(run, disk, archive):
    info = testing.Relation('temporal-worker-info')
    config = {'queue': ' b, a,b ,'}

    out = run(world.state(disk, archive, relations=[world.server(), info], config=config))

    assert _settings(disk).queues == ('b', 'a')
    assert json.loads((disk / 'environment.json').read_text())['TWC_QUEUE'] == 'b'
    assert out.get_relation(info.id).local_app_data == {'namespace': 'default', 'queue': 'b', 'queues': 'b,a'}


def test_given_limits_then_the_sdk_gets_them_under_its_own_names(run, disk, archive):
    config = {
        'queue': 'q',
        'max-concurrent-activities': 7,
        'max-cached-workflows': 0,
        'max-concurrent-workflow-tasks': 1,
        'max-activities-per-second': 0.5,
    }

    run(world.state(disk, archive, config=config))

    limits = _settings(disk).limits
    assert limits == {
        'max_concurrent_activities': 7,
        'max_concurrent_workflow_tasks': 1,
        'max_concurrent_local_activities': 100,
        'max_concurrent_workflow_task_polls': 5,
        'max_concurrent_activity_task_polls': 5,
        'max_cached_workflows': 0,
        'max_activities_per_second': 0.5,
    }
    assert set(limits) < set(inspect.signature(temporalio.worker.Worker).parameters)
    assert isinstance(limits['max_concurrent_activities'], int)


def test_given_an_index_then_the_loader_is_told(run, disk, archive):
    run(world.state(disk, archive, config={'queue': 'q', 'index-url': 'https://pypi.example:8080/simple/'}))

    assert _settings(disk).index == 'https://pypi.example:8080/simple/'


@pytest.mark.parametrize(('config', 'port'), [({}, 9000), ({'prometheus-port': 0}, 0)])
def test_given_a_port_for_prometheus_then_worker_and_code_know_it(run, disk, archive, config, port):
    run(world.state(disk, archive, config={'queue': 'q', **config}))

    assert _settings(disk).metrics_port == port
    assert json.loads((disk / 'environment.json').read_text())['TWC_PROMETHEUS_PORT'] == str(port)


def test_given_defaults_then_they_are_the_sdks_own(run, disk, archive):
    run(world.state(disk, archive))

    assert _settings(disk).limits['max_cached_workflows'] == 1000


def test_given_a_running_worker_when_the_server_goes_then_it_stops(ctx, run, disk, archive):
    first = run(world.state(disk, archive))
    (relation,) = first.get_relations('temporal-host-info')

    out = ctx.run(ctx.on.relation_broken(relation), first)

    statuses = out.get_container('temporal-worker').service_statuses
    assert statuses[plan.SERVICE] == statuses[plan.ANNOUNCER] == pebble.ServiceStatus.INACTIVE


def test_given_a_worker_that_takes_long_to_end_then_pebble_is_left_to_it(ctx, run, disk, archive, monkeypatch):
    first = run(world.state(disk, archive))
    (relation,) = first.get_relations('temporal-host-info')

    def wait_in_vain(*_: object, **__: object) -> None:
        raise pebble.TimeoutError('timed out waiting for change')

    monkeypatch.setattr(ops.Container, 'replan', wait_in_vain)
    monkeypatch.setattr(ops.Container, 'stop', wait_in_vain)

    restarts = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'queue': 'other'}))
    stops = ctx.run(ctx.on.relation_broken(relation), first)

    assert isinstance(restarts.unit_status, ops.WaitingStatus)
    assert isinstance(stops.unit_status, ops.BlockedStatus)


@pytest.mark.parametrize('call', ['can_connect', 'get_services'])
def test_given_a_running_worker_when_pebble_fails_to_answer_once_then_it_goes_on(
    ctx, run, disk, archive, monkeypatch, call
):
    first = run(world.state(disk, archive))
    answers, failures = getattr(ops.Container, call), iter([True])

    def fail_once(container: ops.Container, *names: str) -> object:
        if next(failures, False):
            if call == 'can_connect':
                return False
            raise pebble.ConnectionError('no answer')
        return answers(container, *names)

    monkeypatch.setattr(ops.Container, call, fail_once)

    out = ctx.run(ctx.on.update_status(), first)

    assert out.get_container('temporal-worker').service_statuses[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert out.unit_status == ops.WaitingStatus('waiting for the container to start')


@pytest.mark.parametrize(
    ('health', 'status'),
    [
        (Health(True), ops.ActiveStatus()),
        (
            Health(True, restarts=1, reason='2026-11-21 17:05 UTC: it was stuck'),
            ops.ActiveStatus('restarted once, last 2026-11-21 17:05 UTC: it was stuck'),
        ),
        (Health(True, restarts=2, reason='now'), ops.ActiveStatus('restarted 2 times, last now')),
        (Health(False, 'h:7233 to answer'), ops.WaitingStatus('waiting for h:7233 to answer')),
        (Health(False, 'namespace x does not exist', operator=True), ops.BlockedStatus('namespace x does not exist')),
    ],
)
def test_given_a_notice_when_it_arrives_then_the_status_is_what_the_worker_answers(
    ctx, run, disk, archive, worker, health, status
):
    first = run(world.state(disk, archive))
    worker.health = health
    notice = testing.Notice(plan.layout.NOTICE)
    container = dataclasses.replace(first.get_container('temporal-worker'), notices=[notice])

    out = ctx.run(
        ctx.on.pebble_custom_notice(container, notice=notice), dataclasses.replace(first, containers={container})
    )

    assert out.unit_status == status


@pytest.mark.parametrize('leader', [True, False])
def test_given_a_related_server_then_the_leader_asks_it_for_the_namespace(run, disk, archive, leader):
    out = run(world.state(disk, archive, leader=leader, config={'queue': 'q', 'namespace': 'jobs'}))

    (relation,) = out.get_relations('temporal-host-info')
    assert relation.local_app_data == ({'namespace': 'jobs'} if leader else {})


_ADDRESS = {'host': 'temporal-k8s.m.svc.cluster.local', 'port': '7233'}


@pytest.mark.parametrize(
    ('told', 'status'),
    [
        ({}, None),
        ({'namespace_status': 'granted', 'namespace': 'default'}, None),
        (
            {'namespace_status': 'pending'},
            ops.WaitingStatus('waiting for temporal-k8s to register namespace default'),
        ),
        (
            {'namespace_status': 'granted', 'namespace': 'other'},
            ops.WaitingStatus('waiting for temporal-k8s to register namespace default'),
        ),
        (
            {'namespace_status': 'refused', 'namespace_reason': 'namespace default: the name is taken'},
            ops.BlockedStatus(
                'temporal-k8s registers no namespace default: the name is taken: '
                'juju config temporal-worker-k8s namespace=NAME'
            ),
        ),
        (
            {'namespace_status': 'refused'},
            ops.BlockedStatus(
                'temporal-k8s registers no namespace default: juju config temporal-worker-k8s namespace=NAME'
            ),
        ),
    ],
)
def test_given_a_server_that_registers_namespaces_then_the_worker_starts_with_one(run, disk, archive, told, status):
    out = run(world.state(disk, archive, relations=[world.server({**_ADDRESS, **told})]))

    services = out.get_container('temporal-worker').service_statuses
    assert (plan.SERVICE in services) == (status is None)
    if status:
        assert out.unit_status == status


def test_given_a_running_worker_when_it_is_to_have_another_namespace_then_it_goes_on_until_that_is_there(
    ctx, run, disk, archive
):
    granted = world.server({**_ADDRESS, 'namespace_status': 'granted', 'namespace': 'default'})
    first = run(world.state(disk, archive, relations=[granted]))

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'queue': 'q', 'namespace': 'jobs'}))

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to register namespace jobs')
    assert out.get_container('temporal-worker').service_statuses[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert _settings(disk).namespace == 'default'
