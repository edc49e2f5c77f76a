"""Running tools: what is an answer, and what is an error."""

from __future__ import annotations

from typing import Any, BinaryIO

import pytest
from ops import pebble
from temporal_charms.databases import Database
from world import REQUEST

from conditions import Step
from workload import MigrationFailed, NotEnded, NotRun, Output, Workload

STEP = Step('persistence', 'postgresql/v12/temporal', Database(REQUEST.persistence, 'u', 'p'), '0.0', '1.19')


class Container:
    """A container whose programs say something, and end as told."""

    def __init__(self, failure: Exception | None = None, *, begins: bool = True, stdout: bytes = b'out'):
        self.failure, self.begins, self.stdout = failure, begins, stdout
        self.asked: dict[str, Any] = {}

    def exec(self, command: list[str], *, stdout: BinaryIO, stderr: BinaryIO, **asked: Any) -> Container:
        """Start."""
        self.asked = asked
        if self.failure and not self.begins:
            raise self.failure
        stdout.write(self.stdout)
        stderr.write(b'err')
        return self

    def wait(self) -> None:
        """End."""
        if self.failure:
            raise self.failure


def _refused(code: int, message: str) -> Container:
    return Container(pebble.APIError({}, code, 'no', message), begins=False)


def _failed(reason: str) -> Container:
    """As Pebble says it of a program that it has tried to start."""
    text = f'cannot perform the following tasks:\n- Execute command "tctl" ({reason})'
    return Container(pebble.ChangeError(text, None))  # type: ignore[arg-type]


def _run(container: Container) -> Output:
    return Workload(container).run(['tctl'], {}, timeout=60)  # type: ignore[arg-type]


def test_given_a_program_that_ends_then_its_output_is_told_and_it_had_no_input():
    container = Container()

    assert _run(container) == Output(0, 'out', 'err')
    assert (container.asked['stdin'], container.asked['encoding']) == (b'', None)


def test_given_a_program_that_fails_then_its_status_is_told():
    assert _run(Container(pebble.ExecError(['tctl'], 3, None, None))) == Output(3, 'out', 'err')


def test_given_output_that_is_no_text_then_the_rest_of_it_is_told():
    assert _run(Container(stdout=b'a\xffb')).stdout == 'a\N{REPLACEMENT CHARACTER}b'


@pytest.mark.parametrize(
    ('container', 'sentence'),
    [
        (_refused(400, 'cannot find executable "tctl"'), 'the image has no tctl'),
        (_refused(400, 'user: unknown user temporal'), 'Pebble cannot run tctl: user: unknown user temporal'),
        (
            _failed('fork/exec /tctl: exec format error'),
            'Pebble cannot run tctl: Execute command "tctl" (fork/exec /tctl: exec format error)',
        ),
    ],
)
def test_given_a_program_that_pebble_does_not_run_then_the_sentence_says_why_and_a_migration_has_failed(
    container, sentence
):
    with pytest.raises(NotRun) as error:
        _run(container)
    assert str(error.value) == sentence

    with pytest.raises(MigrationFailed, match='cannot migrate: '):
        Workload(container).migrate((STEP,))


@pytest.mark.parametrize(
    'container',
    [
        _failed('timed out after 1m0s: context deadline exceeded'),
        Container(pebble.TimeoutError('timed out waiting for change 1 (61 seconds)')),
    ],
)
def test_given_a_program_that_does_not_end_then_the_error_has_what_it_said_before(container):
    with pytest.raises(NotEnded, match='tctl did not end within 60 s') as error:
        _run(container)

    assert (error.value.stdout, error.value.stderr) == ('out', 'err')


@pytest.mark.parametrize(
    'container',
    [
        Container(pebble.ConnectionError('no socket')),
        Container(ConnectionResetError('Remote end closed connection')),
        Container(pebble.APIError({}, 404, 'no', 'cannot find change with id "7"')),
    ],
)
def test_given_a_pebble_that_goes_away_then_it_is_told_and_a_migration_is_left_to_the_next_hook(container):
    with pytest.raises(pebble.ConnectionError):
        _run(container)

    Workload(container).migrate((STEP,))
