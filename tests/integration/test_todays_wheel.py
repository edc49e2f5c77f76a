"""A wheel as the OCI Factory builds it today, unchanged: `workflows/` and `activities/`, helpers beside activities."""

from __future__ import annotations

import concurrent.futures
import json
import pathlib
import time
from typing import Any

import jubilant
import pytest
import suite
import temporal

from bench import wheel

pytestmark = pytest.mark.soak

APP, QUEUE, TOPIC = 'oci-worker', 'tests.oci-factory', 'test.rocks.release.oci'
NAME = 'stale_rocks_workflows'
_CODE = pathlib.Path(__file__).with_name('todays_wheel')
_FILES = {
    str(path.relative_to(_CODE)): path.read_text() for path in _CODE.rglob('*') if path.suffix in ('.py', '.json')
}
_ENVIRONMENT = """
ROCKS_EVENTBUS_USERNAME=reader-of-events
ROCKS_EVENTBUS_PASSWORD="p@ss #1"
ROCKS_EVENTBUS_KAFKA_ADDRESS="kafka.example:9094"
OS_USERNAME=keeper-of-builds
MATTERMOST_SERVER=https://chat.example
MATTERMOST_TOKEN=stand-in-token
MATTERMOST_CHANNEL_ID=rocks-alerts
"""
_PRICES = 'stale_rocks/activities/prices.py'
_IMPORTS = {_PRICES: 'from price_of_rocks import price\n'}


def _attachable(folder: pathlib.Path, packed: pathlib.Path) -> pathlib.Path:
    """A wheel under a name that Juju takes for the resource."""
    return packed.rename(folder / 'workflows-file.tar')


def _attach(juju: jubilant.Juju, **resources: pathlib.Path) -> None:
    named = [f'{name.replace("_", "-")}={path}' for name, path in resources.items()]
    juju.cli('attach-resource', APP, *named)


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """A server with a worker that has the wheel, and not yet its variables; where the server answers."""
    if not request.config.getoption('--no-juju-setup'):
        folder = tmp_path_factory.mktemp('today')
        suite.deploy_server(juju, databases='current')
        env = folder / 'some.env'
        env.write_text('OS_USERNAME=keeper-of-builds\n')
        packed = _attachable(folder, wheel.wheel(folder, NAME, _FILES, ['temporalio']))
        suite.deploy_worker(juju, APP, workflows=packed, env=env, queue=QUEUE)
        # The Terraform plan of today sets these.
        today = {'supported-workflows': 'all', 'supported-activities': 'all'}
        juju.config(APP, {**today, 'workflows-file-name': f'{NAME}-1.0-py3-none-any.whl'})
        suite.wait_active(juju, suite.SERVER, suite.ADMIN, suite.POSTGRESQL)
        suite.register_namespace(juju)
        juju.integrate(f'{APP}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _watch(address: str, rounds: int = 1, topic: str = TOPIC) -> dict[str, Any]:
    arguments = [topic, 'readers', rounds]
    result = temporal.run(address, 'WatchWorkflow', arguments, workflow_id=f'watch-{time.time()}', queue=QUEUE)
    assert isinstance(result, dict)
    return result


def _runs(juju: jubilant.Juju) -> tuple[list[str], list[str]]:
    """What the loader has found and would run: workflows and activities."""
    script = 'cat /srv/temporal-worker/prepared.json'
    found = json.loads(suite.pod_exec(juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], script))
    return found['workflows'], found['activities']


def test_given_no_variables_when_the_code_ends_at_its_import_then_the_status_has_its_last_words(juju, address):
    suite.wait_status(
        juju,
        APP,
        'blocked: workflows-file cannot be imported: stale_rocks.activities.activity_watch: SystemExit: 1 '
        "(ERROR:root:missing: ['MATTERMOST_SERVER', ",
        timeout=300,
    )


