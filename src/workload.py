"""The server in its container: makes it look like a plan. Knows Pebble, nothing of relations."""

from __future__ import annotations

import contextlib
import datetime
import json
import logging
import pathlib

import ops
from ops import pebble
from temporal_charms import workload

import layer
import plan
import probe
import settings
from facts import SERVICE
from options import Options

_logger = logging.getLogger(__name__)
_PROGRAM = pathlib.Path(__file__).parent.parent / 'bin' / 'temporal-health'
_CANDIDATE = '/etc/temporal-charm/dynamic-config.candidate.yaml'
_JUDGED = '/etc/temporal-charm/dynamic-config.judged.json'

JOURNAL = '/etc/temporal-charm/restarts.jsonl'
"""What was done to the server and why, one JSON object a line: `time` (RFC 3339), `what` and `why` (a list).

`what` is `start`, `restart`, `stop` or `reload`, the last for files that the server reads again by itself. Gone with
the container, as the server is.
"""
_JOURNAL_LENGTH = 50
_LAST_WORDS = 2000


class Workload:
    """The container `temporal`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def apply(self, wanted: plan.Plan) -> bool:
        """Make the container look like the plan; a server that must not run stops.

        Returns:
            Whether no server ended right after it was started. Pebble starts it again and again by itself.
        """
        if not self._container.can_connect():
            return True
        if wanted.stop:
            # One that takes longer than ops waits for it is stopped by Pebble all the same.
            with contextlib.suppress(pebble.TimeoutError):
                if not workload.stop(self._container, (SERVICE, layer.HEALTH)):
                    return True
            self._note('stop', [wanted.unmet.name] if wanted.unmet else [])
            return True
        written = workload.push(self._container, wanted.files)
        if SERVICE in wanted.layer.get('services', {}):
            return self._start(wanted, reloads=settings.DYNAMIC_CONFIG_FILE in written)
        if wanted.layer:
            # A server that was stopped stays in Pebble's plan as one to be started: nothing else may start it.
            workload.add(self._container, SERVICE, wanted.layer)
        return True

    def _start(self, wanted: plan.Plan, *, reloads: bool) -> bool:
        """Let Pebble start or restart what the layer calls for; tells whether the server did not end at once."""
        # Neither the official image nor ours has a client for grpc.health.v1.
        workload.push_program(self._container, _PROGRAM, layer.HEALTH_PROGRAM)
        running = self._runs()
        try:
            workload.replan(self._container, SERVICE, wanted.layer)
        except pebble.ChangeError as error:
            # A database that is away just now is reason enough.
            _logger.error('the server ended as it started: %s', str(error)[-_LAST_WORDS:])
            return False
        except pebble.TimeoutError:
            _logger.warning('the server takes long to stop; Pebble starts it after that')
        if not running:
            self._note('start', [])
        elif wanted.why:
            self._note('restart', wanted.why)
        elif reloads:
            self._note('reload', ['dynamic configuration'])
        if probe.ask().serving:
            workload.watch(self._container, layer.SERVING)
        return True

    def wake(self) -> None:
        """Have a hook in a moment, for what the server refused and may soon grant."""
        workload.wake(self._container, 'again', 'canonical.com/temporal-k8s/again', 5)

    def restart(self, reason: str) -> None:
        """Restart the server, whatever it reads.

        Raises:
            ops.pebble.ChangeError: when it does not start.
            ops.pebble.TimeoutError: when it takes long to stop; Pebble goes on.
        """
        self._container.restart(SERVICE, layer.HEALTH)
        self._note('restart', [reason])

    def judge_dynamic_config(self, options: Options) -> str:
        """Ask the server's own validator for its opinion of the option `dynamic-config`.

        It is asked once about a content, since starting the server's program takes long.

        Args:
            options: with the option's content.

        Returns:
            What is wrong, in the validator's words; empty if nothing is, or while there is no container.
        """
        if not self._container.can_connect():
            return ''
        try:
            judged = json.loads(workload.read(self._container, _JUDGED) or '{}')
            content = settings.dump(options.dynamic_config)
            if judged.get('content') != content:
                workload.push(self._container, [workload.File(_CANDIDATE, content)])
                command = ['temporal-server', 'validate-dynamic-config', _CANDIDATE]
                output, _ = self._container.exec(command, timeout=30).wait_output()
                # It ends with status 0 whatever it has found, and calls an unknown key a warning.
                found = [line.strip() for line in output.splitlines() if line.startswith(('  error:', '  warning:'))]
                judged = {'content': content, 'problem': '; '.join(line.split(': ', 1)[-1] for line in found)[:300]}
                workload.push(self._container, [workload.File(_JUDGED, json.dumps(judged), owner=0)])
        except (pebble.ConnectionError, pebble.APIError):
            # An image without the server has a status of its own.
            return ''
        except (pebble.ExecError, pebble.ChangeError, pebble.TimeoutError) as error:
            if isinstance(error, pebble.ExecError) and error.exit_code in workload.NO_PROGRAM:
                return ''
            _logger.warning('cannot ask the server for its opinion of dynamic-config: %s', error)
            self.wake()
            return 'not checked yet, for the server did not come to an end with it; it is asked again in a moment'
        return judged['problem']

    def journal(self) -> list[dict[str, object]]:
        """What was done to the server since the container started, oldest first."""
        return [json.loads(line) for line in (workload.read(self._container, JOURNAL) or '').splitlines()]

    def configuration_changed(self) -> str | None:
        """When a file that the server reads was last written (RFC 3339); None where there is none."""
        names = (settings.CONFIG_FILE, settings.DYNAMIC_CONFIG_FILE)
        times = [info.last_modified for name in names if self._container.exists(name)
                 for info in self._container.list_files(name)]  # fmt: skip
        return max(times).astimezone(datetime.UTC).isoformat(timespec='seconds') if times else None

    def _runs(self) -> bool:
        services = self._container.get_services(SERVICE)
        return SERVICE in services and services[SERVICE].is_running()

    def _note(self, what: str, why: list[str] | tuple[str, ...]) -> None:
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')
        entries = [*self.journal(), {'time': now, 'what': what, 'why': list(why)}][-_JOURNAL_LENGTH:]
        content = ''.join(f'{json.dumps(entry)}\n' for entry in entries)
        workload.push(self._container, [workload.File(JOURNAL, content, owner=0)])
