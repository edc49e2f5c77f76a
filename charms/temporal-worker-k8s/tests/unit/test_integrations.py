"""What the workflow code uses: variables by the rule, what is asked for, no value where it can be read."""

from __future__ import annotations

import dataclasses

import ops
import pytest
import world
from neighbours import (
    DATABASE,
    KEYS,
    LOGIN,
    QUOTED,
    TOLD,
    USER,
    VALUE,
    environment,
    related,
    secrets,
    service,
    services,
    unit_state,
)
from ops import pebble, testing

import plan
from facts import Facts

APP = world.APP


@pytest.mark.parametrize(
    ('relation', 'variables'),
    [
        (
            related('database'),
            {
                'POSTGRESQL_DB_CONNECT_STRING': f'postgresql://relation-7:{QUOTED}@pg-primary:5432/orders',
                'POSTGRESQL_DB_SCHEME': 'postgresql',
                'POSTGRESQL_DB_NETLOC': f'relation-7:{QUOTED}@pg-primary:5432',
                'POSTGRESQL_DB_PATH': '/orders',
                'POSTGRESQL_DB_PARAMS': '',
                'POSTGRESQL_DB_QUERY': '',
                'POSTGRESQL_DB_FRAGMENT': '',
                'POSTGRESQL_DB_HOSTNAME': 'pg-primary',
                'POSTGRESQL_DB_PORT': '5432',
                'POSTGRESQL_DB_USERNAME': 'relation-7',
                'POSTGRESQL_DB_PASSWORD': VALUE,
                'POSTGRESQL_DB_NAME': 'orders',
                'POSTGRESQL_DB_TLS': 'false',
            },
        ),
        (
            related('s3'),
            {
                'S3_ACCESS_KEY': 'AK',
                'S3_SECRET_KEY': VALUE,
                'S3_BUCKET': 'b',
                'S3_URI_STYLE': 'host',
                'S3_ADDRESSING_STYLE': 'virtual',
                'S3_TLS_CA_CHAIN': '["PEM"]',
            },
        ),
        (
            related('kafka'),
            {
                'KAFKA_BOOTSTRAP_SERVERS': 'k:9092',
                'KAFKA_SECURITY_PROTOCOL': 'SASL_PLAINTEXT',
                'KAFKA_SASL_MECHANISM': 'SCRAM-SHA-512',
                'KAFKA_USERNAME': 'relation-7',
                'KAFKA_PASSWORD': VALUE,
                'KAFKA_TOPIC': 't',
            },
        ),
        (
            service('My.events/v1', secret=LOGIN),
            {
                'EXTERNAL_MY_EVENTS_V1_URL': 'https://x.example/v1',
                'EXTERNAL_MY_EVENTS_V1_API_TOKEN': VALUE,
                'EXTERNAL_MY_EVENTS_V1_USER': 'me',
            },
        ),
        (service('1st'), {'EXTERNAL_1ST_URL': 'https://x.example/v1'}),
    ],
)
def test_given_an_integration_then_the_code_gets_its_variables(run, disk, archive, relation, variables):
    run(unit_state(disk, archive, relation))

    assert environment(disk) == variables


def test_given_kafka_with_tls_then_the_code_gets_the_authority(run, disk, archive):
    told = {**TOLD['kafka'], 'secret-tls': KEYS, 'consumer-group-prefix': 'g-'}
    tls = testing.Secret({'tls': 'enabled', 'tls-ca': '-----BEGIN X'}, id=KEYS)

    run(unit_state(disk, archive, related('kafka', told), secrets={*secrets(KEYS), tls}))

    found = environment(disk)
    assert (found['KAFKA_SECURITY_PROTOCOL'], found['KAFKA_TLS_CA']) == ('SASL_SSL', '-----BEGIN X')
    assert found['KAFKA_CONSUMER_GROUP_PREFIX'] == 'g-'


def test_given_rabbitmq_then_the_code_gets_what_was_asked_for(run, disk, archive):
    state = unit_state(disk, archive, related('amqp'), config={'amqp-vhost': '/'}, model=testing.Model('m'))

    run(state)

    found = environment(disk)
    url = f'amqp://m-temporal-worker-k8s:{QUOTED}@r:5672/%2F'
    assert (found['RABBITMQ_CONNECT_STRING'], found['RABBITMQ_CONNECT_STRINGS']) == (url, url)
    assert (found['RABBITMQ_VHOST'], found['RABBITMQ_PASSWORD'], found['RABBITMQ_PORT']) == (
        '/',
        VALUE,
        '5672',
    )


