"""The schema, whatever becomes of the databases or of those who work on them: noticed, told, and put right."""

from __future__ import annotations

import json
import time
from concurrent import futures

import jubilant
import postgres
import pytest
import suite
from postgres import AS_POSTGRES, POD, PROGRAMS, SCHEMA_1_18, sql

# Several minutes: with all of them the tests would take longer than they may.
pytestmark = pytest.mark.soak

SLOW = """
CREATE SCHEMA slow;
CREATE FUNCTION slow.down() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.15); END $$;
CREATE EVENT TRIGGER slow ON ddl_command_end EXECUTE FUNCTION slow.down();
"""
FAST = 'DROP EVENT TRIGGER slow; DROP SCHEMA slow CASCADE;'


def dump(juju: jubilant.Juju, databases: dict[str, str]) -> list[str]:
    """What both databases are made of, and the versions that they say they have."""
    lines = []
    for database in databases.values():
        command = f'{AS_POSTGRES} {PROGRAMS}/pg_dump --host=/tmp --schema-only {database}'
        found = suite.pod_exec(juju, POD, 'postgresql', command).splitlines()
        # A word that is another one each time stands behind these.
        lines += [line for line in found if not line.startswith(('\\restrict', '\\unrestrict'))]
        lines.append(sql(juju, database, 'SELECT curr_version, min_compatible_version FROM schema_version'))
    return lines


def empty(juju: jubilant.Juju, databases: dict[str, str]) -> None:
    """Make both databases as new, and slow."""
    for database in databases.values():
        owner = f'"{database}_owner"'
        drop = f'DROP OWNED BY {owner} CASCADE; GRANT ALL ON SCHEMA public TO {owner};'
        sql(juju, database, f'{SLOW}\n{drop}')


def told(juju: jubilant.Juju) -> dict[str, str]:
    """What server and admin charm have told each other; releases of Juju differ in which unit shows whose databag."""
    said: dict[str, str] = {}
    for unit in (f'{suite.SERVER}/0', f'{suite.ADMIN}/0'):
        shown = json.loads(juju.cli('show-unit', unit, '--format=json'))
        for relation in shown[unit]['relation-info']:
            if relation['endpoint'] == 'admin':
                said |= relation.get('application-data', {})
    return said


def leader(juju: jubilant.Juju) -> str:
    """The admin charm's."""
    units = juju.status().apps[suite.ADMIN].units
    return next(name for name, unit in units.items() if unit.leader)


def message(juju: jubilant.Juju, unit: str) -> str:
    """What a unit said last, also if Juju takes its agent for lost, as it may after a pod was killed."""
    log = json.loads(juju.cli('show-status-log', unit, '--type=workload', '-n', '1', '--format=json'))
    return log[-1].get('message', '')


def notices(juju: jubilant.Juju) -> int:
    """How often the watcher has woken the charm."""
    log = juju.cli('debug-log', '--replay', '--no-tail', '--include', f'{suite.ADMIN}/0')
    return log.count('ran "temporal-admin-pebble-custom-notice" hook')


def server_process(juju: jubilant.Juju) -> str:
    """Identifies the running server."""
    # Its number, and when it was started.
    found = "tr '\\0' '\\n' <$p/cmdline | head -n1 | grep -qx temporal-server"
    script = f'for p in /proc/[0-9]*; do {found} && cut -d" " -f1,22 $p/stat; done 2>/dev/null; true'
    return suite.pod_exec(juju, f'{suite.SERVER}-0', 'temporal', script)


@pytest.fixture(scope='module')
def databases(juju: jubilant.Juju, request: pytest.FixtureRequest) -> dict[str, str]:
    """The names of the two databases of a suite that is deployed."""
    if not request.config.getoption('--no-juju-setup'):
        suite.deploy_server(juju, databases='current')
        suite.wait_active(juju)
    login = suite.pod_exec(juju, f'{suite.ADMIN}-0', 'temporal-admin', 'cat /etc/temporal-charm/databases.json')
    return {name: database['name'] for name, database in json.loads(login).items()}


@pytest.fixture(scope='module')
def clean(juju: jubilant.Juju, databases: dict[str, str]) -> list[str]:
    """The dump of a clean install."""
    return dump(juju, databases)


def test_given_a_suite_that_runs_then_every_check_passes_and_nobody_was_woken_in_vain(juju, databases):
    results = juju.run(f'{suite.ADMIN}/0', 'preflight', {'format': 'json'}).results

    checks = json.loads(results['checks'])
    assert results['result'] == 'passed'
    assert {check['result'] for check in checks} == {'passed'}
    log = juju.cli('show-status-log', f'{suite.ADMIN}/0', '--type=workload', '-n', '100')
    # Where PostgreSQL did not answer at first, one notice told that it does.
    assert notices(juju) == (1 if 'cannot log in' in log else 0)


