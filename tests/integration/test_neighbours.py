"""Workflow code that uses Kafka, RabbitMQ and S3 as their charms hand them over: it waits, writes, reads, and stops.

The charms are those of lab/neighbours/ that `make neighbours` packs, with real software behind them. The code (in
neighbours_code/) leaves letters with each and fetches them there, and knows nothing but its variables.
"""

from __future__ import annotations

import os
import time

import jubilant
import pytest
import suite
import temporal

pytestmark = pytest.mark.soak

APP, CODE = 'writer', 'neighbours-code.tar'
KAFKA, RABBITMQ, S3 = 'kafka-k8s', 'rabbitmq-k8s', 's3-integrator'
NEIGHBOUR = {'kafka': (KAFKA, 'kafka-client'), 'amqp': (RABBITMQ, 'amqp'), 's3': (S3, 's3-credentials')}
"""Endpoint of the worker to the neighbour there and its endpoint."""

IMAGE = {KAFKA: 'kafka-image', RABBITMQ: 'rabbitmq-image', S3: 'minio-image'}
SECRET = 'store-login'
KEYS = {'access-key': 'stand-in-user', 'secret-key': 'stand-in-password'}
ROTATED = {**KEYS, 'secret-key': 'stand-in-password-2'}


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """A server, three neighbours, and a worker that requires what it is not related to; where the server answers."""
    images = suite.images()
    if missing := sorted({*IMAGE.values()} - images.keys()):
        text = f'dist/resources.env lacks {", ".join(missing)}'
        if os.environ.get('LAB') == 'none':
            pytest.skip(text)
        pytest.fail(f'{text}: make neighbours')
    if not request.config.getoption('--no-juju-setup'):
        suite.deploy_server(juju, databases='current')
        for app, image in IMAGE.items():
            juju.deploy(suite.charm(app), app, resources={image: images[image]})
        suite.wait_active(juju, suite.SERVER, suite.ADMIN, suite.POSTGRESQL)
        suite.register_namespace(juju)
        env = tmp_path_factory.mktemp('neighbours') / 'writer.env'
        env.write_text('UNUSED=1\n')
        suite.deploy_worker(juju, APP, workflows=suite.DIST / CODE, env=env, queue=APP)
        juju.config(APP, {'required-integrations': ','.join(NEIGHBOUR)})
        juju.integrate(f'{APP}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _run(address: str, workflow: str, *arguments: str) -> object:
    name = f'{workflow.lower()}-{arguments[0]}-{time.time()}'
    return temporal.run(address, workflow, arguments, workflow_id=name, queue=APP)


def _tell(address: str, *names: str) -> list[str]:
    return [str(_run(address, 'Tell', name)) for name in names]


def _fetched(address: str, service: str, letter: str) -> bool:
    return bool(_run(address, 'Fetch', service, letter))


def _dropped(address: str, service: str) -> str:
    """A letter that is there."""
    letter = f'letter-{time.time()}'
    _run(address, 'Drop', service, letter)
    assert _fetched(address, service, letter)
    return letter


def _running(juju: jubilant.Juju) -> bool:
    """Whether Pebble has the worker's service."""
    services = suite.pod_exec(juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], '/charm/bin/pebble services')
    return any(' active ' in line for line in services.splitlines() if line.startswith('temporal-worker'))


def _integrate(juju: jubilant.Juju, service: str) -> None:
    juju.integrate(f'{APP}:{service}', ':'.join(NEIGHBOUR[service]))


def test_given_nothing_that_is_required_then_the_status_names_the_commands_and_nothing_runs(juju, address):
    commands = '; '.join(f'juju integrate {APP}:{service} {":".join(place)}' for service, place in NEIGHBOUR.items())

    suite.wait_status(juju, APP, f'blocked: required and not there: {", ".join(NEIGHBOUR)}: {commands}')

    assert not _running(juju)


def test_given_neighbours_that_cannot_give_anything_yet_when_related_then_the_worker_waits_for_these(juju, address):
    suite.wait_status(juju, KAFKA, 'blocked: missing required peer-cluster relation')
    suite.wait_status(juju, S3, "blocked: Missing config(s): 'credentials'")

    for service in NEIGHBOUR:
        _integrate(juju, service)

    sentence = f'waiting: waiting for {KAFKA} to provide kafka, and for {S3} to provide s3'
    suite.wait_status(juju, APP, sentence)
    assert not _running(juju)


