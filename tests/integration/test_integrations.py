"""The worker's gate for what the code uses: PostgreSQL and a service outside Juju come, change, go and come back."""

from __future__ import annotations

import json
import pathlib
import time
from typing import Any

import jubilant
import postgres
import pytest
import suite
import temporal

from bench import wheel

pytestmark = pytest.mark.soak

APP, MAIL = 'climber', 'mail'
INTEGRATOR = 'external-service-integrator'
SECRET, VALUE, URL = 'mail-login', 'stand-in-password', 'https://mail.example/api'
_CODE = pathlib.Path(__file__).with_name('worker_code.py')


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """A server, an integrator, and a worker that requires what it is not related to yet; where the server answers."""
    if not request.config.getoption('--no-juju-setup'):
        folder = tmp_path_factory.mktemp('integrations')
        suite.deploy_server(juju, databases='current')
        juju.deploy(suite.charm(INTEGRATOR), MAIL)
        suite.wait_active(juju, suite.SERVER, suite.ADMIN, suite.POSTGRESQL)
        suite.register_namespace(juju)
        env = folder / 'climber.env'
        env.write_text('UNUSED=1\n')
        archive = wheel.archive(folder, 'climber', _CODE.read_text())
        suite.deploy_worker(juju, APP, workflows=archive, env=env, queue=APP)
        juju.config(APP, {'required-integrations': f'database,{MAIL}'})
        juju.integrate(f'{APP}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _tell(address: str, name: str) -> str:
    return str(temporal.run(address, 'Tell', [name], workflow_id=f'tell-{name}-{time.time()}', queue=APP))


def _shown(juju: jubilant.Juju) -> dict[str, dict[str, Any]]:
    """The integrations by name, as the action tells them."""
    told = juju.run(f'{APP}/0', 'show-integrations', {'format': 'json'}).results['integrations']
    return {row['name']: row for row in json.loads(told)['integrations']}


def _database_asked(juju: jubilant.Juju, address: str) -> str:
    """The database that answers under what the code has as its address and login."""
    url = _tell(address, 'POSTGRESQL_DB_CONNECT_STRING')
    script = f"{postgres.PROGRAMS}/psql '{url}' --tuples-only --no-align --command='SELECT current_database()'"
    return suite.pod_exec(juju, postgres.POD, 'postgresql', script).strip()


def _revisions(juju: jubilant.Juju, app: str) -> list[int]:
    """Of the one secret that an application owns."""
    ((uri, _),) = json.loads(juju.cli('secrets', '--owner', f'application-{app}', '--format=json')).items()
    told = json.loads(juju.cli('show-secret', uri, '--revisions', '--format=json'))[uri]
    return sorted(each['revision'] for each in told['revisions'])


def test_given_nothing_that_is_required_then_the_status_names_the_commands_and_nothing_runs(juju, address):
    commands = (
        f'juju integrate {APP}:database postgresql-k8s:database; '
        f'juju integrate {APP}:external-service external-service-integrator:external-service, with name={MAIL} there'
    )
    suite.wait_status(juju, APP, f'blocked: required and not there: database, {MAIL}: {commands}')

    services = suite.pod_exec(juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], '/charm/bin/pebble services')
    assert suite.CONTAINER[suite.WORKER] not in services


def test_given_an_integrator_then_its_statuses_lead_to_a_service(juju, address):
    suite.wait_status(juju, MAIL, 'blocked: no url')
    uri = juju.add_secret(SECRET, {'password': VALUE})
    juju.config(MAIL, {'url': URL, 'credentials': str(uri)})
    suite.wait_status(juju, MAIL, 'blocked: credentials: secret:')

    juju.grant_secret(SECRET, MAIL)
    juju.config(MAIL, {'url': f'{URL}/v1'})

    suite.wait_status(juju, MAIL, 'active')


def test_given_all_that_is_required_when_it_is_related_then_the_code_runs_with_its_variables(juju, address):
    juju.integrate(f'{APP}:database', f'{suite.POSTGRESQL}:database')
    juju.integrate(f'{APP}:external-service', f'{MAIL}:external-service')
    suite.wait_active(juju)

    assert (_tell(address, 'EXTERNAL_MAIL_URL'), _tell(address, 'EXTERNAL_MAIL_PASSWORD')) == (f'{URL}/v1', VALUE)
    name = _tell(address, 'POSTGRESQL_DB_NAME')
    assert name.endswith(f'_{APP}')
    assert _database_asked(juju, address) == name


