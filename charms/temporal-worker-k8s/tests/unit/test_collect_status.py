"""The unit's status: one sentence that names what to do, for everything that can be missing or wrong."""

from __future__ import annotations

import dataclasses
import datetime
import pathlib

import ops
import pytest
import world
from ops import pebble, testing

import plan


@pytest.mark.parametrize(
    ('changes', 'status'),
    [
        ({'config': {}}, ops.BlockedStatus('no task queue: juju config temporal-worker-k8s queue=NAME')),
        (
            {'config': {'queue': 'q', 'namespace': ' '}},
            ops.BlockedStatus('no namespace: juju config temporal-worker-k8s namespace=NAME'),
        ),
        (
            {'config': {'queue': 'q', 'host': 'http://x'}, 'relations': []},
            ops.BlockedStatus('host must be HOST:PORT, not http://x'),
        ),
        (
            {'config': {'queue': 'q', 'host': 'x:99999'}, 'relations': []},
            ops.BlockedStatus('host must be HOST:PORT, not x:99999'),
        ),
        (
            {'config': {'queue': 'q,/_sys/x/1'}},
            ops.BlockedStatus(
                'queue /_sys/x/1 is none: a name has at most 1000 characters, no control characters, and does not '
                'begin with /_sys/'
            ),
        ),
        (
            {'config': {'queue': 'q', 'max-concurrent-activities': 0}},
            ops.BlockedStatus(
                'max-concurrent-activities must be 1 to 10000: '
                'juju config temporal-worker-k8s max-concurrent-activities=1'
            ),
        ),
        (
            {'config': {'queue': 'q', 'max-activities-per-second': -0.5}},
            ops.BlockedStatus(
                'max-activities-per-second must be 0 to 1000000: '
                'juju config temporal-worker-k8s max-activities-per-second=0'
            ),
        ),
        (
            {'config': {'queue': 'q', 'max-concurrent-workflow-task-polls': 1}},
            ops.BlockedStatus(
                'max-concurrent-workflow-task-polls must be 2 to 1000, or 1 with max-cached-workflows=0: '
                'juju config temporal-worker-k8s max-concurrent-workflow-task-polls=2'
            ),
        ),
        (
            {'config': {'queue': 'q', 'prometheus-port': 80}},
            ops.BlockedStatus(
                'prometheus-port must be 1024 to 65535 and not 7230, or 0 for none: '
                'juju config temporal-worker-k8s prometheus-port=9000'
            ),
        ),
        (
            {'config': {'queue': 'q', 'prometheus-port': 7230}},
            ops.BlockedStatus(
                'prometheus-port must be 1024 to 65535 and not 7230, or 0 for none: '
                'juju config temporal-worker-k8s prometheus-port=9000'
            ),
        ),
        (
            {'config': {'queue': 'q', 'prometheus-port': 70000}},
            ops.BlockedStatus(
                'prometheus-port must be 1024 to 65535 and not 7230, or 0 for none: '
                'juju config temporal-worker-k8s prometheus-port=9000'
            ),
        ),
        (
            {'config': {'queue': 'q', 'index-url': 'packages.example/simple'}},
            ops.BlockedStatus(
                'index-url must be an http or https URL without user and password (these go into a secret, as '
                'PIP_INDEX_URL): juju config temporal-worker-k8s --reset index-url'
            ),
        ),
        (
            {'config': {'queue': 'q', 'index-url': 'https://me:pw@packages.example/simple'}},
            ops.BlockedStatus(
                'index-url must be an http or https URL without user and password (these go into a secret, as '
                'PIP_INDEX_URL): juju config temporal-worker-k8s --reset index-url'
            ),
        ),
        (
            {'config': {'queue': 'q', 'index-url': 'https://packages.example/a b'}},
            ops.BlockedStatus(
                'index-url must be an http or https URL without user and password (these go into a secret, as '
                'PIP_INDEX_URL): juju config temporal-worker-k8s --reset index-url'
            ),
        ),
        (
            {'config': {'queue': 'q', 'log-level': 'loud'}},
            ops.BlockedStatus(
                'log-level must be one of debug, info, warning, error, critical: '
                'juju config temporal-worker-k8s log-level=info'
            ),
        ),
        (
            {'config': {'queue': 'q', 'host': 'x:7233'}},
            ops.BlockedStatus(
                'the server is named twice, by relation and by host: juju config temporal-worker-k8s --reset host'
            ),
        ),
        (
            {'relations': []},
            ops.BlockedStatus(
                'no server: juju integrate temporal-worker-k8s:temporal-host-info temporal-k8s:temporal-host-info, '
                'or set host'
            ),
        ),
        (
            {'relations': [world.server({})]},
            ops.WaitingStatus('waiting for temporal-k8s to say where it answers'),
        ),
        (
            {'relations': [world.server({'host': 'h', 'port': 'x'})]},
            ops.WaitingStatus('waiting for temporal-k8s to say where it answers'),
        ),
    ],
)
def test_given_something_missing_or_wrong_then_the_status_names_it(run, disk, archive, changes, status):
    assert run(world.state(disk, archive, **changes)).unit_status == status


