"""The worker charm on a real server: secrets that come and change, drains, code that blocks, units that come and go."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import jubilant
import pytest
import suite
import temporal

from bench import wheel

pytestmark = pytest.mark.soak

APP = 'climber'
SECRET, VALUE = 'mountain', 'stand-in-password'
_CODE = pathlib.Path(__file__).with_name('worker_code.py')


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """A server with a worker that has the code of worker_code.py; where the server answers."""
    if not request.config.getoption('--no-juju-setup'):
        folder = tmp_path_factory.mktemp('worker')
        suite.deploy_server(juju, databases='current')
        suite.wait_active(juju)
        suite.register_namespace(juju)
        env = folder / 'climber.env'
        env.write_text('PASSWORD=of-the-file\n')
        archive = wheel.archive(folder, 'climber', _CODE.read_text())
        suite.deploy_worker(juju, APP, workflows=archive, env=env, queue=f'{APP},other')
        juju.integrate(f'{APP}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
        suite.wait_active(juju)
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _tell(address: str, name: str, queue: str = APP) -> object:
    return temporal.run(address, 'Tell', [name], workflow_id=f'tell-{name}-{time.time()}', queue=queue)


def _plan(juju: jubilant.Juju) -> str:
    return suite.pod_exec(juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], '/charm/bin/pebble plan; ps aux || true')


def test_given_two_queues_then_both_are_worked_on(address):
    assert [_tell(address, 'TWC_QUEUE', queue) for queue in (APP, 'other')] == [APP, APP]


def test_given_a_secret_when_it_is_granted_and_rotated_then_the_code_has_it_without_anybodys_help(juju, address):
    uri = juju.add_secret(SECRET, {'password': VALUE})
    juju.config(APP, {'environment-secrets': str(uri)})
    suite.wait_status(juju, APP, 'blocked: environment-secrets: secret:')
    assert _tell(address, 'PASSWORD') == 'of-the-file'

    juju.grant_secret(SECRET, APP)
    suite.wait_status(juju, APP, 'active', timeout=90)
    assert _tell(address, 'PASSWORD') == VALUE

    juju.update_secret(SECRET, {'password': f'{VALUE}-2'})
    suite.wait_until(lambda: _tell(address, 'PASSWORD') == f'{VALUE}-2', 'the code has the new password', timeout=90)
    suite.wait_active(juju, APP)
    shown = _plan(juju) + juju.cli('debug-log', '--replay', '--no-tail') + juju.cli('show-unit', f'{APP}/0')
    assert VALUE not in shown


def test_given_a_long_activity_when_the_worker_is_restarted_then_the_next_attempt_goes_on_from_its_heartbeat(
    juju, address
):
    prefix = f'climb-{time.time():.0f}'
    temporal.start_many(address, 'Climb', 60, prefix=prefix, queue=APP, count=3)
    time.sleep(8)

    juju.config(APP, {'max-cached-workflows': 10})

    begun = temporal.results(address, prefix=prefix, count=3, timeout=150)
    assert all(isinstance(step, int) and step >= 8 for step in begun), begun


def test_given_a_long_activity_when_its_pod_is_deleted_then_another_goes_on_from_its_heartbeat(juju, address):
    prefix = f'moved-{time.time():.0f}'
    temporal.start_many(address, 'Climb', 60, prefix=prefix, queue=APP, count=3)
    time.sleep(8)

    suite.kubectl(juju, 'delete', 'pod', f'{APP}-0')

    begun = temporal.results(address, prefix=prefix, count=3, timeout=240)
    assert all(isinstance(step, int) and step >= 8 for step in begun), begun
    suite.wait_active(juju, APP)


def test_given_async_activities_that_block_then_neither_the_others_nor_the_worker_notice(juju, address):
    temporal.start_many(address, 'Block', 3600, prefix=f'block-{time.time():.0f}', queue=APP, count=2)
    began = time.monotonic()
    # Longer than a worker is borne whose own event loop is blocked.
    while time.monotonic() - began < 75:
        assert suite.unit_status(juju.status(), APP) == 'active: '
        assert _tell(address, 'TWC_QUEUE') == APP
        time.sleep(5)


def test_given_a_worker_that_is_killed_then_it_is_started_anew_and_the_status_counts_it(juju, address):
    suite.kill_process(juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], 'loader.run')

    suite.wait_status(juju, APP, 'active: restarted once, last ')

    assert 'its process was killed' in suite.unit_status(juju.status(), APP)
    assert _tell(address, 'TWC_QUEUE') == APP


_POLLERS = re.compile(r'^temporal_num_pollers\{.*\} (\d+)', re.MULTILINE)


def _pollers(address: str) -> int:
    """How many requests for tasks a unit has open, as it tells Prometheus; none where nobody answers."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f'http://{address}:9000/metrics', timeout=2) as response:
            return sum(map(int, _POLLERS.findall(response.read().decode())))
    except (OSError, urllib.error.URLError):
        return 0


@dataclasses.dataclass
class _Watched:
    """What was seen of the units' pollers.

    Attributes:
        samples: how often was looked.
        nobody: how often no unit had any.
        away: the units that had none once.
    """

    samples: int = 0
    nobody: int = 0
    away: set[str] = dataclasses.field(default_factory=set)


@contextlib.contextmanager
def _watched(addresses: dict[str, str]) -> Iterator[_Watched]:
    """Look at the pollers of units all the time."""
    seen, over = _Watched(), threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            now = {unit: _pollers(address) for unit, address in addresses.items()}
            seen.samples += 1
            seen.nobody += not any(now.values())
            seen.away |= {unit for unit, count in now.items() if not count}

    thread = threading.Thread(target=look, name='pollers')
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def _scale(juju: jubilant.Juju, units: int) -> None:
    juju.cli('scale-application', APP, str(units))
    juju.wait(lambda status: len(status.apps[APP].units) == units, timeout=180, successes=1)


def test_given_two_units_when_an_option_and_a_secret_restart_them_then_there_are_pollers_at_every_moment(juju, address):
    _scale(juju, 2)
    suite.wait_active(juju, APP, steady=5)
    units = {
        pod: suite.kubectl(juju, 'get', 'pod', pod, '--output=jsonpath={.status.podIP}')
        for pod in (f'{APP}-0', f'{APP}-1')
    }
    assert all(_pollers(where) for where in units.values())
    uri = juju.add_secret('ridge', {'ridge': 'first'})
    juju.grant_secret('ridge', APP)

    for change in (
        lambda: juju.config(APP, {'environment-secrets': str(uri)}),
        lambda: juju.update_secret('ridge', {'ridge': 'second'}),
    ):
        with _watched(units) as seen:
            change()
            suite.wait_until(lambda seen=seen: seen.away == set(units), 'both units have restarted', timeout=240)
            suite.wait_active(juju, APP, steady=5)
        assert not seen.nobody, seen
        assert all(_pollers(where) for where in units.values())
    assert {_tell(address, 'RIDGE') for _ in range(4)} == {'second'}
    _scale(juju, 1)
    suite.wait_active(juju, APP)


def test_given_no_unit_when_workflows_are_started_then_they_end_when_there_is_one_again(juju, address):
    _scale(juju, 0)
    prefix = f'waiting-{time.time():.0f}'
    temporal.start_many(address, 'Tell', 'TWC_QUEUE', prefix=prefix, queue=APP, count=3)

    _scale(juju, 1)

    assert temporal.results(address, prefix=prefix, count=3, timeout=300) == [APP] * 3
    suite.wait_active(juju, APP)
