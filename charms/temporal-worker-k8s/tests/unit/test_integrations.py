"""What the workflow code uses: variables by the rule, a gate that closes and opens, no value where it can be read."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

import ops
import pytest
import world
from ops import pebble, testing

import integration_report
import plan
from facts import Facts

APP = world.APP
USER, KEYS, LOGIN = (f'secret:9m4e2mr0ui3e8a215n{end}' for end in ('4g', '5h', '6i'))
VALUE = 'p@ss/w%rd'
SECRETS = {
    USER: {'username': 'relation-7', 'password': VALUE},
    KEYS: {'access-key': 'AK', 'secret-key': VALUE},
    LOGIN: {'api-token': VALUE, 'user': 'me'},
}
DATABASE = {'database': 'orders', 'endpoints': 'pg-primary:5432', 'secret-user': USER}
TOLD = {
    'database': DATABASE,
    's3': {'bucket': 'b', 'secret-extra': KEYS, 's3-uri-style': 'host', 'tls-ca-chain': '["PEM"]'},
    'kafka': {'topic': 't', 'endpoints': 'k:9092', 'secret-user': USER},
    'amqp': {'hostname': 'r', 'password': VALUE},
}
INTERFACE = {'database': 'postgresql_client', 's3': 's3', 'kafka': 'kafka_client', 'amqp': 'rabbitmq'}


def related(endpoint: str, told: dict[str, str] | None = None) -> testing.Relation:
    """A relation to an application that has said everything, unless told otherwise."""
    data = TOLD[endpoint] if told is None else told
    app = f'a-{endpoint}'
    return testing.Relation(endpoint, INTERFACE[endpoint], remote_app_name=app, remote_app_data=data)


def service(name: str = 'sse', app: str = 'events', **told: str) -> testing.Relation:
    """A relation to an external service."""
    data = {'name': name, 'url': 'https://x.example/v1', **told}
    return testing.Relation(
        'external-service', remote_app_name=app, remote_app_data={k: v for k, v in data.items() if v}
    )


def _secrets(*without: str) -> set[testing.Secret]:
    return {testing.Secret(content, id=uri) for uri, content in SECRETS.items() if uri not in without}


def _state(disk, archive, *relations: testing.Relation, **changes) -> testing.State:
    config = {'queue': 'q', **changes.pop('config', {})}
    values = {'relations': [world.server(), *relations], 'secrets': _secrets(), 'config': config, **changes}
    return world.state(disk, archive, **values)


def _environment(disk) -> dict[str, str]:
    prefixes = ('POSTGRESQL_', 'S3_', 'KAFKA_', 'RABBITMQ_', 'EXTERNAL_')
    found = json.loads((disk / 'environment.json').read_text())
    return {name: value for name, value in found.items() if name.startswith(prefixes)}


def _services(state: testing.State) -> Mapping[str, pebble.ServiceStatus]:
    return state.get_container('temporal-worker').service_statuses


def _configuration(state: testing.State) -> str:
    return state.get_container('temporal-worker').plan.services[plan.SERVICE].environment['CONFIGURATION']


QUOTED = 'p%40ss%2Fw%25rd'


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
    run(_state(disk, archive, relation))

    assert _environment(disk) == variables


def test_given_kafka_with_tls_then_the_code_gets_the_authority(run, disk, archive):
    told = {**TOLD['kafka'], 'secret-tls': KEYS, 'consumer-group-prefix': 'g-'}
    tls = testing.Secret({'tls': 'enabled', 'tls-ca': '-----BEGIN X'}, id=KEYS)

    run(_state(disk, archive, related('kafka', told), secrets={*_secrets(KEYS), tls}))

    found = _environment(disk)
    assert (found['KAFKA_SECURITY_PROTOCOL'], found['KAFKA_TLS_CA']) == ('SASL_SSL', '-----BEGIN X')
    assert found['KAFKA_CONSUMER_GROUP_PREFIX'] == 'g-'


def test_given_rabbitmq_then_the_code_gets_what_was_asked_for(run, disk, archive):
    state = _state(disk, archive, related('amqp'), config={'amqp-vhost': '/'}, model=testing.Model('m'))

    run(state)

    found = _environment(disk)
    url = f'amqp://m-temporal-worker-k8s:{QUOTED}@r:5672/%2F'
    assert (found['RABBITMQ_CONNECT_STRING'], found['RABBITMQ_CONNECT_STRINGS']) == (url, url)
    assert (found['RABBITMQ_VHOST'], found['RABBITMQ_PASSWORD'], found['RABBITMQ_PORT']) == ('/', VALUE, '5672')


def test_given_rabbitmq_with_tls_when_a_unit_goes_then_its_address_goes_too(ctx, run, disk, archive):
    unit = {'password': VALUE, 'ssl_port': '5671', 'ssl_ca': 'UEVN'}
    relation = testing.Relation(
        'amqp',
        'rabbitmq',
        remote_app_name='rabbitmq',
        remote_units_data={0: {'hostname': 'r0', **unit}, 1: {'hostname': 'r1', **unit}},
    )
    first = run(_state(disk, archive, relation))
    assert _environment(disk)['RABBITMQ_CONNECT_STRINGS'].count('amqps://') == 2
    assert _environment(disk)['RABBITMQ_TLS_CA'] == 'PEM'

    left = dataclasses.replace(first.get_relation(relation.id), remote_units_data={1: {'hostname': 'r1', **unit}})
    others = [each for each in first.relations if each.id != relation.id]
    ctx.run(
        ctx.on.relation_departed(left, remote_unit=1, departing_unit=0),
        dataclasses.replace(first, relations=[*others, left]),
    )

    assert 'r0' not in _environment(disk)['RABBITMQ_CONNECT_STRINGS']


@pytest.mark.parametrize('endpoint', [*TOLD])
@pytest.mark.parametrize('leader', [True, False])
def test_given_a_relation_then_the_leader_asks_with_names_of_juju(run, disk, archive, endpoint, leader):
    model = testing.Model('Prod-1')
    out = run(_state(disk, archive, related(endpoint, {}), leader=leader, model=model))

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
    out = run(_state(disk, archive, *(related(endpoint, {}) for endpoint in TOLD), config=config))

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
    out = run(_state(disk, archive, related('database', {}), config={option: value}))

    assert out.unit_status == ops.BlockedStatus(f'{option} must be {words}: juju config {APP} --reset {option}')
    assert out.get_relations('database')[0].local_app_data == {}


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
    first = run(_state(disk, archive))

    config = {'queue': 'q', 'required-integrations': value}
    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config=config))

    assert out.unit_status == ops.BlockedStatus(f'required-integrations: {sentence}')
    assert _services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE


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
        ('database', [related('database', {})], ops.WaitingStatus('waiting for a-database to provide database')),
        (
            'database',
            [related('database', {'database': 'x', 'endpoints': 'h:1'})],
            ops.WaitingStatus('waiting for a-database to provide database'),
        ),
        ('s3', [related('s3', {'bucket': 'b'})], ops.WaitingStatus('waiting for a-s3 to provide s3')),
        ('kafka', [related('kafka', {'topic': 't'})], ops.WaitingStatus('waiting for a-kafka to provide kafka')),
        ('amqp', [related('amqp', {'hostname': 'r'})], ops.WaitingStatus('waiting for a-amqp to provide amqp')),
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
    out = run(_state(disk, archive, *relations, config={'required-integrations': required}))

    assert plan.SERVICE not in _services(out)
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
    out = run(_state(disk, archive, *relations, config={'required-integrations': required}))

    assert _services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')


@pytest.mark.parametrize('required', ['database', ''])
def test_given_a_running_worker_when_an_integration_goes_and_comes_back_then_the_code_follows(
    ctx, run, disk, archive, required
):
    first = run(_state(disk, archive, related('database'), config={'required-integrations': required}))
    (relation,) = first.get_relations('database')

    gone = ctx.run(ctx.on.relation_broken(relation), first)

    running = pebble.ServiceStatus.INACTIVE if required else pebble.ServiceStatus.ACTIVE
    assert _services(gone)[plan.SERVICE] == _services(gone)[plan.ANNOUNCER] == running
    if required:
        assert gone.unit_status.name == 'blocked'
    else:
        assert _environment(disk) == {}
        assert _configuration(gone) != _configuration(first)

    back = related('database')
    state = dataclasses.replace(gone, relations=[*(r for r in gone.relations if r.id != relation.id), back])
    out = ctx.run(ctx.on.relation_changed(back), state)

    assert _services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE
    assert _environment(disk)['POSTGRESQL_DB_NAME'] == 'orders'


def test_given_a_secret_that_is_not_granted_yet_then_the_status_says_so_and_the_charm_looks_again(
    ctx, run, disk, archive
):
    config = {'required-integrations': 'database'}
    waiting = run(_state(disk, archive, related('database'), config=config, secrets=set()))

    assert waiting.unit_status == ops.WaitingStatus(
        f'waiting for a-database to let {APP} read secret:9m4e2mr0ui3e8a215n4g (database)'
    )
    container = waiting.get_container('temporal-worker')
    assert container.service_statuses == {plan.WAKER: pebble.ServiceStatus.ACTIVE}

    notice = testing.Notice(plan.layout.NOTICE)
    container = dataclasses.replace(container, notices=[notice])
    granted = dataclasses.replace(waiting, containers={container}, secrets=_secrets())
    out = ctx.run(ctx.on.pebble_custom_notice(container, notice=notice), granted)

    assert _services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE


@pytest.mark.parametrize(
    ('relation', 'uri'),
    [(related('database'), USER), (related('s3'), KEYS), (related('kafka'), USER), (service(secret=LOGIN), LOGIN)],
)
@pytest.mark.parametrize('event', ['config_changed', 'update_status'])
def test_given_a_running_worker_when_a_secret_is_revoked_then_it_stops_using_it(
    ctx, run, disk, archive, relation, uri, event
):
    name = 'sse' if relation.endpoint == 'external-service' else relation.endpoint
    first = run(_state(disk, archive, relation, config={'required-integrations': name}))
    assert _services(first)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE

    out = ctx.run(getattr(ctx.on, event)(), dataclasses.replace(first, secrets=_secrets(uri)))

    assert _services(out)[plan.SERVICE] == pebble.ServiceStatus.INACTIVE
    assert isinstance(out.unit_status, ops.WaitingStatus)
    assert uri in out.unit_status.message
    assert VALUE not in (disk.with_name('memory') / 'secrets.json').read_text()


@pytest.mark.parametrize(('related_too', 'restarts'), [(True, True), (False, False)])
def test_given_a_running_worker_when_a_secret_rotates_then_only_what_reads_it_is_restarted(
    ctx, run, disk, archive, related_too, restarts
):
    relations = [related('database')] if related_too else [related('s3')]
    first = run(_state(disk, archive, *relations))
    rotated = testing.Secret(SECRETS[USER], latest_content={**SECRETS[USER], 'password': 'new'}, id=USER)

    out = ctx.run(ctx.on.secret_changed(rotated), dataclasses.replace(first, secrets={*_secrets(USER), rotated}))

    assert (_configuration(out) != _configuration(first)) is restarts
    assert ('new' in _environment(disk).values()) is restarts


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
            [service('a', app='one', secret=LOGIN), service('a-api', app='two', secret=USER)],
            None,
        ),
    ],
)
def test_given_a_running_worker_when_two_services_give_one_variable_then_it_goes_on_as_it_is(
    ctx, run, disk, archive, relations, sentence
):
    first = run(_state(disk, archive, relations[0]))
    before = _environment(disk)

    state = dataclasses.replace(first, relations=[*first.relations, relations[1]])
    out = ctx.run(ctx.on.relation_changed(relations[1]), state)

    if sentence:
        assert out.unit_status == ops.BlockedStatus(sentence)
        assert _environment(disk) == before
    else:
        assert not isinstance(out.unit_status, ops.BlockedStatus)
    assert _services(out)[plan.SERVICE] == pebble.ServiceStatus.ACTIVE


def test_given_different_services_whose_variables_meet_then_the_status_names_both(run, disk, archive):
    token = testing.Secret({'b-url': 'x'}, id=LOGIN)
    relations = [service('a', app='one', secret=LOGIN), service('a-b', app='two')]

    out = run(_state(disk, archive, *relations, secrets={token}))

    assert 'one and two both give EXTERNAL_A_B_URL' in out.unit_status.message


def test_given_a_value_that_no_variable_can_have_then_the_status_names_who_gives_it(run, disk, archive):
    binary = testing.Secret({'token': 'a\0b'}, id=LOGIN)

    out = run(_state(disk, archive, service(secret=LOGIN), secrets={binary}))

    assert out.unit_status == ops.BlockedStatus(
        'events gives EXTERNAL_SSE_TOKEN binary data, which no variable can have: mend it there'
    )


def test_given_variables_of_the_operator_then_they_are_stronger_than_an_integrations(run, disk, archive, tmp_path):
    env = tmp_path / 'x.env'
    env.write_text('S3_REGION=mine\nS3_BUCKET=mine\n')
    told = {**TOLD['s3'], 'region': 'theirs'}

    run(_state(disk, archive, related('s3', told), resources=world.resources(archive, env)))

    found = _environment(disk)
    assert (found['S3_REGION'], found['S3_BUCKET'], found['S3_ACCESS_KEY']) == ('mine', 'mine', 'AK')


def test_given_integrations_then_no_value_stands_where_others_can_read_it(ctx, run, disk, archive, monkeypatch):
    kept: list[Facts] = []
    real = plan.make
    monkeypatch.setattr(plan, 'make', lambda facts: kept.append(facts) or real(facts))

    out = run(_state(disk, archive, *(related(endpoint) for endpoint in TOLD), service(secret=LOGIN)))

    assert (disk / 'environment.json').stat().st_mode & 0o777 == 0o600
    container = out.get_container('temporal-worker')
    shown = f'{container.plan.to_yaml()} {ctx.exec_history} {(disk / "settings.json").read_text()} {out.unit_status}'
    memory = disk.with_name('memory') / 'integrations.json'
    shown += str([r.local_app_data for r in out.relations]) + memory.read_text() + repr(kept)
    assert memory.stat().st_mode & 0o777 == 0o600
    for secret in (VALUE, QUOTED):
        assert secret not in shown
        assert not [line for line in ctx.juju_log if secret in line.message]


def _show(ctx, state: testing.State, form: str = 'json'):
    ctx.run(ctx.on.action('show-integrations', params={'format': form}), state)
    found = ctx.action_results['integrations']
    return json.loads(found) if form == 'json' else found


def test_given_integrations_when_shown_then_it_says_who_since_when_and_no_value(ctx, run, disk, archive, tmp_path):
    env = tmp_path / 'x.env'
    env.write_text('S3_BUCKET=mine\n')
    relations = [
        related('database'),
        related('s3'),
        related('kafka', {}),
        service(secret='secret:9m4e2mr0ui3e8a215n7k'),
    ]
    config = {'required-integrations': 'database,amqp,mail'}
    state = run(_state(disk, archive, *relations, config=config, resources=world.resources(archive, env)))

    found = _show(ctx, state)

    assert (found['unit'], found['required'], found['problem']) == (f'{APP}/0', ['database', 'amqp', 'mail'], '')
    rows = {row['name']: row for row in found['integrations']}
    assert [(row['name'], row['state'], row['application'], row['required']) for row in found['integrations']] == [
        ('database', 'ready', 'a-database', True),
        ('s3', 'ready', 'a-s3', False),
        ('kafka', 'waiting', 'a-kafka', False),
        ('sse', 'refused', 'events', False),
        ('amqp', 'missing', '', True),
        ('mail', 'missing', '', True),
    ]
    assert rows['mail']['endpoint'] == 'external-service'
    assert len(rows['database']['fingerprint']) == 12
    assert rows['database']['fingerprint'] != rows['s3']['fingerprint']
    assert rows['database']['since'] == rows['database']['changed'] is not None
    assert (rows['s3']['replaced'], rows['database']['replaced']) == (['S3_BUCKET'], [])
    assert 'POSTGRESQL_DB_PASSWORD' in rows['database']['variables']
    assert (rows['kafka']['since'], rows['kafka']['fingerprint'], rows['kafka']['variables']) == (None, None, [])
    text = _show(ctx, state, 'text')
    assert text.splitlines()[0] == f'{APP}/0: 2 of 6 integrations ready'
    assert 'database: ready by a-database' in text
    assert '\namqp: missing\n' in text
    for value in (VALUE, QUOTED, 'relation-7', 'pg-primary'):
        assert value not in text + str(found)


def test_given_an_integration_when_it_rotates_goes_and_comes_back_then_its_times_follow(
    ctx, run, disk, archive, monkeypatch
):
    clock = iter(f'2026-11-21T10:00:0{second}+00:00' for second in range(9))
    monkeypatch.setattr(integration_report, '_now', lambda: next(clock))
    first = run(_state(disk, archive, related('database')))
    begun = _show(ctx, first)['integrations'][0]
    rotated = testing.Secret(SECRETS[USER], latest_content={**SECRETS[USER], 'password': 'new'}, id=USER)
    second = ctx.run(ctx.on.secret_changed(rotated), dataclasses.replace(first, secrets={*_secrets(USER), rotated}))
    changed = _show(ctx, second)['integrations'][0]

    assert changed['since'] == begun['since'] == begun['changed'] < changed['changed']
    assert changed['fingerprint'] != begun['fingerprint']

    (relation,) = second.get_relations('database')
    gone = ctx.run(ctx.on.relation_broken(relation), second)
    again = _show(ctx, ctx.run(ctx.on.update_status(), gone))['integrations'][0]

    assert again['since'] == again['changed'] > changed['changed']


@pytest.mark.parametrize(
    ('relations', 'line'),
    [([], 'no integrations'), ([service(app='one'), service(app='two')], 'one and two both give EXTERNAL_SSE_URL')],
)
def test_given_nothing_or_a_clash_when_shown_then_the_first_line_says_so(ctx, disk, archive, relations, line):
    assert _show(ctx, _state(disk, archive, *relations), 'text').startswith(f'{APP}/0: {line}')


def test_given_no_container_when_shown_then_what_is_related_is_told_without_times(ctx, disk, archive):
    away = {world.container(disk, can_connect=False)}

    found = _show(ctx, _state(disk, archive, related('database'), containers=away))

    assert [(row['state'], row['since']) for row in found['integrations']] == [('ready', None)]


def test_given_no_integrations_then_no_memory_of_them_is_kept(run, disk, archive):
    run(_state(disk, archive))

    assert not (disk.with_name('memory') / 'integrations.json').exists()