def test_given_rabbitmq_with_tls_when_a_unit_goes_then_its_address_goes_too(ctx, run, disk, archive):
    unit = {'password': VALUE, 'ssl_port': '5671', 'ssl_ca': 'UEVN'}
    relation = testing.Relation(
        'amqp',
        'rabbitmq',
        remote_app_name='rabbitmq',
        remote_units_data={0: {'hostname': 'r0', **unit}, 1: {'hostname': 'r1', **unit}},
    )
    first = run(unit_state(disk, archive, relation))
    assert environment(disk)['RABBITMQ_CONNECT_STRINGS'].count('amqps://') == 2
    assert environment(disk)['RABBITMQ_TLS_CA'] == 'PEM'

    left = dataclasses.replace(first.get_relation(relation.id), remote_units_data={1: {'hostname': 'r1', **unit}})
    others = [each for each in first.relations if each.id != relation.id]
    ctx.run(
        ctx.on.relation_departed(left, remote_unit=1, departing_unit=0),
        dataclasses.replace(first, relations=[*others, left]),
    )

    assert 'r0' not in environment(disk)['RABBITMQ_CONNECT_STRINGS']


@pytest.mark.parametrize(
    ('endpoint', 'told'),
    [
        ('database', {**DATABASE, 'endpoints': 'pg:x:5432'}),
        ('database', {**DATABASE, 'endpoints': 'pg:70000'}),
        ('database', {**DATABASE, 'endpoints': '[pg:5432'}),
        ('amqp', {**TOLD['amqp'], 'hostname': 'fd00::1'}),
        ('amqp', {**TOLD['amqp'], 'ssl_port': '70000'}),
    ],
)
def test_given_an_address_that_is_none_then_it_counts_as_not_said_yet(run, disk, archive, endpoint, told):
    config = {'required-integrations': endpoint}

    out = run(unit_state(disk, archive, related(endpoint, told), config=config))

    assert out.unit_status == ops.WaitingStatus(f'waiting for a-{endpoint} to provide {endpoint}')


def test_given_rabbitmq_of_which_one_address_is_none_then_the_others_are_used(run, disk, archive):
    units = {number: {'hostname': name, 'password': VALUE} for number, name in enumerate(('r:x', 'r1'))}

    run(unit_state(disk, archive, testing.Relation('amqp', 'rabbitmq', remote_units_data=units)))

    found = environment(disk)
    assert found['RABBITMQ_CONNECT_STRINGS'] == found['RABBITMQ_CONNECT_STRING']
    assert found['RABBITMQ_HOSTNAME'] == 'r1'


@pytest.mark.parametrize('endpoint', [*TOLD])
@pytest.mark.parametrize('leader', [True, False])
def test_given_a_relation_then_the_leader_asks_with_names_of_juju(run, disk, archive, endpoint, leader):
    model = testing.Model('Prod-1')
    out = run(unit_state(disk, archive, related(endpoint, {}), leader=leader, model=model))

    (relation,) = out.get_relations(endpoint)
    asked = {key: value for key, value in relation.local_app_data.items() if key != 'requested-secrets'}
    own = f'prod-1-{APP}'
    assert asked == (
        {
            'database': {'database': own.replace('-', '_')},
            's3': {'bucket': own, 'version': '1'},
            'kafka': {'topic': own, 'extra-user-roles': 'consumer,producer'},
            'amqp': {'username': own, 'vhost': own},
        }[endpoint]
        if leader
        else {}
    )


def test_given_options_then_the_leader_asks_for_what_they_say(run, disk, archive):
    config = {
        'database-name': 'orders',
        'database-extra-user-roles': ' a, b ,',
        's3-bucket': 'my.bucket',
        's3-path': 'in/here',
        'kafka-topic': 'orders-*',
        'kafka-extra-user-roles': 'admin',
        'kafka-consumer-group-prefix': 'orders-',
        'amqp-vhost': '/',
    }
    out = run(unit_state(disk, archive, *(related(endpoint, {}) for endpoint in TOLD), config=config))

    asked = {
        endpoint: {k: v for k, v in out.get_relations(endpoint)[0].local_app_data.items() if k != 'requested-secrets'}
        for endpoint in TOLD
    }
    assert asked['database'] == {'database': 'orders', 'extra-user-roles': 'a,b'}
    assert asked['s3'] == {'bucket': 'my.bucket', 'path': 'in/here', 'version': '1'}
    assert asked['kafka'] == {
        'topic': 'orders-*',
        'extra-user-roles': 'admin',
        'consumer-group-prefix': 'orders-',
    }
    assert asked['amqp']['vhost'] == '/'


