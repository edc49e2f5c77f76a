"""An image with a worker of its own: started by a command, told everything by its environment, nothing secret shown."""

from __future__ import annotations

import base64
import dataclasses
import json
import shlex

import ops
import pytest
import world
from ops import pebble, testing

import own_image
import plan
from loader.layout import Prepared
from workload import Health

SECRET = "s3cr3t'&"
CONFIG = {'queue': 'q,other', 'worker-command': "/app/start 'with space'"}


def _state(disk, archive, **changes) -> testing.State:
    """A world in which no code is attached."""
    nothing = archive.with_name('nothing')
    nothing.touch()
    values = {'resources': world.resources(nothing), 'config': CONFIG}
    return world.state(disk, archive, **(values | changes))


def _service(out: testing.State) -> pebble.Service:
    return out.get_container('temporal-worker').plan.services[plan.SERVICE]


def test_given_a_command_then_the_attendant_starts_it_and_nothing_is_installed(ctx, run, disk, archive):
    out = run(_state(disk, archive))

    assert 'temporal-worker' not in ctx.exec_history
    container = out.get_container('temporal-worker')
    assert container.service_statuses[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    words = shlex.split(_service(out).command)
    assert words[0] == own_image.PROGRAM
    assert words[-3:] == ['--', '/app/start', 'with space']
    assert [words[at + 1] for at, word in enumerate(words) if word == '-queue'] == ['q', 'other']
    # It drops its rights itself: Juju is told of root's notices only.
    assert _service(out).user_id is None and words[words.index('-user') + 1] == '1000'
    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')
    program = container.get_filesystem(ctx) / own_image.PROGRAM.lstrip('/')
    assert program.read_text() == 'a program' and program.stat().st_mode & 0o777 == 0o755


def test_given_an_own_worker_when_its_command_is_mistyped_then_it_goes_on(ctx, run, disk, archive):
    first = run(_state(disk, archive))

    config = {**first.config, 'worker-command': "/app/start 'x"}
    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config=config))

    assert out.unit_status.message.startswith('worker-command: ')
    assert out.get_container('temporal-worker').service_statuses[plan.SERVICE].value == 'active'


def test_given_a_command_then_all_the_worker_has_to_know_stands_in_its_environment(run, disk, archive, tmp_path):
    env = tmp_path / 'x.env'
    env.write_text(f'TOKEN="{SECRET}"\n')
    nothing = archive.with_name('nothing')
    nothing.touch()
    server = world.server({'host': 'h', 'port': '7233', 'tls': 'true', 'ca': 'PEM'})
    config = {**CONFIG, 'namespace': 'orders', 'log-level': 'debug', 'max-concurrent-activities': 7}

    out = run(_state(disk, archive, resources=world.resources(nothing, env), relations=[server], config=config))

    file = disk / 'environment.json'
    told = json.loads(file.read_text())
    assert file.stat().st_mode & 0o777 == 0o600
    assert (
        told.items()
        >= {
            'TOKEN': SECRET,
            'TWC_HOST': 'h:7233',
            'TWC_NAMESPACE': 'orders',
            'TWC_QUEUE': 'q',
            'TWC_QUEUES': 'q,other',
            'TWC_LOG_LEVEL': 'debug',
            'TWC_PROMETHEUS_PORT': '9000',
            'TWC_MAX_CONCURRENT_ACTIVITIES': '7',
            'TWC_TLS_CA_FILE': '/srv/temporal-worker/ca.pem',
            'TEMPORAL_ADDRESS': 'h:7233',
            'TEMPORAL_TLS': 'true',
            'TEMPORAL_TLS_SERVER_CA_CERT_DATA': 'PEM',
        }.items()
    )
    assert (disk / 'ca.pem').read_text() == 'PEM'
    assert SECRET not in str(out.get_container('temporal-worker').plan)


@pytest.mark.parametrize(
    ('content', 'given'),
    [
        ({'auth-provider': 'token', 'token': SECRET}, {'TEMPORAL_API_KEY': SECRET}),
        (
            {'tls-client-certificate': 'C', 'tls-client-key': 'K'},
            {'TEMPORAL_TLS_CLIENT_CERT_DATA': 'C\n', 'TEMPORAL_TLS_CLIENT_KEY_DATA': 'K\n'},
        ),
    ],
)
def test_given_credentials_then_they_stand_where_temporals_clients_look_for_them(run, disk, archive, content, given):
    secret = testing.Secret(content, id='secret:9m4e2mr0ui3e8a215n4g')
    config = {**CONFIG, 'auth-secret-id': secret.id}

    out = run(_state(disk, archive, config=config, secrets={secret}))

    assert json.loads((disk / 'environment.json').read_text()).items() >= given.items()
    assert SECRET not in str(out.get_container('temporal-worker').plan)


