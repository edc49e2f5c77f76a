"""Namespaces: by actions, by the option, by a worker's relation; and what else the server's actions tell."""

from __future__ import annotations

import datetime
import json

import jubilant
import pytest
import suite
import temporal

UNIT = f'{suite.SERVER}/0'
WORKER = 'pulse'


@pytest.fixture(scope='module')
def deployed(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    """Server, admin tools and a worker; nobody registers a namespace."""
    if request.config.getoption('--no-juju-setup'):
        return
    folder = tmp_path_factory.mktemp('namespaces')
    env = folder / 'pulse.env'
    env.write_text('UNUSED=1\n')
    suite.deploy_server(juju, databases='current')
    suite.deploy_worker(juju, WORKER, workflows=suite.pulse_archive(folder), env=env, queue=WORKER)
    juju.integrate(f'{WORKER}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    suite.wait_active(juju)


@pytest.fixture
def address(juju: jubilant.Juju, deployed: None) -> str:
    """The server's Kubernetes service."""
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _run(juju: jubilant.Juju, action: str, **params: object) -> dict[str, str]:
    named = {name.replace('_', '-'): value for name, value in params.items()}
    return dict(juju.run(UNIT, action, named).results)


def _refused(juju: jubilant.Juju, action: str, **params: object) -> str:
    with pytest.raises(jubilant.TaskError) as failure:
        _run(juju, action, **params)
    return failure.value.task.message


def _namespaces(juju: jubilant.Juju) -> dict[str, dict]:
    """What status-report says of namespaces, by name."""
    content = json.loads(_run(juju, 'status-report', format='json')['report'])
    return {each['name']: each for each in content['namespaces']}


def test_given_a_worker_when_deployed_then_its_namespace_is_made_for_it(juju, address):
    assert temporal.run(address, 'Pulse', [1, 0], workflow_id='first', queue=WORKER) == 0
    assert _run(juju, 'list-namespaces')['names'] == 'default'


def test_given_a_namespace_when_registered_twice_then_only_other_settings_are_refused(juju, deployed):
    settings = {
        'retention': '30d',
        'description': 'Orders',
        'data': 'team=shop',
        'search_attributes': 'Customer=Keyword',
    }

    first = _run(juju, 'register-namespace', name='orders', **settings)

    assert (first['changed'], first['retention'], first['state']) == ('true', '30d', 'registered')
    assert json.loads(first['search-attributes']) == {'Customer': 'Keyword'}
    assert _run(juju, 'register-namespace', name='orders', **settings) == first | {'changed': 'false'}
    assert _refused(juju, 'register-namespace', name='orders', retention='7d') == (
        'there is another orders already: use update-namespace for namespace orders: retention 7d, not 30d'
    )


def test_given_a_namespace_when_updated_then_what_is_given_changes(juju, deployed):
    found = _run(juju, 'update-namespace', name='orders', retention='7d', search_attributes='Amount=Double')

    assert found['changed'] == 'true'
    assert _run(juju, 'update-namespace', name='orders', retention='7d')['changed'] == 'false'
    described = _run(juju, 'describe-namespace', name='orders')
    assert (described['retention'], described['description']) == ('7d', 'Orders')
    assert json.loads(described['search-attributes']) == {'Amount': 'Double', 'Customer': 'Keyword'}


@pytest.mark.parametrize(
    ('action', 'params', 'sentence'),
    [
        ('register-namespace', {'name': 'a b'}, 'the name must have no spaces'),
        ('register-namespace', {'name': 'x', 'retention': '3 days'}, 'retention must be hours or days, like 72h or 3d'),
        (
            'update-namespace',
            {'name': 'orders', 'search_attributes': 'Amount=Int'},
            'search attribute Amount of namesp',
        ),
        ('update-namespace', {'name': 'nope', 'retention': '7d'}, 'there is no namespace nope'),
        ('describe-namespace', {'name': 'nope'}, 'there is no namespace nope'),
        (
            'delete-namespace',
            {'name': 'orders', 'confirm': 'yes'},
            'this deletes orders with all its workflows: repeat',
        ),
        ('delete-namespace', {'name': 'temporal-system', 'confirm': 'temporal-system'}, 'temporal-system is where'),
        (
            'update-namespace',
            {'name': 'orders', 'search_attributes': 'A=Text,B=Text,C=Text,D=Text'},
            'namespace orders: Unable to create search attributes: cannot have more than 3 search attribute',
        ),
        ('pre-upgrade-check', {'version': '1.99.0'}, 'this charm runs 1.31 and 1.32, not 1.99.0'),
    ],
)
def test_given_nonsense_then_the_action_says_so_in_one_sentence(juju, deployed, action, params, sentence):
    said = _refused(juju, action, **params)

    assert said.startswith(sentence)
    assert '\n' not in said


def test_given_a_server_that_serves_then_it_may_be_upgraded_and_is_ready(juju, deployed):
    assert _run(juju, 'pre-upgrade-check', version='1.32.3')['to'] == '1.32.3'

    _run(juju, 'restart')

    assert _run(juju, 'wait-ready', timeout=60)['ready'] == 'true'
    suite.wait_active(juju)


def test_given_a_running_server_then_the_report_tells_everything_and_no_password(juju, deployed):
    content = json.loads(_run(juju, 'status-report', format='json')['report'])
    text = _run(juju, 'status-report')['report']

    assert content['status'] == {'name': 'active', 'message': ''}
    assert set(content['roles'].values()) == {'serving'}
    assert {role: len(found) for role, found in content['cluster']['members'].items()} == dict.fromkeys(
        ('frontend', 'history', 'matching', 'worker'), 1
    )
    assert content['shards'] == {'option': 512, 'fixed': 512}
    for database in content['databases'].values():
        assert database['reachable']
        assert database['schema']['found'] == database['schema']['wanted']
        assert 0 < database['connections']['used'] < database['connections']['allowed']
    assert [entry['what'] for entry in content['restarts']] == ['start', 'restart']
    assert text.startswith(f'{UNIT} (leader): active\nserver {content["version"]}; history shards 512\n')
    assert max(map(len, text.splitlines())) < 150
    for password in _passwords(juju):
        assert password not in json.dumps(content) + text


def _passwords(juju: jubilant.Juju) -> set[str]:
    script = 'cat /etc/temporal/secrets/*-password'
    return set(suite.pod_exec(juju, f'{suite.SERVER}-0', 'temporal', script).split()) - {''}


def _declare(juju: jubilant.Juju, retention: str, **wanted: object) -> dict[str, dict]:
    """Declare namespaces, and wait until `stock` has a retention; gives what there is then."""
    juju.config(suite.SERVER, {'declared-namespaces': json.dumps(wanted)})
    found: dict[str, dict] = {}

    def done() -> bool:
        found.update(_namespaces(juju))
        return found.get('stock', {}).get('retention') == retention

    suite.wait_until(done, f'stock has a retention of {retention}')
    return found


def _told_removed(juju: jubilant.Juju) -> int:
    """How often the log says so of `orders`."""
    log = juju.cli('debug-log', '--replay', '--no-tail', '--include', UNIT)
    return log.count('namespace orders is no longer declared: it stays as it is')


def test_given_declared_namespaces_then_they_are_made_changed_and_when_removed_only_reported(juju, deployed):
    orders, stock = {'retention': '30d'}, {'retention': '14d', 'search-attributes': {'Sku': 'Keyword'}}
    found = _declare(juju, '14d', stock=stock, orders=orders)
    assert found['stock']['search-attributes'] == {'Sku': 'Keyword'}
    assert (found['orders']['retention'], found['orders']['description']) == ('30d', 'Orders')
    assert {name: each['declared'] for name, each in found.items()} == {
        'default': 'no',
        'orders': 'yes',
        'stock': 'yes',
    }
    assert _refused(juju, 'delete-namespace', name='stock', confirm='stock') == (
        'stock is declared: change it in the option declared-namespaces'
    )

    before = _told_removed(juju)
    stock = {'retention': '21d', 'owner': 'me', 'search-attributes': {'Sku': 'Keyword', 'Count': 'Int'}}
    found = _declare(juju, '21d', stock=stock)

    assert found['stock']['owner'] == 'me'
    assert found['stock']['search-attributes'] == {'Count': 'Int', 'Sku': 'Keyword'}
    assert (found['orders']['declared'], found['orders']['retention']) == ('removed', '30d')
    assert _told_removed(juju) == before + 1


@pytest.mark.parametrize(
    ('option', 'sentence'),
    [
        ('stock: {retention: soon}', 'stock: retention must be hours or days, like 72h or 3d, not soon'),
        ('stock: {search-attributes: {Sku: Int}}', 'search attribute Sku of namespace stock is Keyword, not Int'),
    ],
)
def test_given_a_declaration_that_cannot_be_then_blocked_names_the_option(juju, deployed, option, sentence):
    juju.config(suite.SERVER, {'declared-namespaces': option})
    suite.wait_status(juju, suite.SERVER, f'blocked: declared-namespaces: {sentence}', settled=True)

    juju.config(suite.SERVER, reset='declared-namespaces')
    suite.wait_active(juju)


def test_given_a_worker_when_its_namespace_changes_or_is_deleted_then_it_follows_and_says_so(juju, address):
    juju.config(WORKER, {'namespace': 'jobs'})
    suite.wait_until(lambda: 'jobs' in _run(juju, 'list-namespaces')['names'], 'jobs is made')
    suite.wait_active(juju)

    assert _run(juju, 'delete-namespace', name='jobs', confirm='jobs')['deleting-as'].startswith('jobs-deleted-')
    suite.wait_status(juju, WORKER, 'blocked: namespace jobs does not exist on', timeout=60)
    assert 'jobs' not in _run(juju, 'list-namespaces')['names']


def test_given_workflows_that_run_then_removal_is_refused_unless_forced(juju, address):
    assert _run(juju, 'prepare-removal')['running'] == '0'
    began = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    temporal.start_many(address, 'Pulse', 1000, prefix='removal', queue=WORKER, count=2)
    suite.wait_until(
        lambda: 'workflows are running (2 in default)' in _refused(juju, 'prepare-removal'), 'both are seen'
    )

    found = _run(juju, 'prepare-removal', force=True)

    assert json.loads(found['namespaces']) == {'default': 2}
    executions = json.loads(found['executions'])
    assert {each['workflow_id'] for each in executions} == {'removal-0', 'removal-1'}
    assert all(datetime.datetime.fromisoformat(each['started']) >= began for each in executions)


def test_given_all_this_then_nothing_failed_with_a_traceback(juju, deployed):
    log = juju.cli('debug-log', '--replay', '--no-tail')

    assert 'Traceback' not in log
    assert 'Uncaught exception' not in log