@pytest.mark.parametrize(
    ('option', 'value', 'words'),
    [
        ('database-name', 'my db', 'up to 49 letters, digits, _ and -'),
        ('database-extra-user-roles', 'a b', 'roles separated by commas'),
        ('s3-bucket', 'Bucket', '3 to 63 lower-case letters, digits, - and dots'),
        ('s3-path', 'a b', 'without white space'),
        ('kafka-topic', 'a*b', 'up to 249 letters, digits, dots, _ and -; a * may end it'),
        ('kafka-topic', '*', 'up to 249 letters, digits, dots, _ and -; a * may end it'),
        ('kafka-extra-user-roles', 'a;b', 'roles separated by commas'),
        ('kafka-consumer-group-prefix', 'a b', 'up to 249 letters, digits, dots, _ and -'),
        ('amqp-vhost', 'a b', 'up to 255 characters without white space'),
    ],
)
def test_given_an_option_that_cannot_be_then_the_status_names_it_and_nothing_is_asked(
    run, disk, archive, option, value, words
):
    out = run(unit_state(disk, archive, related('database', {}), config={option: value}))

    assert out.unit_status == ops.BlockedStatus(f'{option} must be {words}: juju config {APP} --reset {option}')
    assert out.get_relations('database')[0].local_app_data == {}


@pytest.mark.parametrize(
    ('relations', 'sentence'),
    [
        (
            [service(app='one'), service(app='two')],
            'one and two both give EXTERNAL_SSE_URL: give one of the services another name, or '
            f'juju remove-relation {APP} two',
        ),
        (
            [service('a', app='one', secret=LOGIN), service('a-api-token', app='two')],
            None,
        ),
        (
            [
                service('a', app='one', secret=LOGIN),
                service('a-api', app='two', secret=USER),
            ],
            None,
        ),
    ],
)
def test_given_a_running_worker_when_two_services_give_one_variable_then_it_goes_on_as_it_is(
    ctx, run, disk, archive, relations, sentence
):
    first = run(unit_state(disk, archive, relations[0]))
    before = environment(disk)

    state = dataclasses.replace(first, relations=[*first.relations, relations[1]])
    out = ctx.run(ctx.on.relation_changed(relations[1]), state)

    if sentence:
        assert out.unit_status == ops.BlockedStatus(sentence)
        assert environment(disk) == before
    else:
        assert not isinstance(out.unit_status, ops.BlockedStatus)
    assert services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE


def test_given_different_services_whose_variables_meet_then_the_status_names_both(run, disk, archive):
    token = testing.Secret({'b-url': 'x'}, id=LOGIN)
    relations = [service('a', app='one', secret=LOGIN), service('a-b', app='two')]

    out = run(unit_state(disk, archive, *relations, secrets={token}))

    assert 'one and two both give EXTERNAL_A_B_URL' in out.unit_status.message


def test_given_a_value_that_no_variable_can_have_then_the_status_names_who_gives_it(run, disk, archive):
    binary = testing.Secret({'token': 'a\0b'}, id=LOGIN)

    out = run(unit_state(disk, archive, service(secret=LOGIN), secrets={binary}))

    assert out.unit_status == ops.BlockedStatus(
        'events gives EXTERNAL_SSE_TOKEN binary data, which no variable can have: mend it there'
    )


def test_given_variables_of_the_operator_then_they_are_stronger_than_an_integrations(run, disk, archive, tmp_path):
    env = tmp_path / 'x.env'
    env.write_text('S3_REGION=mine\nS3_BUCKET=mine\n')
    told = {**TOLD['s3'], 'region': 'theirs'}

    run(unit_state(disk, archive, related('s3', told), resources=world.resources(archive, env)))

    found = environment(disk)
    assert (found['S3_REGION'], found['S3_BUCKET'], found['S3_ACCESS_KEY']) == ('mine', 'mine', 'AK')


def test_given_integrations_then_no_value_stands_where_others_can_read_it(ctx, run, disk, archive, monkeypatch):
    kept: list[Facts] = []
    real = plan.make
    monkeypatch.setattr(plan, 'make', lambda facts: kept.append(facts) or real(facts))

    out = run(
        unit_state(
            disk,
            archive,
            *(related(endpoint) for endpoint in TOLD),
            service(secret=LOGIN),
        )
    )

    assert (disk / 'environment.json').stat().st_mode & 0o777 == 0o600
    container = out.get_container('temporal-worker')
    shown = f'{container.plan.to_yaml()} {ctx.exec_history} {(disk / "settings.json").read_text()} {out.unit_status}'
    memory = disk.with_name('memory') / 'integrations.json'
    shown += str([r.local_app_data for r in out.relations]) + memory.read_text() + repr(kept)
    assert memory.stat().st_mode & 0o777 == 0o600
    for secret in (VALUE, QUOTED):
        assert secret not in shown
        assert not [line for line in ctx.juju_log if secret in line.message]


def test_given_no_integrations_then_no_memory_of_them_is_kept(run, disk, archive):
    run(unit_state(disk, archive))

    assert not (disk.with_name('memory') / 'integrations.json').exists()
