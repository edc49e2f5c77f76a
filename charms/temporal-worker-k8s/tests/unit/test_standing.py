"""The options `consume` and `schedules`: what they may say, what the leader's worker is told, and the status."""

from __future__ import annotations

import dataclasses
import json
import pathlib

import ops
import pytest
import world
from ops import testing

from loader.layout import Prepared
from loader.standing import Consumer, Schedule, Standing
from standing_options import Options
from workload import Health

REBUILD = 'rebuild: {workflow: Hello, arguments: ["*", 1], every: 2d, offset: 2h}'


def _options(consume: str = '', schedules: str = '') -> Options:
    return Options.load({'consume': consume, 'schedules': schedules}, 'app', 'uuid')


def _told(disk) -> Standing:
    return Standing.load((disk / 'standing.json').read_text())


@pytest.mark.parametrize(
    ('consume', 'consumers'),
    [
        ('', ()),
        ('a@g', (Consumer('a', 'g'),)),
        (' a.b-C_1@my/group:1, b@g\nb@g ', (Consumer('a.b-C_1', 'my/group:1'), Consumer('b', 'g'))),
    ],
)
def test_given_consume_then_topics_and_groups_are_told_apart(consume, consumers):
    assert _options(consume) == Options(consumers, (), 'uuid/app')


@pytest.mark.parametrize('entry', ['a', 'a@', '@g', 'a/b@g', 'a@g@h', 'ä@g'])
def test_given_an_entry_of_consume_that_is_none_then_it_is_named(entry):
    assert _options(f'x@y {entry}').problem == f'consume: {entry} is not TOPIC@GROUP: juju config app consume=...'


@pytest.mark.parametrize(
    ('schedules', 'read'),
    [
        ('  ', ()),
        (REBUILD, (Schedule('rebuild', 'Hello', ('*', 1), '', 'skip', 172800, 7200),)),
        (
            'x: {workflow: W, cron: "0 2 * * 1 ", time-zone: Europe/London, overlap: buffer-one, queue: other}',
            (Schedule('x', 'W', (), 'other', 'buffer-one', cron=('0 2 * * 1',), time_zone='Europe/London'),),
        ),
        (
            'x: &x {workflow: W, cron: ["@daily", "0 2 * * 1"]}\ny: {<<: *x, cron: "@hourly"}',
            (
                Schedule('x', 'W', (), '', 'skip', cron=('@daily', '0 2 * * 1')),
                Schedule('y', 'W', (), '', 'skip', cron=('@hourly',)),
            ),
        ),
        (
            'x: {workflow: W, cron: ["@daily", "0 2 * * 1"]}\ny: {workflow: W, every: 1m}',
            (Schedule('x', 'W', (), '', 'skip', cron=('@daily', '0 2 * * 1')), Schedule('y', 'W', (), '', 'skip', 60)),
        ),
    ],
)
def test_given_schedules_then_they_are_read(schedules, read):
    assert _options(schedules=schedules) == Options((), read, 'uuid/app')


