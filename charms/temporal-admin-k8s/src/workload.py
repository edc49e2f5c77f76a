"""Runs Temporal's admin tools in the container. Knows nothing of relations."""

from __future__ import annotations

import dataclasses

import ops
from ops import pebble
from temporal_charms.workload import File, push

from plan import Step

NOTICE = 'canonical.com/temporal-admin-k8s/ask-again'
_USER = 'temporal'
_AGAIN = 'ask-again'
_CA_FILE = '/etc/temporal-charm/database-ca.pem'


class StepFailed(Exception):
    """temporal-sql-tool ended badly; the sentence names the database and the tool's last line."""


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

    def run_step(self, step: Step) -> None:
        """Run temporal-sql-tool for one step. It may be run again after it was cut off.

        Raises:
            StepFailed: when it ends with another status than 0.
        """
        arguments = {'setup-schema': ['--version', '0.0'], 'update-schema': ['--schema-name', step.schema]}
        endpoint = step.database.endpoint
        environment = {
            # By environment: an argument could be read by every process of the container.
            'SQL_PASSWORD': step.database.password,
            'SQL_USER': step.database.username,
            'SQL_HOST': endpoint.host,
            'SQL_PORT': str(endpoint.port),
            'SQL_DATABASE': endpoint.name,
            'SQL_PLUGIN': 'postgres12_pgx',
        }
        if endpoint.tls:
            environment['SQL_TLS'] = 'true'
            if endpoint.ca:
                ca = File(_CA_FILE, endpoint.ca)
                push(self._container, [ca])
                environment['SQL_TLS_CA_FILE'] = _CA_FILE
            else:
                environment['SQL_TLS_DISABLE_HOST_VERIFICATION'] = 'true'
        output = self.run(['temporal-sql-tool', step.command, *arguments[step.command]], environment, timeout=None)
        if output.status != 0:
            lines = (output.stderr or output.stdout).strip().splitlines() or ['no message']
            raise StepFailed(f'{step.command} of {endpoint.name} failed: {lines[-1][:200]}')

    def ask_again(self) -> None:
        """Let Pebble send a notice in a moment: nothing else tells when a database begins to answer.

        Raises:
            ops.pebble.ChangeError: when the image has no shell.
        """
        layer: pebble.LayerDict = {
            'services': {
                _AGAIN: {
                    'override': 'replace',
                    'summary': 'Wakes the charm, which could not ask a database',
                    # As root: Juju is not told of the notices of other users.
                    'command': f'sh -c "sleep 3; /charm/bin/pebble notify {NOTICE}"',
                    'startup': 'disabled',
                    'on-success': 'ignore',
                    'on-failure': 'ignore',
                }
            }
        }
        if _AGAIN not in self._container.get_plan().services:
            self._container.add_layer(_AGAIN, layer, combine=True)
        self._container.start(_AGAIN)

    def run(self, command: list[str], environment: dict[str, str], *, timeout: float | None) -> Output:
        """Run a program as the user `temporal` and wait for its end.

        Args:
            command: program and arguments.
            environment: variables.
            timeout: seconds, or None for as long as it takes.

        Raises:
            FileNotFoundError: when the image has no such program.
            TimeoutError: when it takes longer than `timeout`.
        """
        try:
            process = self._container.exec(command, environment=environment, timeout=timeout, user=_USER)
            stdout, stderr = process.wait_output()
        except pebble.ExecError as error:
            return Output(error.exit_code, error.stdout or '', error.stderr or '')
        except pebble.APIError as error:
            raise FileNotFoundError(f'the image has no {command[0]}') from error
        except (pebble.ChangeError, pebble.TimeoutError) as error:
            raise TimeoutError(f'{command[0]} did not end within {timeout:.0f} s') from error
        return Output(0, stdout, stderr or '')
