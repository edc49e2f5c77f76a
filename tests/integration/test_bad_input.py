"""What an operator gets wrong: each time one sentence in `juju status` says what to do, and doing it mends it."""

from __future__ import annotations

import pathlib
import tarfile

import jubilant
import pytest
import suite

DATABASES = (suite.SERVER, suite.POSTGRESQL)


@pytest.fixture(scope='module')
def server(juju: jubilant.Juju) -> str:
    """The server alone."""
    image = suite.images()['temporal-server-image']
    juju.deploy(suite.charm(suite.SERVER), resources={'temporal-server-image': image})
    juju.deploy(
        suite.charm(suite.POSTGRESQL),
        trust=True,
        resources={'postgresql-image': suite.images()['postgresql-image']},
    )
    return suite.SERVER


def _integrate(juju: jubilant.Juju, endpoint: str) -> None:
    theirs = 'database' if 'database' in endpoint else 'db'
    juju.integrate(f'{suite.SERVER}:{endpoint}', f'{suite.POSTGRESQL}:{theirs}')


def _attach(juju: jubilant.Juju, app: str, resource: str, value: str | pathlib.Path) -> None:
    juju.cli('attach-resource', app, f'{resource}={value}')


# The tests of a server follow an operator who makes one mistake after the other; each leaves it one step further.


def test_given_no_database_then_blocked_names_both_pairs(juju, server):
    suite.wait_status(
        juju, server, 'blocked: no database: juju integrate temporal-k8s:database postgresql-k8s:database'
    )


@pytest.mark.parametrize(
    ('option', 'value', 'sentence'),
    [
        ('num-history-shards', '0', 'num-history-shards must be between 1 and 16384, not 0'),
        ('external-hostname', 'Not a name', 'external-hostname is no DNS name'),
    ],
)
def test_given_an_option_that_makes_no_sense_then_blocked_names_it(juju, server, option, value, sentence):
    juju.config(server, {option: value})
    suite.wait_status(juju, server, f'blocked: {sentence}', settled=True)

    juju.config(server, reset=option)
    suite.wait_status(juju, server, 'blocked: no database')


def test_given_half_a_pair_then_blocked_names_the_other(juju, server):
    _integrate(juju, 'db')

    suite.wait_status(juju, server, 'blocked: half a pair of databases: juju integrate temporal-k8s:visibility')


def test_given_both_pairs_then_blocked_says_which_to_remove(juju, server):
    _integrate(juju, 'visibility')
    _integrate(juju, 'database')
    suite.wait_status(
        juju, server, 'blocked: two kinds of database relation (db, visibility, database), remove those of one'
    )

    juju.remove_relation(f'{suite.SERVER}:database', f'{suite.POSTGRESQL}:database')
    suite.wait_status(
        juju, server, 'blocked: no admin tools: juju integrate temporal-k8s:admin temporal-admin-k8s:admin'
    )


def test_given_an_admin_image_without_the_tools_then_blocked_names_the_resource(juju, server):
    image = suite.images()['nginx-image']
    juju.deploy(suite.charm(suite.ADMIN), resources={'temporal-admin-image': image})
    suite.wait_status(juju, suite.ADMIN, 'blocked: no server: juju integrate temporal-admin-k8s:admin')
    juju.integrate(f'{server}:admin', f'{suite.ADMIN}:admin')
    suite.wait_status(
        juju,
        suite.ADMIN,
        'blocked: temporal-admin-image has no temporal-sql-tool: juju attach-resource temporal-admin-k8s',
    )

    _attach(juju, suite.ADMIN, 'temporal-admin-image', suite.images()['temporal-admin-image'])
    # The pod is replaced, whatever hook it runs just then.
    suite.wait_active(juju, may_fail=True)


def test_given_an_image_that_is_not_temporals_then_blocked_names_the_resource(juju, server):
    _attach(juju, server, 'temporal-server-image', suite.images()['nginx-image'])
    suite.wait_status(
        juju,
        server,
        'blocked: temporal-server-image has no temporal-server: juju attach-resource temporal-k8s',
    )

    _attach(juju, server, 'temporal-server-image', suite.images()['temporal-server-image'])
    # The pod is replaced, whatever hook it runs just then.
    suite.wait_active(juju, may_fail=True)