def test_given_the_dotenv_file_of_today_then_all_that_is_decorated_runs_unchanged(juju, address, tmp_path):
    env = tmp_path / 'today.env'
    env.write_text(_ENVIRONMENT)
    _attach(juju, env_file=env)
    suite.wait_active(juju, APP)

    assert _runs(juju) == (['TellWorkflow', 'WatchWorkflow'], ['announce', 'watch'])
    result = _watch(address, rounds=3)
    link = result.pop('link')
    assert result == {
        'release': 'ubuntu:24.04',
        # Started as `python3`, by its path, with the packages and the variables of the worker.
        'script': {'stale': ['bind9', 'redis'], 'user': 'keeper-of-builds', 'login': 'reader-of-events'},
        'errors': '',
        'attempt': 1,
    }
    host = f'{suite.SERVER}.{juju.status().model.name}.svc.cluster.local:7233'
    assert link.startswith(f'https://web.{host}/namespaces/default/workflows/watch-')


def test_given_an_async_activity_that_blocks_for_long_then_others_go_on_and_it_comes_to_its_end(juju, address):
    with concurrent.futures.ThreadPoolExecutor(1) as waiting:
        found = waiting.submit(_watch, address, topic='test.rocks.quiet')
        told = 0
        while not found.done():
            assert suite.unit_status(juju.status(), APP) == 'active: '
            temporal.run(address, 'TellWorkflow', ['news'], workflow_id=f'tell-{time.time()}', queue=QUEUE)
            told += 1
            time.sleep(5)

    assert (found.result()['script']['stale'], found.result()['attempt']) == (['nginx'], 1)
    assert told > 5


@pytest.mark.parametrize('helper', ['headline', 'find_stale'], ids=['beside an activity', 'in a module of helpers'])
def test_given_names_when_one_is_a_helpers_then_the_status_says_so_until_it_is_mended(juju, address, helper):
    juju.config(APP, {'supported-workflows': 'WatchWorkflow', 'supported-activities': f'watch,{helper},announce'})
    suite.wait_status(
        juju,
        APP,
        f'blocked: workflows-file has no activity named {helper} (there is: announce, watch): '
        'change supported-activities',
    )

    juju.config(APP, {'supported-activities': 'watch, announce'})

    suite.wait_active(juju, APP)
    assert _runs(juju) == (['WatchWorkflow'], ['announce', 'watch'])
    assert _watch(address)['release'] == 'ubuntu:24.04'


@pytest.mark.parametrize(
    ('requires', 'said'),
    [
        (
            ['temporalio'],
            'workflows-file cannot be imported: stale_rocks.activities.prices: ModuleNotFoundError: No module named '
            f"'price_of_rocks': mend it and juju attach-resource {APP} workflows-file=FILE.tar",
        ),
        (['temporalio', 'price_of_rocks'], 'workflows-file lacks a wheel for price_of_rocks: add it to the archive'),
    ],
    ids=['that it does not name', 'that it names'],
)
def test_given_a_wheel_without_something_it_needs_then_the_status_says_what_until_it_is_there(
    juju, address, tmp_path, requires, said
):
    packed = wheel.wheel(tmp_path, NAME, {**_FILES, **_IMPORTS}, requires)
    _attach(juju, workflows_file=_attachable(tmp_path, packed))
    suite.wait_status(juju, APP, f'blocked: {said}')

    # As the operator mends it: named, and in the archive.
    packed = wheel.wheel(tmp_path, NAME, {**_FILES, **_IMPORTS}, ['temporalio', 'price_of_rocks'])
    needed = wheel.wheel(tmp_path, 'price_of_rocks', {'price_of_rocks.py': 'price = 1\n'})
    _attach(juju, workflows_file=wheel.together(tmp_path / 'whole.tar', packed, needed))

    suite.wait_active(juju, APP)
    assert _watch(address)['script']['stale'] == ['bind9', 'redis']


def test_given_all_that_went_wrong_then_no_hook_failed_and_no_value_was_shown(juju, address):
    assert suite.failed_hooks(juju, APP) == []
    container = suite.CONTAINER[suite.WORKER]
    script = '/charm/bin/pebble plan; cat /proc/[0-9]*/cmdline || true'
    shown = suite.pod_exec(juju, f'{APP}-0', container, script) + juju.cli('debug-log', '--replay', '--no-tail')
    for value in ('p@ss #1', 'stand-in-token', 'reader-of-events'):
        assert value not in shown