def test_given_integrations_when_shown_then_no_value_is(juju, address):
    rows = _shown(juju)

    assert {name: (row['state'], row['application'], row['required']) for name, row in rows.items()} == {
        'database': ('ready', suite.POSTGRESQL, True),
        MAIL: ('ready', MAIL, True),
    }
    plan = suite.pod_exec(juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], '/charm/bin/pebble plan; ps aux || true')
    log = juju.cli('debug-log', '--replay', '--no-tail')
    units = ''.join(juju.cli('show-unit', f'{app}/0') for app in (APP, MAIL))
    password = _tell(address, 'POSTGRESQL_DB_PASSWORD')
    for value in (VALUE, password):
        assert value not in f'{plan}{log}{units}{rows}'


def test_given_a_secret_of_the_operator_when_it_rotates_then_it_reaches_the_code_by_both_charms(juju, address):
    before = _shown(juju)

    juju.update_secret(SECRET, {'password': f'{VALUE}-2'})

    suite.wait_until(
        lambda: _tell(address, 'EXTERNAL_MAIL_PASSWORD') == f'{VALUE}-2', 'the code has the new password', timeout=120
    )
    suite.wait_active(juju)
    after = _shown(juju)
    assert after[MAIL]['since'] == before[MAIL]['since'] < after[MAIL]['changed']
    assert after[MAIL]['fingerprint'] != before[MAIL]['fingerprint']
    assert after['database'] == before['database']
    # Nobody reads the former password any more, and it is there no longer.
    suite.wait_until(lambda: _revisions(juju, MAIL) == [2], "the integrator's former revision is removed")


def test_given_a_secret_of_the_operator_whose_former_revisions_are_removed_when_it_rotates_then_it_is_followed(
    juju, address
):
    juju.cli('remove-secret', SECRET, '--revision', '1')
    juju.update_secret(SECRET, {'password': f'{VALUE}-3'})
    juju.cli('remove-secret', SECRET, '--revision', '2')

    suite.wait_until(
        lambda: _tell(address, 'EXTERNAL_MAIL_PASSWORD') == f'{VALUE}-3', 'the code has the new password', timeout=120
    )
    suite.wait_active(juju)


def test_given_postgresql_when_its_passwords_rotate_then_the_code_logs_in_with_the_new_one(juju, address):
    old = _tell(address, 'POSTGRESQL_DB_PASSWORD')

    juju.run(f'{suite.POSTGRESQL}/leader', 'lab-rotate-passwords')

    suite.wait_until(lambda: _tell(address, 'POSTGRESQL_DB_PASSWORD') != old, 'the code has the new one', timeout=120)
    suite.wait_active(juju)
    assert _database_asked(juju, address) == _tell(address, 'POSTGRESQL_DB_NAME')


@pytest.mark.parametrize(
    ('ours', 'theirs', 'name'),
    [('database', f'{suite.POSTGRESQL}:database', 'database'), ('external-service', f'{MAIL}:external-service', MAIL)],
)
def test_given_a_long_activity_when_something_required_goes_then_it_goes_on_where_it_was_once_that_is_back(
    juju, address, ours, theirs, name
):
    prefix = f'climb-{ours}-{time.time():.0f}'
    temporal.start_many(address, 'Climb', 60, prefix=prefix, queue=APP, count=3)
    time.sleep(8)

    juju.remove_relation(f'{APP}:{ours}', theirs)
    suite.wait_status(juju, APP, f'blocked: required and not there: {name}: juju integrate {APP}:{ours}')
    assert _shown(juju)[name]['state'] == 'missing'
    suite.wait_forgotten(juju, ours, APP, theirs.split(':')[0])
    juju.integrate(f'{APP}:{ours}', theirs)
    suite.wait_active(juju)

    begun = temporal.results(address, prefix=prefix, count=3, timeout=180)
    assert all(isinstance(step, int) and step >= 8 for step in begun), begun
    assert suite.failed_hooks(juju, APP, MAIL) == []