def test_given_an_action_with_wrong_words_then_it_fails_with_the_tools_own_sentence(juju, server):
    for arguments in ('no such command', '--input "unfinished'):
        with pytest.raises(jubilant.TaskError) as failure:
            juju.run(f'{suite.ADMIN}/0', 'cli', {'args': arguments})
        assert failure.value.task.message
        assert 'Traceback' not in str(failure.value)


@pytest.fixture(scope='module')
def worker(juju: jubilant.Juju, server: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A worker without a queue."""
    env = tmp_path_factory.mktemp('worker') / 'good.env'
    env.write_text('GOOD=1\n')
    suite.register_namespace(juju)
    archive = suite.pulse_archive(env.parent)
    suite.deploy_worker(juju, suite.WORKER, workflows=archive, env=env, queue='')
    return suite.WORKER


def test_given_no_queue_and_no_server_then_blocked_asks_for_one_after_the_other(juju, worker):
    suite.wait_status(juju, worker, 'blocked: no task queue: juju config temporal-worker-k8s queue=NAME')

    juju.config(worker, {'queue': 'pulse'})
    suite.wait_status(juju, worker, 'blocked: no server: juju integrate temporal-worker-k8s:temporal-host-info')

    juju.integrate(f'{worker}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    suite.wait_active(juju)


_WRONG = {
    'supported-workflows': ('Missing', 'workflows-file has no workflow named Missing (there is: Pulse)'),
    'supported-activities': ('missing', 'workflows-file has no activity named missing (there is: beat)'),
    'host': ('somewhere:7233', 'the server is named twice, by relation and by host'),
    'namespace': ('temporal-system', 'temporal-k8s registers no namespace temporal-system'),
    'workflows-file-name': ('other.whl', 'workflows-file-name is other.whl, but workflows-file holds'),
}
"""Options of the worker to a value that fits nothing, and what is said of that."""


@pytest.mark.parametrize('option', _WRONG)
def test_given_an_option_of_the_worker_that_fits_nothing_then_blocked_names_it(juju, worker, option):
    value, sentence = _WRONG[option]
    # The one before is mended at the same time: each way back to active would take longer than all this.
    juju.config(worker, {option: value}, reset=[other for other in _WRONG if other != option])

    suite.wait_status(juju, worker, f'blocked: {sentence}', settled=True)


def test_given_options_that_are_mended_then_the_worker_works_again(juju, worker):
    juju.config(worker, reset=list(_WRONG))

    suite.wait_active(juju)


def test_given_a_file_that_is_no_wheel_then_blocked_names_it_and_a_right_one_mends_it(juju, worker, tmp_path):
    nonsense = tmp_path / 'nonsense.tar'
    nonsense.write_text('no wheel')
    _attach(juju, worker, 'workflows-file', nonsense)
    suite.wait_status(juju, worker, 'blocked: workflows-file is neither a wheel nor an archive of wheels')

    with tarfile.open(nonsense.with_name('other.tar'), 'w') as archive:
        archive.add(nonsense, 'other.whl')
    _attach(juju, worker, 'workflows-file', tmp_path / 'other.tar')
    suite.wait_status(juju, worker, 'blocked: workflows-file holds other.whl, which is no wheel')

    _attach(juju, worker, 'workflows-file', suite.pulse_archive(tmp_path))
    suite.wait_active(juju)


def test_given_an_env_file_with_a_line_that_cannot_be_read_then_blocked_names_the_line(juju, worker, tmp_path):
    env = tmp_path / 'bad.env'
    env.write_text('GOOD=1\nthis is no assignment\n')
    _attach(juju, worker, 'env-file', env)
    suite.wait_status(juju, worker, 'blocked: env-file: line 2 is not NAME=VALUE')

    env.write_text('GOOD=2\n')
    _attach(juju, worker, 'env-file', env)
    suite.wait_active(juju)


def test_given_all_this_then_nothing_failed_with_a_traceback(juju, server, worker):
    log = juju.cli('debug-log', '--replay', '--no-tail')

    assert 'Traceback' not in log
    assert 'Uncaught exception' not in log