def test_given_no_container_yet_then_it_waits(run, disk, archive):
    out = run(world.state(disk, archive, containers={world.container(disk, can_connect=False)}))

    assert out.unit_status == ops.WaitingStatus('waiting for the container to start')


_NO_CODE = ops.BlockedStatus(
    'no workflow code: juju attach-resource temporal-worker-k8s workflows-file=FILE.tar, or set worker-command'
)


def test_given_an_empty_workflows_file_then_it_counts_as_none(run, disk, tmp_path):
    empty = tmp_path / 'empty.tar'
    empty.touch()

    assert run(world.state(disk, empty)).unit_status == _NO_CODE


@pytest.mark.parametrize(
    'words',
    [
        'HTTP request failed: Get https://c/resources/workflows-file: resource#a/workflows-file not found',
        'resource "workflows-file" not found',
        'resource "workflows-file" data not uploaded yet',
    ],
)
def test_given_no_workflows_file_then_the_status_says_how_to_attach_one(run, disk, archive, monkeypatch, words):
    def fail(*_: object) -> None:
        raise ops.ModelError(f'ERROR could not download resource: {words}\n')

    monkeypatch.setattr(ops.model.Resources, 'fetch', fail)

    assert run(world.state(disk, archive)).unit_status == _NO_CODE


def test_given_a_charm_without_the_resource_then_there_is_none(run, disk, archive, monkeypatch):
    def fail(*_: object) -> None:
        raise NameError

    monkeypatch.setattr(ops.model.Resources, 'fetch', fail)

    assert run(world.state(disk, archive)).unit_status == _NO_CODE


@pytest.mark.parametrize(
    ('withheld', 'words', 'told'),
    [
        ('workflows-file', 'Get "https://c:17070": dial tcp: connection refused', 'connection refused'),
        ('env-file', '', 'no reason given'),
    ],
)
def test_given_a_running_worker_and_a_file_that_juju_cannot_hand_over_then_it_goes_on_with_what_it_has(
    ctx, run, disk, archive, tmp_path, monkeypatch, withheld, words, told
):
    env = tmp_path / 'x.env'
    env.write_text('A=1')
    first = run(world.state(disk, archive, resources=world.resources(archive, env)))
    before = (disk / 'environment.json').read_text()
    real = ops.model.Resources.fetch

    def fetch(resources: ops.model.Resources, name: str) -> pathlib.Path:
        if name == withheld:
            raise ops.ModelError(words and f'ERROR could not download resource: {words}\n')
        return real(resources, name)

    monkeypatch.setattr(ops.model.Resources, 'fetch', fetch)

    out = ctx.run(ctx.on.update_status(), first)

    assert out.unit_status == ops.WaitingStatus(f'waiting for Juju to hand over {withheld} ({told})')
    container = out.get_container('temporal-worker')
    assert container.service_statuses[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert plan.WAKER in container.service_statuses
    assert (disk / 'environment.json').read_text() == before


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        (b'A=1\nnonsense\n', 'env-file: line 2 is not NAME=VALUE'),
        (b'\n\nA=1\n\n\nB="unclosed\n', 'env-file: line 6 is not NAME=VALUE'),
        (b'A-B=1\n', 'env-file: line 1 is no variable'),
        (b'A=1\n1X=2\n', 'env-file: line 2 is no variable'),
        (b'A=x\x00y\n', 'env-file: line 1 is no variable'),
        (b'\xff\xfe', 'env-file is no text'),
    ],
)
def test_given_an_env_file_that_cannot_be_read_then_the_status_names_the_line(
    run, disk, archive, tmp_path, content, sentence
):
    env = tmp_path / 'x.env'
    env.write_bytes(content)
    resources = world.resources(archive, env)

    out = run(world.state(disk, archive, resources=resources))

    remedy = 'mend it and juju attach-resource temporal-worker-k8s env-file=FILE.env'
    assert out.unit_status == ops.BlockedStatus(f'{sentence}: {remedy}')


