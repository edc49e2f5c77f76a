"""Runs Temporal's admin tools in the container, and what looks after the schema there. Knows nothing of relations."""

from __future__ import annotations

import dataclasses
import json
import logging
import pathlib

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
            MigrationFailed: when one could not be made or updated.
        """
        arguments = [f'{step.name}={step.schema}' for step in steps]
        try:
            # As root, since it reads passwords; it runs the tool as another user.
            output = self.run([PROGRAM, 'run', '--databases', DATABASES_FILE, *arguments], {}, timeout=None, user=None)
        except (pebble.ConnectionError, TimeoutError) as error:
            _logger.warning('the container went away during a migration: %s', error)
            return
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
        """Run a program and wait for its end.

        Args:
            command: program and arguments.
            environment: variables.
            timeout: seconds, or None for as long as it takes.
            user: as whom; root for None.

        Raises:
            FileNotFoundError: when the image has no such program.
            TimeoutError: when it takes longer than `timeout`.
        """
        try:
            process = self._container.exec(command, environment=environment, timeout=timeout, user=user)
            stdout, stderr = process.wait_output()
        except pebble.ExecError as error:
            return Output(error.exit_code, error.stdout or '', error.stderr or '')
        except pebble.APIError as error:
            raise FileNotFoundError(f'the image has no {command[0]}') from error
        except (pebble.ChangeError, pebble.TimeoutError) as error:
            raise TimeoutError(f'{command[0]} did not end within {timeout or 0:.0f} s') from error
        return Output(0, stdout, stderr or '')


def last_line(text: str) -> str:
    """What mostly says why a tool failed."""
    return (text.strip().splitlines() or ['no message'])[-1][:200]