@pytest.mark.parametrize(
    ('schedules', 'problem'),
    [
        ('x: [', "schedules is no YAML: line 1: expected the node content, but found '<stream end>'"),
        ('x: \x00', 'schedules is no YAML: line 1: cannot be read'),
        ('[' * 5000, 'schedules is no YAML: line 1: cannot be read'),
        (f'{REBUILD}\n{REBUILD}', 'schedules is no YAML: line 2: rebuild stands there twice'),
        ('x: {workflow: W, every: 2d, every: 3d}', 'schedules is no YAML: line 1: every stands there twice'),
        ('x:\n  arguments: [2026-02-30]', 'schedules is no YAML: line 2: 2026-02-30 is no timestamp'),
        ('x: {arguments: [!!int x]}', 'schedules is no YAML: line 1: x is no int'),
        ('x: {arguments: [!!bool x]}', 'schedules is no YAML: line 1: x is no bool'),
        ('x: {arguments: [!!timestamp x]}', 'schedules is no YAML: line 1: x is no timestamp'),
        ('? [a]\n: {workflow: W}', 'schedules is no YAML: line 1: found unhashable key'),
        ('x', 'schedules must have a name for each schedule, like NAME: {workflow: TYPE, every: 2d}'),
        ('"": {workflow: W}', 'schedules: a name has 1 to 900 characters and no control characters'),
        ('x:', 'schedules: x says no workflow, like {workflow: TYPE, every: 2d}'),
        ('x: {every: 2d}', 'schedules: x says no workflow, like {workflow: TYPE, every: 2d}'),
        (
            'x: {workflow: W, often: 2d}',
            'schedules: x has often, which is none of workflow, arguments, every, offset, cron, time-zone, overlap, '
            'queue',
        ),
        ('x: {workflow: 1, every: 2d}', 'schedules: x: workflow must be text'),
        ('x: {workflow: W, every: 2d, queue: [q]}', 'schedules: x: queue must be text'),
        (
            'x: {workflow: W, every: 2d, arguments: text}',
            'schedules: x: arguments must be a list of what JSON knows; put dates into quotes',
        ),
        (
            'x: {workflow: W, every: 2d, arguments: [2026-11-21]}',
            'schedules: x: arguments must be a list of what JSON knows; put dates into quotes',
        ),
        (
            'x: {workflow: W, every: 2d, overlap: never}',
            'schedules: x: overlap must be one of skip, buffer-one, buffer-all, cancel-other, terminate-other, '
            'allow-all',
        ),
        ('x: {workflow: W}', 'schedules: x must have either every, like 2d, or cron, like "0 2 * * 1"'),
        (
            'x: {workflow: W, every: 2d, cron: "@daily"}',
            'schedules: x must have either every, like 2d, or cron, like "0 2 * * 1"',
        ),
        ('x: {workflow: "a\\0b", every: 2d}', 'schedules: x: workflow must have no control characters'),
        (
            'x: {"\\0": 1, workflow: W, every: 2d}',
            'schedules: x has \N{REPLACEMENT CHARACTER}, which is none of workflow, arguments, every, offset, cron, '
            'time-zone, overlap, queue',
        ),
        (f'x: {{workflow: W, every: 0x{"f" * 4000}}}', 'schedules: a number is too long'),
        ('x: {workflow: W, every: 2 days}', 'schedules: x: every must be like 2d, 12h or 90m'),
        ('x: {workflow: W, every: 2d, offset: -1h}', 'schedules: x: offset must be like 2d, 12h or 90m'),
        ('x: {workflow: W, every: 0m}', 'schedules: x: every must be at least 1m, and offset less than every'),
        (
            'x: {workflow: W, every: 2h, offset: 2h}',
            'schedules: x: every must be at least 1m, and offset less than every',
        ),
        (
            'x: {workflow: W, every: 2h, time-zone: Europe/London}',
            'schedules: x: time-zone is for cron; every counts from 1970 in UTC, and offset moves it',
        ),
        ('x: {workflow: W, cron: 5}', 'schedules: x: cron must be text like "0 2 * * 1", or a list of such'),
        ('x: {workflow: W, cron: []}', 'schedules: x: cron must be text like "0 2 * * 1", or a list of such'),
        (
            'x: {workflow: W, cron: "@daily", offset: 2h}',
            'schedules: x: offset is for every; cron says the time itself',
        ),
    ],
)
def test_given_schedules_that_cannot_be_then_it_is_said_what_is_wrong(schedules, problem):
    assert _options(schedules=schedules).problem == f'{problem}: juju config app schedules=...'


@pytest.fixture
def consuming(monkeypatch):
    """Code that has the workflow that consumes."""
    real = Prepared.load
    monkeypatch.setattr(
        Prepared,
        'load',
        lambda text: dataclasses.replace(real(text), workflows=('ConsumeEvents', 'Hello')),
    )


CONFIG = {'queue': 'q,other', 'consume': 'a@g', 'schedules': REBUILD}


@pytest.mark.usefixtures('consuming')
def test_given_the_leader_then_its_worker_is_told_what_to_keep_running_and_is_not_restarted(ctx, run, disk, archive):
    first = run(world.state(disk, archive, config={'queue': 'q,other'}))
    model = first.model.uuid
    assert _told(disk) == Standing(True, f'{model}/temporal-worker-k8s', ('q', 'other'))
    before = first.get_container('temporal-worker').plan

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config=CONFIG))

    rebuild = Schedule('rebuild', 'Hello', ('*', 1), 'q', 'skip', 172800, 7200)
    assert _told(disk) == Standing(
        True, f'{model}/temporal-worker-k8s', ('q', 'other'), (Consumer('a', 'g'),), (rebuild,)
    )
    assert out.get_container('temporal-worker').plan == before