@pytest.mark.parametrize(
    ('problem', 'remedied', 'status'),
    [
        (
            'workflows-file cannot be imported: a: KeyError: 1: attach one',
            False,
            'workflows-file cannot be imported: a: KeyError: 1: attach one: mend it and '
            'juju attach-resource temporal-worker-k8s workflows-file=FILE.tar',
        ),
        (
            'workflows-file has no workflow named X: change supported-workflows',
            True,
            'workflows-file has no workflow named X: change supported-workflows',
        ),
    ],
)
def test_given_code_that_cannot_run_then_the_status_says_why_and_nothing_is_started(
    run, disk, archive, worker, problem, remedied, status
):
    worker.problem, worker.remedied = problem, remedied

    out = run(world.state(disk, archive))

    assert out.unit_status == ops.BlockedStatus(status)
    assert out.get_container('temporal-worker').service_statuses == {}


def test_given_code_that_cannot_run_when_mended_then_it_runs(ctx, run, disk, archive, worker, tmp_path):
    worker.problem = 'workflows-file is neither a wheel nor an archive of wheels: attach one'
    first = run(world.state(disk, archive))
    worker.problem = ''
    other = world.tar(tmp_path / 'other.tar', world.wheel(tmp_path, 'other'))

    out = ctx.run(
        ctx.on.upgrade_charm(),
        dataclasses.replace(first, resources=world.resources(other)),
    )

    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')


@pytest.mark.parametrize('passing', [True, False])
def test_given_a_running_worker_and_code_that_cannot_be_had_now_then_it_goes_on_with_the_code_that_it_has(
    ctx, run, disk, archive, worker, clock, tmp_path, passing
):
    first = run(world.state(disk, archive))
    worker.problem, worker.remedied, worker.passing = 'the index does not answer: attach one', True, passing
    other = world.tar(tmp_path / 'other.tar', world.wheel(tmp_path, 'other'))

    second = ctx.run(ctx.on.upgrade_charm(), dataclasses.replace(first, resources=world.resources(other)))

    assert second.unit_status == ops.BlockedStatus('the index does not answer: attach one')
    container = second.get_container('temporal-worker')
    goes_on = pebble.ServiceStatus.ACTIVE if passing else pebble.ServiceStatus.INACTIVE
    assert container.service_statuses[plan.SERVICE] == goes_on
    before = first.get_container('temporal-worker').plan.services[plan.SERVICE]
    assert container.plan.services[plan.SERVICE] == before

    worker.problem, worker.passing = '', False
    clock.now += 10
    if passing:
        third = ctx.run(ctx.on.update_status(), second)
        assert third.get_container('temporal-worker').plan.services[plan.SERVICE] != before


def test_given_an_image_without_python_then_the_status_says_so(run, disk, archive):
    out = run(world.state(disk, archive, containers={world.container(disk, python=False)}))

    assert out.unit_status == ops.BlockedStatus(
        'temporal-worker-image cannot run the loader (no python3): attach one with Python, pip and temporalio'
    )


def _change_error(words: str) -> pebble.ChangeError:
    change = pebble.Change(pebble.ChangeID('1'), 'exec', '', 'Error', [], True, words, datetime.datetime.now(), None)
    return pebble.ChangeError(words, change)


_EXEC = 'cannot perform the following tasks:\n- exec command "python3"'


@pytest.mark.parametrize(
    ('error', 'sentence'),
    [
        (
            pebble.ExecError(['python3'], 137, '', ''),
            'the loader was killed by signal 9, mostly for want of memory: it is tried again',
        ),
        (
            _change_error(f'{_EXEC} (timed out after 10m0s: context deadline exceeded)'),
            'workflows-file was not installed within 600 s: it is tried again',
        ),
        (
            pebble.TimeoutError('timed out waiting for change 1'),
            'workflows-file was not installed within 600 s: it is tried again',
        ),
        (_change_error(''), 'the loader did not run (no message): it is tried again'),
        (_change_error(f'{_EXEC} (gone)'), 'the loader did not run (exec command "python3" (gone)): it is tried again'),
    ],
)
def test_given_a_loader_that_is_cut_off_then_it_is_tried_again_and_the_image_is_not_blamed(
    ctx, run, disk, archive, worker, clock, monkeypatch, error, sentence
):
    def fail(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(ops.Container, 'exec', fail)
        patch.setattr(worker, 'prepare', lambda *_: None)
        first = run(world.state(disk, archive))
    assert first.unit_status == ops.BlockedStatus(sentence)
    assert set(first.get_container('temporal-worker').service_statuses) == {plan.RETRY}
    clock.now += 10

    out = ctx.run(ctx.on.update_status(), first)

    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')


@pytest.mark.parametrize('event', ['install', 'start', 'stop', 'remove', 'update_status', 'leader_elected'])
def test_given_a_bare_world_when_any_event_comes_then_there_is_a_status_and_no_error(ctx, disk, archive, event):
    state = testing.State(containers={world.container(disk, can_connect=False)}, resources=world.resources(archive))

    assert isinstance(ctx.run(getattr(ctx.on, event)(), state).unit_status, ops.BlockedStatus)