def test_given_a_schema_that_is_put_back_when_the_server_runs_then_it_stops_until_the_schema_is_migrated(
    juju, databases, clean
):
    before = server_process(juju)
    sql(juju, databases['persistence'], SCHEMA_1_18)

    suite.wait_status(juju, suite.SERVER, 'waiting: waiting for the admin charm, which is migrating', timeout=60)
    suite.wait_active(juju, suite.SERVER, suite.ADMIN)

    assert dump(juju, databases) == clean
    assert told(juju)['schema_status'] == 'ready'
    assert server_process(juju) != before


def test_given_postgresql_when_it_is_away_for_a_while_then_nothing_is_taken_back_and_the_charm_is_woken_twice(
    juju, databases
):
    process, woken = server_process(juju), notices(juju)

    postgres.stop(juju)
    try:
        suite.wait_status(juju, suite.ADMIN, 'waiting: cannot log in to', timeout=60)
        assert told(juju)['schema_status'] == 'ready'
        time.sleep(10)
    finally:
        postgres.start(juju)
    suite.wait_active(juju, suite.SERVER, suite.ADMIN)

    assert server_process(juju) == process
    assert notices(juju) == woken + 2


def test_given_a_database_that_is_dropped_then_both_say_so_and_when_there_is_one_again_all_is_well(
    juju, databases, clean
):
    name = databases['visibility']
    members = f"pg_has_role(rolname, '{name}_owner', 'MEMBER') AND rolcanlogin AND NOT rolsuper"
    users = sql(juju, name, f'SELECT rolname FROM pg_roles WHERE {members}').splitlines()
    sql(juju, 'postgres', f'DROP DATABASE "{name}" WITH (FORCE)')

    suite.wait_status(juju, suite.ADMIN, f'blocked: there is no database {name}', timeout=60)
    suite.wait_status(juju, suite.SERVER, f'blocked: schema: there is no database {name}', timeout=60)

    sql(juju, 'postgres', f'CREATE DATABASE "{name}" OWNER "{name}_owner"')
    grants = [f'ALTER ROLE "{user}" IN DATABASE "{name}" SET role = "{name}_owner";' for user in users]
    grants.append(f'REVOKE ALL ON DATABASE "{name}" FROM PUBLIC; GRANT ALL ON SCHEMA public TO "{name}_owner";')
    sql(juju, name, '\n'.join(grants))
    suite.wait_active(juju, suite.SERVER, suite.ADMIN)
    assert dump(juju, databases) == clean


def test_given_somebody_who_works_on_a_schema_then_the_charm_waits_and_goes_on_by_itself(juju, databases, clean):
    work = 'SELECT pg_advisory_lock(1413827920, 1396918349); SELECT pg_sleep(60)'
    with futures.ThreadPoolExecutor() as pool:
        somebody = pool.submit(sql, juju, databases['persistence'], work)
        sql(juju, databases['persistence'], SCHEMA_1_18)

        suite.wait_status(juju, suite.ADMIN, 'waiting: another unit or an earlier hook is migrating the schema')
        with pytest.raises(jubilant.TaskError) as failure:
            juju.run(f'{suite.ADMIN}/0', 'preflight')
        assert failure.value.task.message.startswith('lock: another unit')
        somebody.result()
    suite.wait_active(juju, suite.SERVER, suite.ADMIN)
    assert dump(juju, databases) == clean


def test_given_a_hook_that_is_killed_while_the_tool_works_then_the_schema_is_whole_in_the_end(juju, databases, clean):
    empty(juju, databases)
    suite.wait_status(juju, suite.ADMIN, 'maintenance: migrating')
    time.sleep(3)

    # Not itself, in whose arguments the same words stand.
    found = 'tr "\\0" " " <$p/cmdline | grep -q "[s]rc/charm.py"'
    script = f'for p in /proc/[0-9]*; do {found} && kill -9 ${{p#/proc/}}; done; true'
    suite.pod_exec(juju, f'{suite.ADMIN}-0', 'charm', script)

    suite.wait_active(juju, suite.SERVER, suite.ADMIN, may_fail=True)
    for database in databases.values():
        sql(juju, database, FAST)
    assert dump(juju, databases) == clean


def test_given_three_units_when_the_leaders_pod_is_killed_in_the_middle_several_times_then_the_schema_is_whole(
    juju, databases, clean
):
    juju.add_unit(suite.ADMIN, num_units=2)
    suite.wait_active(juju, suite.ADMIN)
    empty(juju, databases)
    for pause in (1, 4, 9):
        suite.wait_until(
            lambda: message(juju, leader(juju)).startswith('migrating'), 'the leader migrates', timeout=180
        )
        unit = leader(juju)
        time.sleep(pause)
        suite.replace_pod(juju, unit.replace('/', '-'))
    for database in databases.values():
        sql(juju, database, FAST)
    suite.wait_until(lambda: told(juju).get('schema_status') == 'ready', 'the schema is ready', timeout=180)
    suite.wait_active(juju, suite.SERVER, may_fail=True)
    assert dump(juju, databases) == clean
    assert message(juju, leader(juju)) == ''


def test_given_all_this_then_nothing_failed_with_a_traceback(juju, databases):
    log = juju.cli('debug-log', '--replay', '--no-tail')

    assert 'Traceback' not in log
