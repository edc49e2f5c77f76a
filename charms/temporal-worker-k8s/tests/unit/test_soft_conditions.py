"""What is wrong with one thing holds back that alone: a running worker gets the rest, and no secret comes too late."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
import world
from ops import testing

import plan
from loader.layout import Settings

URI = 'secret:9m4e2mr0ui3e8a215n4g'
TOKEN = {'queue': 'q', 'auth-provider': 'token', 'auth-secret-id': URI}
VARIABLE = {'queue': 'q', 'environment-secrets': URI}
NO_YAML = {'schedules': 'x: ['}
NO_SUCH_WORKFLOW = {'schedules': 'x: {workflow: Bye, every: 2d}'}


def _service(state: testing.State):
    return state.get_container('temporal-worker').plan.services[plan.SERVICE]


def _rotated(state: testing.State, **changes) -> tuple[testing.Secret, testing.State]:
    """The secret with a new revision, and the world with it."""
    secret = testing.Secret({'token': 'one'}, latest_content={'token': 'two'}, id=URI)
    return secret, dataclasses.replace(state, secrets={secret}, **changes)


def _first(run, disk, archive, config, **changes) -> testing.State:
    return run(world.state(disk, archive, config=config, secrets={testing.Secret({'token': 'one'}, id=URI)}, **changes))


def _token(disk) -> dict[str, str]:
    return json.loads((disk / 'credentials.json').read_text())


@pytest.mark.parametrize(
    ('config', 'wrong', 'restarts'),
    [
        *((VARIABLE, wrong, True) for wrong in (NO_YAML, NO_SUCH_WORKFLOW, {'consume': 'a'})),
        (TOKEN, NO_YAML, False),
        (TOKEN, {'log-level': 'loud'}, False),
        (TOKEN, {'s3-path': 'a b'}, False),
        (TOKEN, {'encryption-secret-id': f'secret:{20 * "x"}'}, False),
    ],
)
def test_given_something_else_that_is_wrong_when_a_secret_rotates_then_the_running_worker_has_it(
    ctx, run, disk, archive, config, wrong, restarts
):
    first = _first(run, disk, archive, config)
    secret, rotated = _rotated(first, config={**config, **wrong})

    out = ctx.run(ctx.on.secret_changed(secret), rotated)

    assert isinstance(out.unit_status, ops.BlockedStatus)
    has = _token(disk) if config is TOKEN else json.loads((disk / 'environment.json').read_text())
    assert has.get('token' if config is TOKEN else 'TOKEN') == 'two'
    assert (_service(out) != _service(first)) is restarts


def test_given_an_env_file_that_is_wrong_when_the_worker_is_to_be_somebody_else_then_it_stays_who_it_is(
    ctx, run, disk, archive, tmp_path
):
    first = _first(run, disk, archive, TOKEN)
    env = tmp_path / 'wrong.env'
    env.write_text('nonsense')
    content = {'candid-url': 'https://c/m', 'candid-username': 'me', 'candid-private-key': 'abcd'}
    other = dataclasses.replace(
        first,
        config={**TOKEN, 'auth-provider': 'candid'},
        secrets={testing.Secret({'token': 'one', **content}, id=URI)},
        resources=world.resources(archive, env),
    )

    ctx.run(ctx.on.config_changed(), other)

    assert _token(disk) == {'token': 'one'}


def test_given_settings_of_another_revision_then_they_say_nothing(ctx, run, disk, archive):
    first = _first(run, disk, archive, TOKEN)
    (disk / 'settings.json').write_text('{"code": "x"}')
    secret, rotated = _rotated(first, config={**TOKEN, 'log-level': 'loud'})

    ctx.run(ctx.on.secret_changed(secret), rotated)

    assert _token(disk) == {'token': 'one'}


@pytest.mark.parametrize('wrong', [NO_YAML, NO_SUCH_WORKFLOW])
def test_given_schedules_that_are_wrong_when_other_code_is_attached_then_the_running_worker_keeps_its_own(
    ctx, run, disk, archive, tmp_path, wrong
):
    first = run(world.state(disk, archive))
    other = world.tar(tmp_path / 'other.tar', world.wheel(tmp_path, 'other'))
    state = dataclasses.replace(first, config={'queue': 'q', **wrong}, resources=world.resources(other))

    out = ctx.run(ctx.on.upgrade_charm(), state)

    assert _service(out) == _service(first)


def test_given_something_to_keep_running_when_a_command_is_set_then_the_wheels_worker_goes_on(ctx, run, disk, archive):
    schedules = {'schedules': 'x: {workflow: Hello, every: 2d}'}
    first = run(world.state(disk, archive, config={'queue': 'q', **schedules}))

    state = dataclasses.replace(first, config={'queue': 'q', **schedules, 'worker-command': '/app/start'})
    out = ctx.run(ctx.on.config_changed(), state)

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert _service(out) == _service(first)


def test_given_a_worker_of_a_named_server_when_the_name_is_mistyped_then_it_goes_on(ctx, run, disk, archive):
    alone = world.state(disk, archive, config={'queue': 'q', 'host': 'h:7233'}, relations=[])
    first = run(alone)

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'queue': 'q', 'host': 'foo'}))

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.get_container('temporal-worker').service_statuses[plan.SERVICE].value == 'active'


@pytest.mark.parametrize('wrong', [NO_YAML, NO_SUCH_WORKFLOW])
def test_given_a_new_container_and_schedules_that_are_wrong_then_the_worker_works_and_is_told_nothing_of_them(
    run, disk, archive, wrong
):
    out = run(world.state(disk, archive, config={'queue': 'q', **wrong}))

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert Settings.load((disk / 'settings.json').read_text()).queues == ('q',)
    assert out.get_container('temporal-worker').service_statuses[plan.SERVICE].value == 'active'
    assert not (disk / 'standing.json').exists()
