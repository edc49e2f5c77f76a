"""The lab's life: `up` repairs what is half up and brings models back, `down` leaves nothing behind."""

from __future__ import annotations

import contextlib
import json
import pathlib
import subprocess
from collections.abc import Iterator

import jubilant
import machine
import pytest

from lab import host, parts, processes, settings

APP = 'postgresql-k8s'


@pytest.fixture(scope='module', autouse=True)
def lab_is_up() -> Iterator[None]:
    """Whatever a test does to it, the lab is up before and after."""
    machine.lab('up')
    yield
    machine.lab('up')


@pytest.fixture(scope='module')
def juju() -> Iterator[jubilant.Juju]:
    """A model with an application that keeps data."""
    images = dict(line.split('=', 1) for line in (settings.DIST / 'resources.env').read_text().splitlines())
    with jubilant.temp_model(keep=True) as juju:
        juju.deploy(
            settings.DIST / f'{APP}.charm', trust=True, resources={'postgresql-image': images['postgresql-image']}
        )
        juju.wait(jubilant.all_active, timeout=180)
        yield juju
    destroy = ['juju', 'destroy-model', juju.model or '', '--no-prompt', '--force', '--no-wait', '--destroy-storage']
    # The client waits for the end of the model without a limit, and the end of it is not what is tested here.
    with contextlib.suppress(subprocess.TimeoutExpired):
        machine.run(*destroy)


def _comes_back(juju: jubilant.Juju) -> None:
    juju.wait(lambda status: jubilant.all_active(status) and jubilant.all_agents_idle(status), timeout=180)
    # The status may be from before; an agent that does something is there.
    assert juju.exec('echo here', unit=f'{APP}/0', wait=60).stdout.strip() == 'here'


def _volume(juju: jubilant.Juju) -> pathlib.Path:
    """Where the application's volume is on the machine."""
    claim = json.loads(machine.run('kubectl', f'--namespace={juju.model}', 'get', 'pvc', '--output=json'))['items'][0][
        'spec'
    ]['volumeName']
    volume = json.loads(machine.run('kubectl', 'get', 'pv', claim, '--output=json'))['spec']
    return pathlib.Path(volume['hostPath']['path'])


def test_given_a_lab_that_is_up_when_up_again_then_nothing_is_started():
    before = {part.name: processes.pid(part.name) for part in parts.all_parts()}

    machine.lab('up')

    assert {part.name: processes.pid(part.name) for part in parts.all_parts()} == before
    assert None not in before.values()


@pytest.mark.parametrize(
    'name',
    ['kubelet', *(pytest.param(part, marks=pytest.mark.soak) for part in ('containerd', 'kube-apiserver', 'etcd'))],
)
def test_given_a_part_when_killed_then_up_starts_it_and_no_other(juju, name):
    before = {part.name: processes.pid(part.name) for part in parts.all_parts()}
    pid = before.pop(name)
    assert pid
    machine.kill(pid)
    status = subprocess.run([settings.LAB / 'bin' / 'lab', 'status'], capture_output=True, text=True, timeout=120)
    assert status.returncode == 1
    assert ['--', name] in [line.split()[:2] for line in status.stdout.splitlines()]

    machine.lab('up')

    assert processes.pid(name) not in (None, pid)
    if name == 'kubelet':
        assert {other: processes.pid(other) for other in before} == before
    _comes_back(juju)


def test_given_a_process_file_of_an_ended_process_whose_number_is_in_use_then_up_spares_that_one():
    pid = processes.pid('kube-scheduler')
    assert pid
    file = settings.RUN / 'kube-scheduler.process'
    machine.kill(pid)
    with subprocess.Popen(['sleep', '600']) as other:
        file.write_text(json.dumps({**json.loads(file.read_text()), 'pid': other.pid}))

        machine.lab('up')

        assert other.poll() is None
        assert processes.pid('kube-scheduler') not in (None, pid, other.pid)
        other.kill()


def test_given_a_machine_when_it_has_restarted_then_up_brings_models_units_and_data_back(juju):
    (_volume(juju) / 'left-by-a-test').write_text('before the restart')
    machine.restart()
    assert not machine.own_processes()

    machine.lab('up')

    _comes_back(juju)
    assert (_volume(juju) / 'left-by-a-test').read_text() == 'before the restart'


def test_given_down_then_nothing_of_the_lab_is_left_and_models_come_back_with_up(juju):
    machine.lab('down')
    clean = {
        'devices': machine.devices(),
        'tables': machine.tables(),
        'chains': machine.chains(),
        'namespaces': machine.network_namespaces(),
        'settings': machine.kernel_settings(),
    }
    machine.lab('up')
    _comes_back(juju)
    machine.lab('down')

    assert machine.own_processes() == {}
    assert machine.own_mounts() == []
    assert machine.control_groups() == []
    assert machine.devices() == clean['devices']
    assert machine.tables() == clean['tables']
    assert machine.chains() == clean['chains']
    assert machine.network_namespaces() == clean['namespaces']
    assert machine.kernel_settings() == clean['settings']
    # What the first `up` left behind would be in both pictures.
    assert not clean['devices'] & set(machine.DEVICES)
    assert not [table for table in clean['tables'] if 'kube' in table or settings.NFT_TABLE in table]
    assert not [chain for chain in clean['chains'] if 'KUBE' in chain or 'CNI' in chain]
    machine.lab('up')
    _comes_back(juju)


@pytest.mark.soak
def test_given_settings_of_the_kernel_when_the_lab_goes_then_each_is_what_it_was():
    machine.lab('down')
    paths = {pathlib.Path('/proc/sys', name) for name in host.SYSCTLS if pathlib.Path('/proc/sys', name).exists()}
    found = {path: path.read_text() for path in paths}
    # None of these is what the lab or kubelet wants.
    odd = {path: {'panic': '7', 'overcommit_memory': '0'}.get(path.name, '0') for path in paths}
    try:
        for path, value in odd.items():
            path.write_text(value)
        machine.lab('up')
        assert [path for path, value in odd.items() if path.read_text().strip() != value]
        machine.lab('down')
        assert {path: path.read_text().strip() for path in paths} == odd
    finally:
        for path, value in found.items():
            path.write_text(value)
    machine.lab('up')


@pytest.mark.soak
def test_given_ten_restarts_in_a_row_then_every_one_is_survived(juju):
    for _ in range(10):
        machine.restart()
        machine.lab('up')
        _comes_back(juju)
