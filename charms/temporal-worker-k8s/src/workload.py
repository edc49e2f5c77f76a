"""The worker in its container: code installed, worker running, and whether it polls. Knows nothing of relations."""

from __future__ import annotations

import contextlib
import http.client
import json
import pathlib
import time
from typing import TYPE_CHECKING

import ops
from ops import pebble
from temporal_charms import workload

import own_image
import plan
from facts import Health
from loader import layout, standing

if TYPE_CHECKING:
    from loader.wheels import CodeProblem

_PROGRAM = pathlib.Path(__file__).parent.parent / 'bin' / 'temporal-attendant'
_LOOK_AGAIN = 10
"""Seconds until the charm looks anew at what Juju sends no event for."""

_PREPARATION = 600.0
"""Seconds that installing the code and looking into it may take."""

_SIGNAL = 128
_SLOW = contextlib.suppress(pebble.TimeoutError)
"""For a worker that takes longer to end than ops waits: Pebble goes on, and what comes after it is told by a notice."""


def _loaders_end(error: Exception) -> CodeProblem:
    """Why the loader has left no result."""
    # Hardly any hook needs it, with all that it imports.
    from loader.wheels import CodeProblem, killed

    again = 'it is tried again'
    if isinstance(error, TimeoutError) or (isinstance(error, pebble.ChangeError) and 'timed out' in error.err):
        return CodeProblem(f'workflows-file was not installed within {_PREPARATION:.0f} s', again, passing=True)
    if isinstance(error, pebble.ExecError) and error.exit_code > _SIGNAL:
        return killed('the loader', error.exit_code - _SIGNAL)
    words = getattr(error, 'stderr', '') or getattr(error, 'err', '') or str(error)
    detail = (words.strip().splitlines() or ['no message'])[-1].removeprefix('- ')[:120]
    if isinstance(error, pebble.ChangeError):
        return CodeProblem(f'the loader did not run ({detail})', again, passing=True)
    # Whatever else keeps the loader itself from running is the image's.
    remedy = 'attach one with Python, pip and temporalio'
    return CodeProblem(f'temporal-worker-image cannot run the loader ({detail})', remedy)


class Workload:
    """The container `temporal-worker`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def prepare(self, wanted: plan.Plan, archive: pathlib.Path, code: str) -> None:
        """Let the loader install the code and look into it; its result stands in the container afterwards.

        Args:
            wanted: names the files that the loader needs, and the key of the result.
            archive: the content of `workflows-file`.
            code: identifies it.
        """
        workload.push(self._container, wanted.files)
        target = layout.archive(code)
        if not self._container.exists(target):
            with archive.open('rb') as content:
                self._container.push(
                    target, content, make_dirs=True, user_id=workload.USER_ID, group_id=workload.USER_ID
                )
        try:
            self._container.exec(
                ['python3', '-m', 'loader.prepare', wanted.prepare],
                environment={'PYTHONPATH': layout.PROGRAMS, 'HOME': layout.HOME},
                working_dir=layout.HOME,
                user_id=workload.USER_ID,
                group_id=workload.USER_ID,
                timeout=_PREPARATION,
            ).wait_output()
        except (pebble.APIError, pebble.ChangeError, pebble.ExecError, TimeoutError) as error:
            problem = _loaders_end(error)
            result = layout.Prepared(wanted.prepare, str(problem), passing=problem.passing, remedied=problem.remedied)
            self._container.push(layout.PREPARED, result.dump())

    def put_off(self, before: layout.Prepared, took: float) -> None:
        """Note when another try to prepare the code is worth it, if it has met a problem that may pass by itself.

        Args:
            before: the result before the last one.
            took: seconds of the last try.
        """
        text = workload.read(self._container, layout.PREPARED)
        result = layout.Prepared.load(text) if text else layout.Prepared()
        if result.passing:
            put_off = result.put_off(before, time.time(), took)
            workload.push(self._container, [workload.File(layout.PREPARED, put_off.dump())])

    def apply(self, wanted: plan.Plan) -> None:
        """Make the container look like the plan; a worker that must not run stops.

        Raises:
            ops.pebble.ChangeError: when the service does not start.
        """
        if not self._container.can_connect():
            return
        if wanted.standing:
            workload.push(self._container, [workload.File(standing.FILE, wanted.standing.dump())])
        if wanted.stop:
            self._mind_the_last_stop(None)
            with _SLOW:
                workload.stop(self._container, (plan.SERVICE, plan.ANNOUNCER))
        elif wanted.layer:
            workload.push(self._container, wanted.files)
            if wanted.attended:
                workload.push_program(self._container, _PROGRAM, own_image.PROGRAM)
            self._mind_the_last_stop(pebble.Layer(wanted.layer).services[plan.SERVICE])
            with _SLOW:
                workload.replan(self._container, plan.SERVICE, wanted.layer)
            if wanted.attended:
                workload.stop(self._container, (plan.ANNOUNCER,))
        else:
            workload.push(self._container, wanted.at_once)
        if wanted.wakes:
            workload.wake(self._container, plan.WAKER, layout.NOTICE, _LOOK_AGAIN)
        if wanted.retry:
            # One second later, since a clock may be read a little too early.
            workload.wake(self._container, plan.RETRY, layout.NOTICE, wanted.retry + 1)

    def forget_code(self, but: str) -> None:
        """Remove installed code from which no worker runs any more.

        Args:
            but: identifies the code that runs.
        """
        kept = pathlib.PurePosixPath(layout.archive(but)).parent.name
        for found in self._container.list_files(layout.HOME, pattern='code-*'):
            if found.name != kept:
                self._container.remove_path(found.path, recursive=True)

    def _mind_the_last_stop(self, wanted: pebble.Service | None) -> None:
        """Wait until Pebble has forgotten the last stop, before a worker that runs is stopped, and note this one.

        The timer of `kill-delay` goes on when the service has ended in time. If the next process is being stopped when
        it fires, it kills that one, whose drain has just begun.
        """
        running = self._container.get_services(plan.SERVICE).get(plan.SERVICE)
        if not (running and running.is_running()) or self._container.get_plan().services.get(plan.SERVICE) == wanted:
            return
        last = float(workload.read(self._container, layout.STOPPED) or 0)
        time.sleep(min(max(last + layout.KILL_DELAY + 1 - time.time(), 0), layout.KILL_DELAY + 1))
        workload.push(self._container, [workload.File(layout.STOPPED, str(time.time()), owner=0)])

    def health(self) -> Health:
        """Ask the worker; it shares the pod's network with the charm."""
        connection = http.client.HTTPConnection('127.0.0.1', layout.HEALTH_PORT, timeout=2)
        try:
            connection.request('GET', '/')
            return Health(**json.loads(connection.getresponse().read()))
        except (OSError, ValueError, http.client.HTTPException):
            return Health(False, 'the worker to start')
        finally:
            connection.close()
