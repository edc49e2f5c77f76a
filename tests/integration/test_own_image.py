"""An image that brings its own worker: the lab's, whose Python is given a program by `worker-command`."""

from __future__ import annotations

import pathlib
import time

import jubilant
import pytest
import suite
import temporal

pytestmark = pytest.mark.soak

APP = 'own'
VALUE = 'stand-in-password'
_PROGRAM = pathlib.Path(__file__).with_name('own_worker.py')
_COMMAND = """python3 -c 'import os; exec(os.environ["PROGRAM"])'"""


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """A server with a worker of an image; where the server answers."""
    if not request.config.getoption('--no-juju-setup'):
        folder = tmp_path_factory.mktemp('own')
        suite.deploy_server(juju, databases='current')
        suite.wait_active(juju)
        suite.register_namespace(juju)
        env = folder / 'own.env'
        program = _PROGRAM.read_text().replace('\\', '\\\\').replace("'", "\\'")
        env.write_text(f"PROGRAM='{program}'\nPASSWORD={VALUE}\n")
        nothing = folder / 'nothing.tar'
        nothing.touch()
        suite.deploy_worker(juju, APP, workflows=nothing, env=env, queue=APP)
        juju.integrate(f'{APP}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _tell(address: str, name: str) -> object:
    return temporal.run(address, 'Tell', [name], workflow_id=f'tell-{name}-{time.time()}', queue=APP)


def test_given_no_command_then_the_status_asks_for_one(juju, address):
    suite.wait_status(juju, APP, 'blocked: no workflow code: ')


def test_given_a_command_then_the_worker_runs_with_what_it_is_told_and_shows_no_secret(juju, address):
    juju.config(APP, {'worker-command': _COMMAND})

    suite.wait_active(juju, APP)

    assert [_tell(address, name) for name in ('TWC_QUEUE', 'PASSWORD')] == [APP, VALUE]
    shown = suite.pod_exec(
        juju, f'{APP}-0', suite.CONTAINER[suite.WORKER], '/charm/bin/pebble plan; cat /proc/[0-9]*/cmdline || true'
    )
    assert VALUE not in shown + juju.cli('debug-log', '--replay', '--no-tail')


def test_given_a_long_activity_when_the_worker_is_restarted_then_the_next_attempt_goes_on_from_its_heartbeat(
    juju, address
):
    prefix = f'climb-{time.time():.0f}'
    temporal.start_many(address, 'Climb', 60, prefix=prefix, queue=APP, count=3)
    time.sleep(8)

    juju.config(APP, {'log-level': 'debug'})

    begun = temporal.results(address, prefix=prefix, count=3, timeout=150)
    assert all(isinstance(step, int) and step >= 8 for step in begun), begun
    suite.wait_active(juju, APP)


@pytest.mark.parametrize(
    ('command', 'said'),
    [
        ('no-such-program', 'blocked: worker-command: temporal-worker-image has no no-such-program'),
        (
            """python3 -c 'raise SystemExit("no queue")'""",
            'blocked: worker-command ended at once (exit status 1: no queue)',
        ),
        ('sleep 3600', f'blocked: {suite.SERVER}'),
    ],
)
def test_given_a_command_that_does_not_work_then_the_status_says_why_until_it_is_mended(juju, address, command, said):
    juju.config(APP, {'worker-command': command})
    suite.wait_status(juju, APP, said, timeout=180)

    juju.config(APP, {'worker-command': _COMMAND})
    suite.wait_active(juju, APP)
    assert _tell(address, 'TWC_QUEUE') == APP
