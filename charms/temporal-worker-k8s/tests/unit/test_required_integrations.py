"""What the workflow code does not run without: a gate that closes and opens, and follows secrets."""

from __future__ import annotations

import dataclasses

import ops
import pytest
import world
from neighbours import (
    KEYS,
    LOGIN,
    SECRETS,
    USER,
    VALUE,
    configuration,
    environment,
    related,
    secrets,
    service,
    services,
    unit_state,
)
from ops import pebble, testing

import plan

APP = world.APP


@pytest.mark.parametrize(
    ('value', 'sentence'),
    [
        (
            'database,external-service',
            'external-service can be several: name the service as its provider calls it: '
            f'juju config {APP} required-integrations=NAME,...',
        ),
        (
            'database,my service',
            "'my service' is no name: take database, s3, kafka, amqp or the name of an external service: "
            f'juju config {APP} required-integrations=NAME,...',
        ),
        (
            '-',
            "'-' is no name: take database, s3, kafka, amqp or the name of an external service: "
            f'juju config {APP} required-integrations=NAME,...',
        ),
    ],
)
def test_given_a_running_worker_when_a_silly_name_is_required_then_it_goes_on_and_the_status_says_so(
    ctx, run, disk, archive, value, sentence
):
    first = run(unit_state(disk, archive))

    config = {'queue': 'q', 'required-integrations': value}
    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config=config))

    assert out.unit_status == ops.BlockedStatus(f'required-integrations: {sentence}')
    assert services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE


@pytest.mark.parametrize(
    ('required', 'relations', 'status'),
    [
        (
            'database',
            [],
            ops.BlockedStatus(
                f'required and not there: database: juju integrate {APP}:database postgresql-k8s:database'
            ),
        ),
        (
            'kafka, sse, kafka',
            [related('kafka', {})],
            ops.BlockedStatus(
                f'required and not there: sse: juju integrate {APP}:external-service '
                'external-service-integrator:external-service, with name=sse there'
            ),
        ),
        (
            's3,amqp',
            [],
            ops.BlockedStatus(
                f'required and not there: s3, amqp: juju integrate {APP}:s3 s3-integrator:s3-credentials; '
                f'juju integrate {APP}:amqp rabbitmq-k8s:amqp'
            ),
        ),
        ('sse', [service('other')], None),
        ('s3', [service('s3')], None),
        ('sse', [related('database')], None),
        (
            'database',
            [related('database', {})],
            ops.WaitingStatus('waiting for a-database to provide database'),
        ),
        (
            'database',
            [related('database', {'database': 'x', 'endpoints': 'h:1'})],
            ops.WaitingStatus('waiting for a-database to provide database'),
        ),
        ('s3', [related('s3', {'bucket': 'b'})], ops.WaitingStatus('waiting for a-s3 to provide s3')),
        (
            'kafka',
            [related('kafka', {'topic': 't'})],
            ops.WaitingStatus('waiting for a-kafka to provide kafka'),
        ),
        (
            'amqp',
            [related('amqp', {'hostname': 'r'})],
            ops.WaitingStatus('waiting for a-amqp to provide amqp'),
        ),
        ('sse', [service(url='')], ops.WaitingStatus('waiting for events to provide sse')),
        ('sse', [service('')], ops.WaitingStatus('waiting for events to provide sse')),
        ('sse', [service('ü')], ops.WaitingStatus('waiting for events to provide sse')),
        (
            'kafka,amqp',
            [related('kafka', {}), related('amqp', {})],
            ops.WaitingStatus('waiting for a-kafka to provide kafka, and for a-amqp to provide amqp'),
        ),
    ],
)
def test_given_something_required_that_is_not_there_then_the_code_does_not_run_and_the_status_says_what_to_do(
    run, disk, archive, required, relations, status
):
    out = run(unit_state(disk, archive, *relations, config={'required-integrations': required}))

    assert plan.SERVICE not in services(out)
    assert out.unit_status == status if status else out.unit_status.name == 'blocked'


@pytest.mark.parametrize(
    ('required', 'relations'),
    [
        ('database,kafka', [related('database'), related('kafka')]),
        ('My_sse', [service('my-sse')]),
        ('sse', [service(''), service(app='other')]),
        ('', [related('database', {})]),
    ],
)
def test_given_all_that_is_required_then_the_code_runs(run, disk, archive, required, relations):
    out = run(unit_state(disk, archive, *relations, config={'required-integrations': required}))

    assert services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')


