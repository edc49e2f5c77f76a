"""What the server is to keep running: consumers and schedules by option, whoever leads and whatever dies."""

from __future__ import annotations

import asyncio
import pathlib
from collections.abc import Awaitable, Callable
from typing import TypeVar

import jubilant
import pytest
import suite
from temporalio.client import Client

from bench import wheel

pytestmark = pytest.mark.soak

T = TypeVar('T')

APP = 'keeper'
_CODE = pathlib.Path(__file__).with_name('standing_code.py')
_REPORT = 'report: {workflow: Report, arguments: ["*", 1], every: 1h, offset: 59m}'


@pytest.fixture(scope='module')
def address(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> str:
    """A server with three units of a worker; where the server answers."""
    if not request.config.getoption('--no-juju-setup'):
        folder = tmp_path_factory.mktemp('standing')
        suite.deploy_server(juju, databases='current')
        suite.wait_active(juju)
        suite.register_namespace(juju)
        env = folder / 'keeper.env'
        env.write_text('UNUSED=1\n')
        suite.deploy_worker(juju, APP, workflows=wheel.archive(folder, 'keeper', _CODE.read_text()), env=env, queue=APP)
        juju.integrate(f'{APP}:temporal-host-info', f'{suite.SERVER}:temporal-host-info')
        juju.add_unit(APP, num_units=2)
        suite.wait_active(juju)
    return f'{juju.status().apps[suite.SERVER].address}:7233'


def _ask(address: str, act: Callable[[Client], Awaitable[T]]) -> T:
    async def main() -> T:
        return await act(await Client.connect(address))

    return asyncio.run(main())


def _running(address: str) -> list[str]:
    async def ask(client: Client) -> list[str]:
        return sorted([one.id async for one in client.list_workflows("ExecutionStatus = 'Running'")])

    return [name for name in _ask(address, ask) if name.startswith('consume-events/')]


def _schedules(address: str) -> list[str]:
    async def ask(client: Client) -> list[str]:
        return sorted([one.id async for one in await client.list_schedules()])

    return _ask(address, ask)


def _leader(juju: jubilant.Juju) -> str:
    return next(name for name, unit in juju.status().apps[APP].units.items() if unit.leader)


def test_given_topics_when_they_change_to_and_fro_then_those_of_the_option_run_once(juju, address):
    for consume in ('a@g', 'a@g, b@g', '', 'b@g, c@g'):
        juju.config(APP, {'consume': consume})
    suite.wait_active(juju, APP)

    wanted = ['consume-events/b/g', 'consume-events/c/g']
    suite.wait_until(lambda: _running(address) == wanted, f'{wanted} run', timeout=120)


def test_given_a_leader_whose_pod_is_deleted_when_the_option_changes_then_the_next_one_sees_to_it(juju, address):
    suite.kubectl(juju, 'delete', 'pod', _leader(juju).replace('/', '-'), '--wait=false')
    juju.config(APP, {'consume': 'd@g'})

    suite.wait_until(lambda: _running(address) == ['consume-events/d/g'], 'd alone runs', timeout=240)
    suite.wait_active(juju, APP)


def test_given_a_server_that_is_away_when_the_option_changes_then_it_is_brought_about_when_it_is_back(juju, address):
    suite.kubectl(juju, 'delete', 'pod', f'{suite.SERVER}-0', '--wait=false')
    juju.config(APP, {'consume': 'e@g'})

    suite.wait_active(juju)
    suite.wait_until(lambda: _running(address) == ['consume-events/e/g'], 'e alone runs', timeout=120)


def test_given_a_consumer_that_a_person_has_ended_then_it_runs_again(juju, address):
    _ask(address, lambda client: client.get_workflow_handle('consume-events/e/g').terminate())

    suite.wait_until(lambda: _running(address) == ['consume-events/e/g'], 'it runs again', timeout=120)


def test_given_schedules_then_the_server_has_them_and_actions_pause_and_start_them(juju, address):
    juju.config(APP, {'schedules': _REPORT})
    suite.wait_active(juju, APP)
    assert _schedules(address) == ['report']

    leader = _leader(juju)
    assert juju.run(leader, 'pause-schedule').results['paused'] == 'true'
    assert juju.run(leader, 'resume-schedule', {'name': 'report'}).results['paused'] == 'false'
    juju.run(leader, 'trigger-schedule')

    def reported() -> bool:
        last = juju.run(leader, 'show-schedule').results.get('last', '')
        return bool(last) and _ask(address, lambda client: client.get_workflow_handle(last).result()) == '*1'

    suite.wait_until(reported, 'the schedule has started its workflow', timeout=60, pause=2)

    juju.config(APP, {'schedules': ''})
    suite.wait_until(lambda: _schedules(address) == [], 'the schedule is removed', timeout=60)


@pytest.mark.parametrize(
    ('config', 'said'),
    [
        ({'consume': 'no-group'}, 'blocked: consume: no-group is not TOPIC@GROUP'),
        ({'schedules': 'x: {workflow: Bye, every: 1h}'}, 'blocked: schedules: x needs workflow Bye'),
        (
            {'schedules': 'x: {workflow: Report, cron: nonsense}'},
            'blocked: schedules: x: the server does not take it: ',
        ),
    ],
)
def test_given_a_mistake_then_the_status_names_it_until_it_is_mended(juju, address, config, said):
    juju.config(APP, config)
    juju.wait(
        lambda status: any(
            f'{unit.workload_status.current}: {unit.workload_status.message}'.startswith(said)
            for unit in status.apps[APP].units.values()
        ),
        timeout=120,
    )

    juju.config(APP, {'consume': '', 'schedules': ''})
    suite.wait_active(juju, APP)
    suite.wait_until(lambda: _running(address) == [] and _schedules(address) == [], 'nothing is left', timeout=60)