@pytest.mark.usefixtures('consuming')
def test_given_another_unit_then_its_worker_is_told_that_it_is_none_of_its_business(run, disk, archive):
    run(world.state(disk, archive, config=CONFIG, leader=False))

    assert _told(disk) == Standing()


@pytest.mark.usefixtures('consuming')
def test_given_a_unit_that_no_longer_leads_then_its_worker_hears_of_it_even_where_nothing_else_is_right(
    ctx, run, disk, archive
):
    first = run(world.state(disk, archive, config=CONFIG))

    ctx.run(ctx.on.config_changed(), dataclasses.replace(first, leader=False, config={'queue': '', 'consume': 'x'}))

    assert _told(disk) == Standing()


@pytest.mark.usefixtures('consuming')
def test_given_a_leader_whose_option_is_wrong_then_its_worker_goes_on_as_it_was_told(ctx, run, disk, archive):
    first = run(world.state(disk, archive, config=CONFIG))
    before = _told(disk)

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={**CONFIG, 'consume': 'a'}))

    assert _told(disk) == before
    assert out.unit_status == ops.BlockedStatus(
        'consume: a is not TOPIC@GROUP: juju config temporal-worker-k8s consume=...'
    )


@pytest.mark.parametrize(
    ('config', 'status'),
    [
        (
            {'consume': 'a@g'},
            'consume needs workflow ConsumeEvents, which is not among what workflows-file and supported-workflows give '
            '(Hello): attach code that has it, or change the option',
        ),
        (
            {'schedules': 'x: {workflow: Bye, every: 2d}'},
            'schedules: x needs workflow Bye, which is not among what workflows-file and supported-workflows give '
            '(Hello): attach code that has it, or change the option',
        ),
        ({'schedules': 'x: {workflow: Bye, every: 2d, queue: of-others}'}, ''),
        ({'schedules': REBUILD}, ''),
    ],
)
def test_given_a_workflow_that_the_code_does_not_have_then_the_option_is_named(run, disk, archive, config, status):
    out = run(world.state(disk, archive, config={'queue': 'q', **config}))

    assert out.unit_status == (
        ops.BlockedStatus(status) if status else ops.WaitingStatus('waiting for the worker to start')
    )


def test_given_code_that_takes_every_name_then_no_workflow_is_missing(run, disk, archive, monkeypatch):
    real = Prepared.load
    monkeypatch.setattr(Prepared, 'load', lambda text: dataclasses.replace(real(text), dynamic=True))

    out = run(world.state(disk, archive, config={'queue': 'q', 'consume': 'a@g'}))

    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')


@pytest.mark.usefixtures('consuming')
@pytest.mark.parametrize(
    ('health', 'status'),
    [
        (Health(True), ops.WaitingStatus('waiting for what consume and schedules name to be started')),
        (Health(True, trouble='x to end'), ops.WaitingStatus('waiting for x to end')),
        (Health(True, trouble='x has ended', troubles_operator=True), ops.BlockedStatus('x has ended')),
        (Health(False, 'h to answer', trouble='x'), ops.WaitingStatus('waiting for h to answer')),
        (Health(True, standing='as told'), ops.ActiveStatus()),
    ],
)
def test_given_something_to_keep_running_then_the_unit_is_active_when_it_runs(
    run, disk, archive, worker, health, status
):
    state = world.state(disk, archive, config=CONFIG)
    run(state)
    worker.health = dataclasses.replace(health, standing=_told(disk).key) if health.standing else health

    assert run(state).unit_status == status


def test_given_options_that_are_emptied_then_the_unit_is_active_when_what_they_named_is_gone(
    ctx, run, disk, archive, worker
):
    config = {'queue': 'q', 'schedules': REBUILD}
    first = run(world.state(disk, archive, config=config))
    worker.health = Health(True, standing=_told(disk).key)

    emptied = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'queue': 'q'}))

    assert emptied.unit_status == ops.WaitingStatus(
        'waiting for what consume and schedules no longer name to be taken away'
    )
    worker.health = Health(True, standing=_told(disk).key)
    assert ctx.run(ctx.on.update_status(), emptied).unit_status == ops.ActiveStatus()
    worker.health = Health(True, trouble='x to end')
    assert ctx.run(ctx.on.update_status(), emptied).unit_status == ops.WaitingStatus('waiting for x to end')


