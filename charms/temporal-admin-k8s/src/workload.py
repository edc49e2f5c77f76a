"""Runs Temporal's admin tools in the container, and what looks after the schema there. Knows nothing of relations."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import pathlib
from typing import Any

import ops
from ops import pebble
from temporal_charms import workload

from conditions import Step
from plan import DATABASES_FILE, KNOWN_FILE, Plan

_logger = logging.getLogger(__name__)
NOTICE = 'canonical.com/temporal-admin-k8s/schema'
SERVICE = 'temporal-schema'
PROGRAM = '/usr/local/bin/temporal-schema'
HELD = 75
"""What `temporal-schema run` ends with where somebody else works on a schema."""

_PROGRAM = pathlib.Path(__file__).parent.parent / 'bin' / 'temporal-schema'
_USER = 'temporal'
_UNKNOWN = 404
"""What a Pebble answers that is asked for what another one has begun."""


class MigrationFailed(Exception):
    """A schema could not be made or updated; the sentence names the database and the tool's reason.

    Attributes:
        detail: the end of what the tool logged.
    """

    def __init__(self, sentence: str, detail: str = ''):
        super().__init__(sentence)
        self.detail = detail


@dataclasses.dataclass(frozen=True)
class Output:
    """What a tool said.

    Attributes:
        status: its exit status.
        stdout: its output.
        stderr: its messages.
    """

    status: int
    stdout: str
    stderr: str


class NotRun(Exception):
    """Pebble did not run a program; the sentence says why."""


class NotEnded(Exception):
    """A program was ended since it took too long; the sentence says so.

    Attributes:
        stdout: what it had written by then.
        stderr: its messages.
    """

    def __init__(self, sentence: str, stdout: str = '', stderr: str = ''):
        super().__init__(sentence)
        self.stdout = stdout
        self.stderr = stderr


class _Said(io.BytesIO):
    """What a program has written so far: bytes of any encoding, cut anywhere."""

    def write(self, chunk: Any) -> int:
        """Take what Pebble sends; a Pebble in a test may send text."""
        return super().write(chunk.encode() if isinstance(chunk, str) else chunk)

    @property
    def text(self) -> str:
        """As far as it is text."""
        return self.getvalue().decode(errors='replace')


class Workload:
    """The container `temporal-admin`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def prepare(self, wanted: Plan) -> None:
        """Have in the container what watches and migrates; nothing of it where this unit is to do neither."""
        if not self._container.can_connect():
            return
        if wanted.watches:
            workload.push_program(self._container, _PROGRAM, PROGRAM)
            workload.push(self._container, wanted.files)
        else:
            workload.stop(self._container, [SERVICE])
            # A hook may have been cut off before there was a service.
            for file in (DATABASES_FILE, KNOWN_FILE):
                self._container.remove_path(file, recursive=True)

    def migrate(self, steps: tuple[Step, ...]) -> None:
        """Make or update schemas. It may be done again after it was cut off, and is done by one at a time.

        Where somebody else works on a schema, or the container goes away, nothing more is done: what the databases say
        then tells.

        Raises:
            MigrationFailed: when one could not be made or updated, or the program that does it could not be run.
        """
        arguments = [f'{step.name}={step.schema}' for step in steps]
        try:
            # As root, since it reads passwords; it runs the tool as another user.
            output = self.run([PROGRAM, 'run', '--databases', DATABASES_FILE, *arguments], {}, timeout=None, user=None)
        except (pebble.ConnectionError, NotEnded) as error:
            _logger.warning('the container went away during a migration: %s', error)
            return
        except NotRun as error:
            raise MigrationFailed(f'cannot migrate: {error}') from error
        if output.status in (0, HELD):
            return
        names = {step.name: step.database.endpoint.name for step in steps}
        try:
            failed = [report for report in json.loads(output.stdout) if report['status'] == 'failed']
            sentence = '; '.join(f'{names[report["database"]]}: {report["reason"][:200]}' for report in failed)
        except (ValueError, KeyError, TypeError):
            sentence = last_line(output.stderr)
        raise MigrationFailed(f'cannot migrate {sentence}', output.stderr)

    def watch(self, known: workload.File) -> None:
        """Let the watcher run, and know what the charm knows.

        Raises:
            ops.pebble.ChangeError: when it does not start.
        """
        workload.push(self._container, [known])
        layer: pebble.LayerDict = {
            'services': {
                SERVICE: {
                    'override': 'replace',
                    'summary': 'Wakes the charm when a database is not as it last saw it',
                    # As root: Juju is not told of the notices of other users.
                    'command': f'{PROGRAM} watch --databases {DATABASES_FILE} --known {KNOWN_FILE} --notify {NOTICE}',
                    'startup': 'enabled',
                }
            }
        }
        workload.replan(self._container, SERVICE, layer)

    def write(self, files: list[workload.File]) -> None:
        """Have files that a tool reads."""
        workload.push(self._container, files)

    def run(
        self, command: list[str], environment: dict[str, str], *, timeout: float | None, user: str | None = _USER
    ) -> Output:
        """Run a program and wait for its end. It has no input: what asks something is told that nobody answers.

        Args:
            command: program and arguments.
            environment: variables.
            timeout: seconds, or None for as long as it takes.
            user: as whom; root for None.

        Raises:
            NotRun: when Pebble does not run it, as where the image has no such program.
            NotEnded: when it takes longer than `timeout`.
            ops.pebble.ConnectionError: when the container has gone away.
        """
        stdout, stderr = _Said(), _Said()
        try:
            self._container.exec(
                command,
                environment=environment,
                timeout=timeout,
                user=user,
                stdin=b'',
                stdout=stdout,
                stderr=stderr,
                encoding=None,
            ).wait()
        except pebble.ExecError as error:
            return Output(error.exit_code, stdout.text, stderr.text)
        except pebble.APIError as error:
            if error.message.startswith(workload.NO_EXECUTABLE):
                raise NotRun(f'the image has no {command[0]}') from error
            if error.code == _UNKNOWN:
                raise pebble.ConnectionError(f'Pebble was started anew: {error.message}') from error
            raise NotRun(f'Pebble cannot run {command[0]}: {last_line(error.message)}') from error
        except (pebble.ChangeError, pebble.TimeoutError) as error:
            if isinstance(error, pebble.ChangeError) and 'timed out' not in error.err:
                reason = last_line(error.err).removeprefix('- ')
                raise NotRun(f'Pebble cannot run {command[0]}: {reason}') from error
            sentence = f'{command[0]} did not end within {timeout or 0:.0f} s'
            raise NotEnded(sentence, stdout.text, stderr.text) from error
        except OSError as error:
            # Pebble ends in the middle of an answer.
            raise pebble.ConnectionError(str(error)) from error
        return Output(0, stdout.text, stderr.text)


def last_line(text: str) -> str:
    """What mostly says why a tool failed."""
    return (text.strip().splitlines() or ['no message'])[-1][:200]
