"""Tells people of a rebuild or a scan from within its workflow: beside the work, and whatever becomes of it."""

from __future__ import annotations

import asyncio
import dataclasses

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, failures, options, trouble
    from oci_factory.model import Notice, Notification


class Notices:
    """All channels of one workflow. Being made, it tells that the work has begun, and nobody waits for that.

    Args:
        begun: what to tell then.
        watched: whether to tell, once, what keeps the work waiting.
    """

    def __init__(self, begun: Notice, *, watched: bool = False) -> None:
        self._handles: dict[str, str] = {}
        self._lost: dict[str, list[str]] = {}
        self._begun = asyncio.create_task(self._begin(begun))
        self._look: workflow.ActivityHandle[dict[str, str]] | None = None
        self._over = False
        # Work that began before somebody watched it goes on without.
        watches = watched and workflow.patched('trouble')
        self._watching = asyncio.create_task(self._watch(begun)) if watches else None

    async def end(self, notice: Notice) -> tuple[Notification, ...]:
        """Tell how the work has ended, and how telling went.

        While there is a worker it takes a minute at most, and half of that if the work took as long: attempts are few
        and their time is short. Where it is just being told what is waited for, half a minute comes on top.

        Args:
            notice: what to tell.
        """
        await self._begun
        self._over = True
        if self._look:
            self._look.cancel()
        if self._watching:
            await self._watching
        await self._tell_all(notice)
        return tuple(Notification(channel, '; '.join(lost)) for channel, lost in sorted(self._lost.items()))

    async def _begin(self, notice: Notice) -> None:
        try:
            channels = await workflow.execute_activity(activities.list_notifiers, **options.CHANNELS)
        except ActivityError as error:
            self._lose('any', error)
            return
        self._handles, self._lost = dict.fromkeys(channels, ''), {channel: [] for channel in channels}
        await self._tell_all(notice)

    async def _watch(self, begun: Notice) -> None:
        await self._begun
        if self._over or not self._handles:
            return
        look = self._look = workflow.start_activity(trouble.find_trouble, **options.WATCH)
        try:
            found = await look
        except (ActivityError, asyncio.CancelledError):
            return
        await self._tell_all(dataclasses.replace(begun, status='Waiting', failed=found))

    async def _tell_all(self, notice: Notice) -> None:
        await asyncio.gather(*(self._tell(channel, notice) for channel in self._handles))

    async def _tell(self, channel: str, notice: Notice) -> None:
        try:
            self._handles[channel] = await workflow.execute_activity(
                activities.notify, args=[channel, notice, self._handles[channel]], **options.NOTIFY
            )
        except ActivityError as error:
            self._lose(channel, error)

    def _lose(self, channel: str, error: ActivityError) -> None:
        why = failures.cause(error)
        workflow.logger.warning('a notification by %s is lost: %s', channel, why)
        self._lost.setdefault(channel, []).append(why)
