"""Has the server keep running what the options `consume` and `schedules` name: the work of the leader's worker.

It runs in the worker's process, on its connection: so it costs no hook anything, is authorised as the worker is, and a
server that is away is waited for where the worker waits for it, too. Which application started what is written into
memos on the server: it does not matter which unit leads, what a hook came to, or how often the options were changed
meanwhile. Only that something was kept at all is remembered here, until all of it is known to be taken away.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import pathlib
import time

from temporalio.client import Client
from temporalio.service import RPCError

from loader import consumers, schedules, standing
from loader.health import State
from loader.owned import Trouble, refused
from loader.prepare import presentable
from loader.standing import Standing

_logger = logging.getLogger('temporal-worker')
_READ_EVERY = 1.0
_SOON, _TROUBLED, _REGULARLY, _AT_LEISURE = 2.0, 10.0, 30.0, 300.0
"""Seconds between two looks at the server: after a change, which Temporal's lists show a little later; where something
is not as it should be; as long as there is something to keep, which a person may end; and where there is not."""

_SETTLED = 300.0
"""Seconds after a change: a unit that has not heard yet that it no longer leads may undo it meanwhile."""


class Keeper:
    """Keeps what the file of `standing` wants.

    Args:
        client: of the server.
        state: the worker's answer; what is said here is its second half.
    """

    def __init__(self, client: Client, state: State):
        self._state = state
        self._consumers = consumers.Keeper(client)
        self._schedules = schedules.Keeper(client)
        self._kept = pathlib.Path(standing.FILE).with_suffix('.kept')
        self._text, self._has_news = '', False
        self._pause = _SOON
        self._changed = self._looked = 0.0

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            try:
                await self._turn()
            except (OSError, ValueError, KeyError, TypeError) as error:
                # A charm that is being upgraded may write what this loader cannot read; the next one is on its way.
                _logger.error('%s cannot be read: %s', standing.FILE, error)
            await asyncio.sleep(_READ_EVERY)

    async def _turn(self) -> None:
        try:
            text = pathlib.Path(standing.FILE).read_text()
        except FileNotFoundError:
            return
        wanted, now = Standing.load(text), time.monotonic()
        if text != self._text:
            self._text, self._changed, self._pause = text, now, _SOON / 2
            # Who has nothing to keep, and never had, has no news, for which a hook would run.
            self._has_news = not wanted.empty or self._kept.exists()
        elif now - self._looked < self._pause:
            return
        self._looked = now
        if not wanted.leader:
            self._state.stands('')
            return
        with contextlib.suppress(OSError):
            if not wanted.empty:
                self._kept.touch()
        trouble = await self._look(wanted)
        if trouble:
            self._state.stands('', presentable(str(trouble)), operator=trouble.operator)
            self._pause = min(2 * self._pause, _TROUBLED)
        else:
            if wanted.empty:
                self._kept.unlink(missing_ok=True)
            self._state.stands(wanted.key if self._has_news else '')
            at_leisure = wanted.empty and now - self._changed > _SETTLED
            self._pause = _AT_LEISURE if at_leisure else min(2 * self._pause, _REGULARLY)

    async def _look(self, wanted: Standing) -> Trouble | None:
        """Bring everything about, whatever of it fails; the first trouble is told."""
        found: list[Trouble] = []
        unasked: list[Trouble] = []
        for name, keep in (
            ('consume', self._consumers.keep(wanted)),
            ('schedules', self._schedules.keep(wanted)),
        ):
            try:
                found += await keep
            except RPCError as error:
                unasked.append(refused(f'do what {name} needs', error))
            except Exception as error:
                # Whatever it is, the worker's own work goes on.
                _logger.error('%s failed', name, exc_info=error)
                unasked.append(Trouble(f'{name} failed: {type(error).__name__}: {error}', operator=True))
        # Who has never had anything kept need not be allowed to ask what is.
        if not wanted.empty or self._kept.exists():
            found += unasked
        for trouble in found:
            _logger.warning('%s', presentable(str(trouble)))
        return min(found, key=lambda trouble: not trouble.operator, default=None)
