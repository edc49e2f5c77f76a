"""The helpers for containers: what is written, what is left alone, and what is an error."""

from __future__ import annotations

import ops
import pytest
from ops import pebble, testing
from temporal_charms import workload


class Charm(ops.CharmBase):
    """A charm that does nothing by itself."""


@pytest.fixture
def container(tmp_path):
    """A container of a running charm."""
    ctx = testing.Context(Charm, meta={'name': 'c', 'containers': {'c': {}}})
    mounts = {'etc': testing.Mount(location='/etc', source=tmp_path)}
    state = testing.State(containers={testing.Container('c', can_connect=True, mounts=mounts)})
    with ctx(ctx.on.update_status(), state) as manager:
        yield manager.charm.unit.get_container('c')


def test_given_files_when_pushed_twice_then_they_are_written_once(container):
    files = [workload.File('/etc/a', 'one'), workload.File('/etc/b', 'two', 0o600)]

    assert workload.push(container, files) == ['/etc/a', '/etc/b']
    assert workload.push(container, files) == []
    assert workload.push(container, [workload.File('/etc/a', 'three')]) == ['/etc/a']
    assert workload.read(container, '/etc/a') == 'three'


def test_given_no_file_when_read_then_there_is_none(container):
    assert workload.read(container, '/etc/nothing') is None


def test_given_a_file_that_may_not_be_read_then_that_is_not_swallowed(container, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise pebble.PathError('permission-denied', 'no')

    monkeypatch.setattr(container, 'pull', fail)
    with pytest.raises(pebble.PathError):
        workload.read(container, '/etc/a')


def test_given_a_folder_that_cannot_be_listed_then_that_is_not_swallowed(container, monkeypatch, tmp_path):
    def fail(*_: object, **__: object) -> None:
        raise pebble.APIError({}, 500, 'no', 'no')

    monkeypatch.setattr(container, 'list_files', fail)
    with pytest.raises(pebble.APIError):
        workload.push_program(container, tmp_path, '/etc/program')


def test_given_files_then_only_those_read_at_the_start_make_the_configuration():
    base = [workload.File('/a', '1', restarts=True), workload.File('/b', '2')]

    assert workload.configuration(base) == workload.configuration([base[0], workload.File('/b', 'other')])
    assert workload.configuration(base) != workload.configuration([workload.File('/a', 'x', restarts=True), base[1]])


def test_given_a_secret_file_when_printed_then_its_content_is_not():
    assert 'hush' not in repr(workload.File('/a', 'hush'))


def test_given_no_running_service_when_stopped_then_nothing_happens(container):
    workload.stop(container, ['nothing'])

    assert container.get_services() == {}
