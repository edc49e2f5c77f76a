"""The helpers for containers: what is written, what is left alone, and what is an error."""

from __future__ import annotations

import datetime

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


def _exits(code: int) -> pebble.ExecError:
    return pebble.ExecError(['tool', '--version'], code, '', 'message')


_CHANGE = pebble.Change(
    pebble.ChangeID('1'), 'exec', '', 'Error', [], True, None, datetime.datetime.now(datetime.UTC), None
)
_CUT_OFF = pebble.ChangeError('timed out after 30s', _CHANGE)
_NO_EXECUTABLE = pebble.APIError({}, 400, 'Bad Request', 'cannot find executable "tool"')


@pytest.fixture
def answers(container, monkeypatch):
    """What the program does when it is asked for its version, one after another."""
    queue: list[Exception | str] = []

    class Process:
        def wait_output(self) -> tuple[str, None]:
            answer = queue.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer, None

    monkeypatch.setattr(container, 'exec', lambda command, timeout: Process())
    return queue


@pytest.mark.parametrize(
    ('answer', 'version'),
    [
        ('tool version 1.2.3', (1, 2, 3)),
        ('no version', None),
        (_exits(126), None),
        (_exits(127), None),
        (_NO_EXECUTABLE, None),
    ],
)
def test_given_a_program_that_answers_or_is_not_there_when_asked_again_then_it_is_not_started(
    container, answers, answer, version
):
    answers += [answer]

    assert workload.image_version(container, 'tool') == version
    assert workload.image_version(container, 'tool') == version


def test_given_a_program_that_fails_when_asked_again_then_it_is_started_again(container, answers):
    answers += [_exits(2), 'tool version 1.2.3']

    assert workload.image_version(container, 'tool') is None
    assert workload.image_version(container, 'tool') == (1, 2, 3)


@pytest.mark.parametrize(
    'failure',
    [
        pytest.param(_exits(137), id='killed'),
        pytest.param(_CUT_OFF, id='too slow'),
        pytest.param(pebble.TimeoutError(), id='no end'),
        pytest.param(pebble.APIError({}, 500, 'Internal Server Error', 'shutting down'), id='Pebble ends'),
    ],
)
def test_given_a_program_that_is_cut_off_when_asked_then_the_charm_is_woken_and_asks_again(container, answers, failure):
    answers += [failure, 'tool version 1.2.3']

    with pytest.raises(workload.NotTold):
        workload.image_version(container, 'tool')
    assert container.get_service('ask-again').is_running()
    assert 'notify canonical.com/temporal-charms/ask-again' in container.get_plan().services['ask-again'].command
    assert workload.image_version(container, 'tool') == (1, 2, 3)
