"""What the suite lives through: its database gone, cut off, full or replaced, relations removed and made anew.

Whatever happens, workflows that were under way end, and all is active again without anybody's help.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import subprocess
import time
from collections.abc import Callable, Iterator

import jubilant
import postgres
import pytest
import suite
import temporal

# Several minutes: with all of them the tests would take longer than they may.
pytestmark = pytest.mark.soak

QUEUE = 'pulse'
_COUNT = 20


@pytest.fixture(scope='module')
def deployed(juju: jubilant.Juju, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> None:
    """Server, databases and a worker."""
    if request.config.getoption('--no-juju-setup'):
        return
    suite.deploy_server(juju, databases='current')
    suite.wait_active(juju)
    suite.deploy_pulse(juju, tmp_path_factory.mktemp('outages'))


@pytest.fixture
def address(juju: jubilant.Juju, deployed: None) -> str:
    """The server's Kubernetes service."""
    return f'{juju.status().apps[suite.SERVER].address}:7233'


@pytest.fixture
def under_way(address: str, request: pytest.FixtureRequest) -> Callable[[int], Callable[[], None]]:
    """Start workflows that go on for some seconds; what comes back waits for their ends, and looks at them."""

    def start(seconds: int) -> Callable[[], None]:
        prefix = f'{request.node.name}-{time.time():.0f}'
        temporal.start_many(address, 'Pulse', seconds, prefix=prefix, queue=QUEUE, count=_COUNT)

        def check() -> None:
            found = temporal.results(address, prefix=prefix, count=_COUNT, timeout=seconds + 240)
            assert found == [sum(range(seconds))] * _COUNT

        return check

    return start


@pytest.fixture
def node() -> None:
    """The test runs on the machine that is the cluster's node."""
    if os.environ.get('LAB') == 'none':
        pytest.skip('the network and the disks of the node are out of reach with LAB=none')


@pytest.mark.parametrize('seconds', [10, 60])
def test_given_workflows_when_the_database_is_stopped_for_a_while_then_none_is_lost(juju, under_way, seconds):
    check = under_way(seconds + 5)

    postgres.stop(juju)
    time.sleep(seconds)
    postgres.start(juju)

    suite.wait_active(juju)
    check()


def test_given_a_database_that_is_away_then_the_server_says_so(juju, deployed):
    postgres.stop(juju)
    try:
        suite.wait_status(juju, suite.SERVER, 'waiting: PostgreSQL does not answer the server', timeout=30)
    finally:
        postgres.start(juju)
        suite.wait_active(juju)


@contextlib.contextmanager
def _cut(juju: jubilant.Juju) -> Iterator[None]:
    """As long as the body runs, no packet passes between the database and anybody else."""
    ip = suite.kubectl(juju, 'get', 'pod', postgres.POD, '--output=jsonpath={.status.podIP}')
    rules = [f'ip daddr {ip} tcp dport 5432 drop', f'ip saddr {ip} tcp sport 5432 drop']
    chain = '\n'.join(['type filter hook forward priority -10', *rules])
    table = f'table ip temporal-outage {{\nchain forward {{\n{chain}\n}}\n}}\n'
    subprocess.run(['nft', '--file', '-'], input=table, text=True, check=True)
    try:
        yield
    finally:
        subprocess.run(['nft', 'delete', 'table', 'ip', 'temporal-outage'], check=True)


@pytest.mark.parametrize('seconds', [60, 180])
def test_given_workflows_when_the_network_to_the_database_is_cut_then_none_is_lost(juju, under_way, node, seconds):
    check = under_way(20)

    with _cut(juju):
        time.sleep(seconds)

    suite.wait_active(juju)
    check()


@pytest.fixture
def small_disk(juju: jubilant.Juju, deployed: None, node: None, tmp_path: pathlib.Path) -> Iterator[pathlib.Path]:
    """The database's volume on a disk of 500 MB, as a folder of this machine; at the end on its old one again."""
    claims = json.loads(suite.kubectl(juju, 'get', 'pvc', '--output=json'))['items']
    (name,) = (c['spec']['volumeName'] for c in claims if c['metadata']['name'].startswith(suite.POSTGRESQL))
    spec = json.loads(suite.kubectl(juju, 'get', 'pv', name, '--output=json'))['spec']
    volume, other = pathlib.Path(spec['hostPath']['path']), tmp_path / 'other'
    other.mkdir()

    def move(source: pathlib.Path, target: pathlib.Path) -> None:
        subprocess.run(['cp', '--archive', f'{source}/.', str(target)], check=True)

    postgres.stop(juju)
    move(volume, other)
    subprocess.run(['mount', '-t', 'tmpfs', '-o', 'size=500m,mode=0777', 'temporal-outage', str(volume)], check=True)
    try:
        move(other, volume)
        suite.replace_pod(juju, postgres.POD)
        suite.wait_active(juju, may_fail=True)
        yield volume
        postgres.stop(juju)
        subprocess.run(['rm', '-rf', str(other)], check=True)
        other.mkdir()
        move(volume, other)
    finally:
        subprocess.run(['umount', '--lazy', str(volume)], check=True)
    subprocess.run(['find', str(volume), '-mindepth', '1', '-delete'], check=True)
    move(other, volume)
    suite.replace_pod(juju, postgres.POD)
    suite.wait_active(juju, may_fail=True)