def test_given_neighbours_that_have_all_they_need_then_the_code_runs_with_their_variables(juju, address):
    juju.config(KAFKA, {'roles': 'broker,controller'})
    uri = juju.add_secret(SECRET, KEYS)
    juju.grant_secret(SECRET, S3)
    juju.config(S3, {'credentials': str(uri)})
    suite.wait_active(juju)

    names = set(_tell(address, 'KAFKA_TOPIC', 'RABBITMQ_VHOST', 'RABBITMQ_USERNAME', 'S3_BUCKET'))
    assert len(names) == 1 and names.pop().endswith(f'-{APP}')
    assert _tell(address, 'S3_ACCESS_KEY', 'S3_SECRET_KEY') == [*KEYS.values()]
    assert _tell(address, 'KAFKA_SECURITY_PROTOCOL', 'KAFKA_TLS_CA') == ['SASL_PLAINTEXT', '']


@pytest.mark.parametrize('service', NEIGHBOUR)
def test_given_a_letter_when_the_neighbours_pod_is_replaced_then_code_that_uses_it_finds_it_there(
    juju, address, service
):
    assert not _fetched(address, service, 'never-dropped')
    letter = _dropped(address, service)

    suite.replace_pod(juju, f'{NEIGHBOUR[service][0]}-0')
    suite.wait_active(juju)

    assert _fetched(address, service, letter)


def test_given_kafka_when_it_is_to_speak_tls_then_the_code_does_so_and_finds_what_it_has_left(juju, address):
    letter = _dropped(address, 'kafka')

    juju.config(KAFKA, {'lab-tls': True})

    def speaks_tls() -> bool:
        protocol, authority = _tell(address, 'KAFKA_SECURITY_PROTOCOL', 'KAFKA_TLS_CA')
        return protocol == 'SASL_SSL' and authority.startswith('-----BEGIN CERTIFICATE-----')

    suite.wait_until(speaks_tls, 'the code has the authority', timeout=120)
    suite.wait_active(juju)
    assert _fetched(address, 'kafka', letter)
    _dropped(address, 'kafka')


def test_given_s3_when_the_operators_keys_change_then_the_code_uses_the_new_ones(juju, address):
    letter = _dropped(address, 's3')

    juju.update_secret(SECRET, ROTATED)

    def rotated() -> bool:
        return _tell(address, 'S3_ACCESS_KEY', 'S3_SECRET_KEY') == [*ROTATED.values()]

    suite.wait_until(rotated, 'the code has the new keys', timeout=120)
    suite.wait_active(juju)
    assert _fetched(address, 's3', letter)


def test_given_s3_when_it_answers_as_the_former_charm_then_the_code_goes_on(juju, address):
    letter = _dropped(address, 's3')

    juju.config(S3, {'lab-former': True, 'attributes': 'x-a: 1,x-b: 2'})

    suite.wait_until(
        lambda: _tell(address, 'S3_ATTRIBUTES') == ['["x-a: 1", "x-b: 2"]'], 'the code has them', timeout=120
    )
    suite.wait_active(juju)
    assert 'secret-extra' not in juju.cli('show-unit', f'{APP}/0')
    assert _tell(address, 'S3_SECRET_KEY') == [ROTATED['secret-key']]
    assert _fetched(address, 's3', letter)


@pytest.mark.parametrize('service', NEIGHBOUR)
def test_given_the_code_when_a_neighbour_goes_then_it_stops_until_that_is_back(juju, address, service):
    app, endpoint = NEIGHBOUR[service]

    juju.remove_relation(f'{APP}:{service}', f'{app}:{endpoint}')
    status = f'blocked: required and not there: {service}: juju integrate {APP}:{service} {app}:{endpoint}'
    suite.wait_status(juju, APP, status)
    suite.wait_until(lambda: not _running(juju), 'the worker has stopped')

    suite.wait_forgotten(juju, service, APP, app)
    _integrate(juju, service)
    suite.wait_active(juju)
    _dropped(address, service)


def test_given_all_of_this_then_no_hook_has_failed(juju, address):
    assert suite.failed_hooks(juju, APP, *IMAGE) == []