def test_given_keys_then_the_program_is_told_all_of_them_and_how_to_encrypt(run, disk, archive):
    uri = 'secret:9m4e2mr0ui3e8a215n4g'
    keys = [base64.b64encode(bytes([byte]) * 32).decode() for byte in (1, 2)]
    content = {'encryption-key': keys[0], 'encryption-key-2': keys[1]}
    config = {**CONFIG, 'encryption-secret-id': uri}

    run(_state(disk, archive, config=config, secrets={testing.Secret(content, id=uri)}))

    told = json.loads((disk / 'environment.json').read_text())
    assert (told['TWC_ENCRYPTION_KEY'], told['TWC_ENCRYPTION_KEYS']) == (keys[0], ','.join(keys))
    assert told['TWC_ENCRYPTION_CIPHER'] == 'aes-gcm'
    assert not (disk / 'credentials.json').exists() and not (disk / 'keys.json').exists()


def test_given_no_tls_then_there_is_no_authority(run, disk, archive):
    run(_state(disk, archive))

    assert json.loads((disk / 'environment.json').read_text())['TWC_TLS_CA_FILE'] == ''
    assert not (disk / 'ca.pem').exists()


@pytest.mark.parametrize(
    'config', [{'worker-command': '/app/other'}, {'queue': 'x'}, {'log-level': 'debug'}, {'max-cached-workflows': 5}]
)
def test_given_a_running_worker_when_what_it_is_told_changes_then_it_is_restarted(ctx, run, disk, archive, config):
    first = run(_state(disk, archive))

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={**CONFIG, **config}))

    assert _service(second) != _service(first)


def test_given_a_running_worker_when_nothing_changes_then_it_is_not_restarted(ctx, run, disk, archive):
    first = run(_state(disk, archive))

    second = ctx.run(ctx.on.config_changed(), first)

    assert _service(second) == _service(first)


def test_given_code_that_cannot_run_then_a_command_needs_none_of_it(ctx, run, disk, archive, worker):
    worker.problem, worker.passing = 'the index does not answer: attach one', True
    first = run(world.state(disk, archive))

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config=CONFIG))

    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')


def test_given_a_worker_of_a_wheel_when_a_command_is_set_and_reset_then_one_of_both_runs(ctx, run, disk, archive):
    first = run(world.state(disk, archive))

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config=CONFIG))

    statuses = second.get_container('temporal-worker').service_statuses
    assert statuses[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert statuses[plan.ANNOUNCER] == pebble.ServiceStatus.INACTIVE
    assert _service(second).user_id is None

    third = ctx.run(ctx.on.config_changed(), dataclasses.replace(second, config={'queue': 'q'}))

    statuses = third.get_container('temporal-worker').service_statuses
    assert statuses[plan.SERVICE] == statuses[plan.ANNOUNCER] == pebble.ServiceStatus.ACTIVE
    assert _service(third).command.endswith('-m loader.run') and _service(third).user_id == 1000


@pytest.mark.parametrize(
    ('config', 'status'),
    [
        (
            {'worker-command': ''},
            'no workflow code: juju attach-resource temporal-worker-k8s workflows-file=FILE.tar, or set worker-command',
        ),
        (
            {'worker-command': "sh -c 'x"},
            'worker-command: no closing quotation: juju config temporal-worker-k8s worker-command=...',
        ),
        (
            {'consume': 'a@g'},
            'consume and schedules are for workers that come as workflows-file, and worker-command is set: '
            'juju config temporal-worker-k8s --reset consume,schedules',
        ),
        (
            {'schedules': 'x: {workflow: W, every: 2d}'},
            'consume and schedules are for workers that come as workflows-file, and worker-command is set: '
            'juju config temporal-worker-k8s --reset consume,schedules',
        ),
    ],
)
def test_given_options_that_cannot_be_then_the_status_names_them(run, disk, archive, config, status):
    assert run(_state(disk, archive, config={**CONFIG, **config})).unit_status == ops.BlockedStatus(status)


@pytest.mark.parametrize(
    ('health', 'status'),
    [
        (Health(True), ops.ActiveStatus()),
        (
            Health(False, 'worker-command ended at once (exit status 1)', operator=True),
            ops.BlockedStatus('worker-command ended at once (exit status 1)'),
        ),
    ],
)
def test_given_what_the_attendant_answers_then_it_is_the_status(run, disk, archive, worker, health, status):
    worker.health = health

    assert run(_state(disk, archive)).unit_status == status


def test_given_a_result_of_an_earlier_wheel_then_it_says_nothing_of_the_image(run, disk, archive):
    world.prepared(disk, Prepared('old', 'workflows-file cannot be imported'))

    assert run(_state(disk, archive)).unit_status == ops.WaitingStatus('waiting for the worker to start')
