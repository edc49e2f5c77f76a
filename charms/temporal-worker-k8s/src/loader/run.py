"""The worker itself: `python -m loader.run`, started by Pebble with the Python of the code's virtual environment.

Ends by os._exit alone: threads of activities that do not end would keep the interpreter for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pathlib
import signal
import sys
from typing import TYPE_CHECKING

from loader import discovery, health, layout
from loader.activities import hand_over
from loader.crew import Crew
from loader.prepare import installed, keys, presentable, settings, surroundings
from loader.watchdog import Restarts, Stuck, Watchdog
from loader.wheels import CodeProblem

if TYPE_CHECKING:
    from loader.reports import Reports

_logger = logging.getLogger('temporal-worker')
_TOLD = 60.0
"""Seconds for which a process answers that cannot import the code."""


def _log(level: str) -> None:
    """Write messages of this level and above to standard error, where Pebble takes them."""
    logging.basicConfig(level=level.upper(), format='%(levelname)s %(name)s: %(message)s')
    # Its messages for debugging quote what activities are given and what they return.
    logging.getLogger('temporalio').setLevel(max(logging.getLogger().level, logging.INFO))


def _exit(restarts: Restarts, reported: list[Reports], reason: str = '') -> None:
    if reason:
        _logger.error('the worker is started anew: %s', reason)
        restarts.note(reason)
    restarts.end()
    for reports in reported:
        reports.flush()
    logging.shutdown()
    sys.stdout.flush()
    os._exit(os.EX_SOFTWARE if reason else os.EX_OK)


def _give_up(restarts: Restarts, reported: list[Reports], gang: Crew, reason: str) -> None:
    """End a process whose loop is blocked: another loop tells the server of what runs."""

    async def tell() -> None:
        await hand_over(await gang.connect(), gang.running, layout.HAND_OVER)

    try:
        asyncio.run(asyncio.wait_for(tell(), 2 * layout.HAND_OVER))
    except Exception as error:
        _logger.warning('activities could not be handed over: %s', type(error).__name__)
    _exit(restarts, reported, reason)


def _reports(wanted: layout.Settings, state: health.State) -> list[Reports]:
    """What tells Sentry, which is imported only where it is wanted; its want keeps no worker from working."""
    if not wanted.sentry:
        return []
    try:
        from loader import reports
    except ModuleNotFoundError:
        state.warning = (
            'the image lacks sentry-sdk, and nothing is reported: attach a temporal-worker-image that has it'
        )
        return []
    return [reports.begin(**wanted.sentry)]  # type: ignore[arg-type]


async def _tell(problem: str) -> None:
    """Answer for a while why the code does not run, which it did when it was prepared; then another process tries."""
    _logger.error('%s', problem)
    # A port that is taken, too: another process may get it.
    with contextlib.suppress(OSError):
        await asyncio.wait_for(health.serve(health.State(problem=problem, operator=True)), _TOLD)


async def _main() -> None:
    wanted = settings()
    restarts = Restarts()
    try:
        code = discovery.find(installed(pathlib.Path(sys.prefix)), wanted.workflows, wanted.activities)
    except CodeProblem as problem:
        reason = presentable(str(problem))
        await _tell(reason)
        _exit(restarts, [], reason)
        return
    state = health.State()
    reported = _reports(wanted, state)
    gang = Crew(wanted, code, state, keys(), reported)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, gang.stop)
    restarts.begin()
    state.restarts, state.reason = restarts.count, restarts.reason
    watchdog = Watchdog(lambda reason: _give_up(restarts, reported, gang, reason))
    tasks = [asyncio.create_task(work) for work in (gang.work(), health.serve(state), watchdog.beat())]
    watchdog.watch()
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    error = done.pop().exception()
    if error and not isinstance(error, Stuck):
        _logger.error('the worker failed', exc_info=error)
    _exit(restarts, reported, '' if error is None else str(error) if isinstance(error, Stuck) else type(error).__name__)


if __name__ == '__main__':
    _log(settings().log_level)
    os.environ.update(surroundings(pathlib.Path(sys.prefix)))
    asyncio.run(_main())