@pytest.mark.parametrize('required', ['database', ''])
def test_given_a_running_worker_when_an_integration_goes_and_comes_back_then_the_code_follows(
    ctx, run, disk, archive, required
):
    first = run(unit_state(disk, archive, related('database'), config={'required-integrations': required}))
    (relation,) = first.get_relations('database')

    gone = ctx.run(ctx.on.relation_broken(relation), first)

    running = pebble.ServiceStatus.INACTIVE if required else pebble.ServiceStatus.ACTIVE
    assert services(gone)[plan.SERVICE] == services(gone)[plan.ANNOUNCER] == running
    if required:
        assert gone.unit_status.name == 'blocked'
    else:
        assert environment(disk) == {}
        assert configuration(gone) != configuration(first)

    back = related('database')
    state = dataclasses.replace(gone, relations=[*(r for r in gone.relations if r.id != relation.id), back])
    out = ctx.run(ctx.on.relation_changed(back), state)

    assert services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert environment(disk)['POSTGRESQL_DB_NAME'] == 'orders'


def test_given_another_option_that_is_wrong_when_something_required_goes_then_the_worker_stops_all_the_same(
    ctx, run, disk, archive
):
    config = {'required-integrations': 'database'}
    first = run(unit_state(disk, archive, related('database'), config=config))
    (relation,) = first.get_relations('database')
    wrong = dataclasses.replace(first, config={**first.config, 's3-path': 'a b'})
    going_on = ctx.run(ctx.on.config_changed(), wrong)
    assert services(going_on)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE

    out = ctx.run(ctx.on.relation_broken(relation), going_on)

    assert services(out)[plan.SERVICE] == pebble.ServiceStatus.INACTIVE
    assert out.unit_status == ops.BlockedStatus(
        f's3-path must be without white space: juju config {APP} --reset s3-path'
    )
    gone = dataclasses.replace(
        out, config=first.config, relations=[each for each in out.relations if each.id != relation.id]
    )
    mended = ctx.run(ctx.on.config_changed(), gone)
    assert mended.unit_status.message.startswith('required and not there: database')


def test_given_a_secret_that_is_not_granted_yet_then_the_status_says_so_and_the_charm_looks_again(
    ctx, run, disk, archive
):
    config = {'required-integrations': 'database'}
    waiting = run(unit_state(disk, archive, related('database'), config=config, secrets=set()))

    assert waiting.unit_status == ops.WaitingStatus(
        f'waiting for a-database to let {APP} read secret:9m4e2mr0ui3e8a215n4g (database)'
    )
    container = waiting.get_container('temporal-worker')
    assert container.service_statuses == {plan.WAKER: pebble.ServiceStatus.ACTIVE}

    notice = testing.Notice(plan.layout.NOTICE)
    container = dataclasses.replace(container, notices=[notice])
    granted = dataclasses.replace(waiting, containers={container}, secrets=secrets())
    out = ctx.run(ctx.on.pebble_custom_notice(container, notice=notice), granted)

    assert services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE


@pytest.mark.parametrize(
    ('relation', 'uri'),
    [
        (related('database'), USER),
        (related('s3'), KEYS),
        (related('kafka'), USER),
        (service(secret=LOGIN), LOGIN),
    ],
)
@pytest.mark.parametrize('event', ['config_changed', 'update_status'])
def test_given_a_running_worker_when_a_secret_is_revoked_then_it_stops_using_it(
    ctx, run, disk, archive, relation, uri, event
):
    name = 'sse' if relation.endpoint == 'external-service' else relation.endpoint
    first = run(unit_state(disk, archive, relation, config={'required-integrations': name}))
    assert services(first)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE

    out = ctx.run(getattr(ctx.on, event)(), dataclasses.replace(first, secrets=secrets(uri)))

    assert services(out)[plan.SERVICE] == pebble.ServiceStatus.INACTIVE
    assert isinstance(out.unit_status, ops.WaitingStatus)
    assert uri in out.unit_status.message
    assert VALUE not in (disk.with_name('memory') / 'secrets.json').read_text()


@pytest.mark.parametrize(('related_too', 'restarts'), [(True, True), (False, False)])
def test_given_a_running_worker_when_a_secret_rotates_then_only_what_reads_it_is_restarted(
    ctx, run, disk, archive, related_too, restarts
):
    relations = [related('database')] if related_too else [related('s3')]
    first = run(unit_state(disk, archive, *relations))
    rotated = testing.Secret(
        SECRETS[USER],
        latest_content={**SECRETS[USER], 'password': 'new'},
        id=USER,
    )

    out = ctx.run(
        ctx.on.secret_changed(rotated),
        dataclasses.replace(first, secrets={*secrets(USER), rotated}),
    )

    assert (configuration(out) != configuration(first)) is restarts
    assert ('new' in environment(disk).values()) is restarts