def test_given_workflows_when_the_disk_of_the_database_is_full_for_a_while_then_none_is_lost(
    juju, under_way, small_disk
):
    check = under_way(40)

    filler = small_disk / 'filler'
    subprocess.run(['dd', 'if=/dev/zero', f'of={filler}', 'bs=1M'], capture_output=True)
    time.sleep(60)
    filler.unlink()

    suite.wait_active(juju, may_fail=True)
    check()


def _remove_and_add(juju: jubilant.Juju, server: str, *pairs: tuple[str, str]) -> None:
    for ours, theirs in pairs:
        juju.remove_relation(f'{server}:{ours}', f'{suite.POSTGRESQL}:{theirs}')
    suite.wait_status(juju, server, 'blocked: no database' if len(pairs) == 2 else 'blocked: half a pair of databases')
    for ours, _ in pairs:
        suite.wait_forgotten(juju, ours, server, suite.POSTGRESQL)
    for ours, theirs in pairs:
        juju.integrate(f'{server}:{ours}', f'{suite.POSTGRESQL}:{theirs}')


def test_given_workflows_when_a_database_relation_is_removed_and_made_anew_then_none_is_lost(juju, under_way):
    check = under_way(10)

    _remove_and_add(juju, suite.SERVER, ('database', 'database'))

    suite.wait_active(juju)
    check()


def test_given_workflows_when_all_relations_are_removed_and_made_anew_then_none_is_lost(juju, under_way):
    check = under_way(10)
    juju.remove_relation(f'{suite.SERVER}:admin', f'{suite.ADMIN}:admin')
    juju.remove_relation(f'{suite.SERVER}:temporal-host-info', f'{QUEUE}:temporal-host-info')

    _remove_and_add(juju, suite.SERVER, ('database', 'database'), ('visibility-database', 'database'))
    suite.wait_forgotten(juju, 'admin', suite.SERVER, suite.ADMIN)
    suite.wait_forgotten(juju, 'temporal-host-info', suite.SERVER, QUEUE)
    juju.integrate(f'{suite.SERVER}:admin', f'{suite.ADMIN}:admin')
    juju.integrate(f'{suite.SERVER}:temporal-host-info', f'{QUEUE}:temporal-host-info')

    suite.wait_active(juju)
    check()


def test_given_two_suites_with_one_postgresql_then_neither_sees_the_other(juju, address, tmp_path):
    image = suite.images()['temporal-admin-image']
    suite.deploy_charm(juju, 'second')
    juju.deploy(suite.charm(suite.ADMIN), 'tools', resources={'temporal-admin-image': image})
    juju.integrate('second:db', f'{suite.POSTGRESQL}:db')
    juju.integrate('second:visibility', f'{suite.POSTGRESQL}:db')
    juju.integrate('second:admin', 'tools:admin')
    suite.wait_active(juju)
    suite.deploy_pulse(juju, tmp_path, server='second', admin='tools', app='other')
    second = f'{juju.status().apps["second"].address}:7233'

    assert temporal.run(address, 'Pulse', [3], workflow_id='first-0', queue=QUEUE) == 3
    assert temporal.run(second, 'Pulse', [4], workflow_id='second-0', queue='other') == 6
    listed = {
        tools: juju.run(f'{tools}/0', 'cli', {'args': 'workflow list --limit 1000'}).results['output']
        for tools in (suite.ADMIN, 'tools')
    }
    assert 'first-0' in listed[suite.ADMIN] and 'first-0' not in listed['tools']
    assert 'second-0' in listed['tools'] and 'second-0' not in listed[suite.ADMIN]

    # The second goes through its legacy relations anew, and the first does not notice.
    with temporal.under_load(address, QUEUE, rate=1) as load:
        _remove_and_add(juju, 'second', ('db', 'db'), ('visibility', 'db'))
        suite.wait_active(juju)
    print(load)
    assert not load.failures and not load.refused
    assert temporal.results(second, prefix='second', count=1, timeout=60) == [6]
    assert temporal.run(second, 'Pulse', [4], workflow_id='again', queue='other') == 6


def test_given_all_this_then_no_hook_of_ours_failed(juju, deployed):
    assert suite.failed_hooks(juju) == []
