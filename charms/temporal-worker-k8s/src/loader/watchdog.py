"""Notices that the worker is stuck, ends its process so that Pebble starts it anew, and counts."""

from __future__ import annotations

import asyncio
import datetime
import faulthandler
import json
import logging
import pathlib
import sys
import threading
import time
from collections.abc import Callable, Iterable

from temporalio.worker import Worker

from loader import layout

_logger = logging.getLogger('temporal-worker')
_BEAT = 1.0
_BLOCKED = 60.0
"""Seconds without a turn of the event loop, in which no activity runs."""


class Stuck(Exception):
    """The worker cannot go on; says why, for the status."""


class Restarts:
    """How often this container's worker had to be started anew, and why the last time; a file, which outlives it."""

    def __init__(self, path: str = layout.RESTARTS):
        self._path = pathlib.Path(path)
        self._under_way = self._path.with_suffix('.running')
        try:
            known = json.loads(self._path.read_text())
            self.count, self.reason = int(known['count']), str(known['reason'])
        except (OSError, ValueError, TypeError, KeyError):
            self.count, self.reason = 0, ''

    def begin(self) -> None:
        """Count the run before this one if it has ended without a word."""
        if self._under_way.exists():
            self.note('its process was killed')
        self._under_way.touch()

    def note(self, reason: str) -> None:
        """Count one, and say why."""
        now = datetime.datetime.now(datetime.UTC)
        self.count, self.reason = self.count + 1, f'{now:%Y-%m-%d %H:%M} UTC: {reason}'
        scratch = self._path.with_suffix('.new')
        scratch.write_text(json.dumps({'count': self.count, 'reason': self.reason}))
        scratch.rename(self._path)

    def end(self) -> None:
        """This run ends by itself."""
        self._under_way.unlink(missing_ok=True)


class Watchdog:
    """Ends a process whose event loop no longer turns, from a thread of its own.

    Args:
        give_up: ends the process; is told why.
    """

    def __init__(self, give_up: Callable[[str], None]):
        self._give_up = give_up
        self._last = time.monotonic()

    async def beat(self) -> None:
        """Turn with the event loop."""
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(_BEAT)

    def watch(self) -> threading.Thread:
        """Begin to watch."""
        thread = threading.Thread(target=self._watch, name='watchdog', daemon=True)
        thread.start()
        return thread

    def _watch(self) -> None:
        while time.monotonic() - self._last < _BLOCKED:
            time.sleep(_BEAT)
        # Names of functions and lines only, so that the log says whose code it was.
        faulthandler.dump_traceback(sys.stderr, all_threads=True)
        self._give_up(f'its event loop was blocked for {_BLOCKED:.0f} s')


async def failed_eviction(workers: Iterable[Worker]) -> None:
    """Return when a workflow of one of the SDK's workers cannot be evicted: its slot is lost.

    But for a message, which an option or the code's own logging may hide, the SDK tells it by this number alone.
    """
    while not any(getattr(getattr(each, '_workflow_worker', None), '_could_not_evict_count', 0) for each in workers):
        await asyncio.sleep(_BEAT)