@pytest.mark.usefixtures('consuming')
def test_given_a_unit_that_no_longer_leads_then_it_waits_for_nothing_to_be_taken_away(ctx, run, disk, archive, worker):
    first = run(world.state(disk, archive, config=CONFIG))
    worker.health = Health(True, standing=_told(disk).key)

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, leader=False))

    assert out.unit_status == ops.ActiveStatus()


def _act(ctx, state: testing.State, what: str, **params: str) -> dict[str, object] | str:
    try:
        ctx.run(ctx.on.action(f'{what}-schedule', params=params), state)
    except testing.ActionFailed as failed:
        return failed.message
    return ctx.action_results


def _with_program(state: testing.State, stdout: str, return_code: int = 0) -> testing.State:
    container = state.get_container('temporal-worker')
    (copy,) = {mount.source for name, mount in container.mounts.items() if name == 'srv'}
    (code,) = [path.parent.name for path in pathlib.Path(copy).glob('code-*/workflows-file')]
    program = [f'/srv/temporal-worker/{code}/venv/bin/python', '-m', 'loader.one_schedule']
    told = testing.Exec(program, return_code=return_code, stdout=stdout, stderr='warning\nModuleNotFoundError: loader')
    return dataclasses.replace(state, containers={dataclasses.replace(container, execs={told})})


@pytest.mark.parametrize('what', ['show', 'pause', 'resume', 'trigger'])
@pytest.mark.parametrize('params', [{}, {'name': 'rebuild'}])
def test_given_a_schedule_when_an_action_is_run_then_the_loader_does_it(ctx, run, disk, archive, what, params):
    state = run(world.state(disk, archive, config={'queue': 'q', 'schedules': REBUILD}))
    answer = {'schedule': 'rebuild', 'paused': 'true'}

    assert _act(ctx, _with_program(state, f'noise\n{json.dumps(answer)}\n'), what, **params) == answer

    ran = ctx.exec_history['temporal-worker'][-1]
    assert ran.command[1:] == ['-m', 'loader.one_schedule', what, 'rebuild']
    assert (ran.user_id, ran.environment['PYTHONPATH']) == (1000, '/usr/local/lib/temporal-worker')


TWO = 'a: {workflow: Hello, every: 2d}\nb: {workflow: Hello, every: 2d}'


@pytest.mark.parametrize(
    ('schedules', 'params', 'stdout', 'code', 'sentence'),
    [
        ('', {}, '{}', 0, 'the option schedules names none'),
        (TWO, {}, '{}', 0, 'which one? name=a|b'),
        (TWO, {'name': 'c'}, '{}', 0, 'the option schedules has no c (there is: a, b)'),
        (REBUILD, {}, '{"error": "h:1 does not answer"}', 0, 'h:1 does not answer'),
        (REBUILD, {}, '', 1, 'the loader could not do it: ModuleNotFoundError: loader'),
        (REBUILD, {}, '', 0, 'the loader could not do it: list index out of range'),
    ],
)
def test_given_an_action_that_cannot_be_then_it_fails_with_a_sentence(
    ctx, run, disk, archive, schedules, params, stdout, code, sentence
):
    state = run(world.state(disk, archive, config={'queue': 'q', 'schedules': schedules}))

    assert _act(ctx, _with_program(state, stdout, code), 'pause', **params) == sentence


def test_given_no_container_or_no_code_when_an_action_is_run_then_it_fails_with_a_sentence(
    ctx, run, disk, archive, worker
):
    config = {'queue': 'q', 'schedules': REBUILD}
    away = world.state(disk, archive, config=config, containers={world.container(disk, can_connect=False)})
    assert _act(ctx, away, 'pause') == 'the container has not started yet: try again'

    worker.problem = 'workflows-file is neither a wheel nor an archive of wheels: attach one'
    assert _act(ctx, run(world.state(disk, archive, config=config)), 'pause') == (
        'the worker does not run: juju status tells why'
    )
