"""Tells people of a rebuild or a scan from within its workflow: beside the work, and whatever becomes of it."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, failures, options
    from oci_factory.model import Notice, Notification


class Notices:
    """All channels of one workflow. Being made, it tells that the work has begun, and nobody waits for that.

    Args:
        begun: what to tell then.
    """

    def __init__(self, begun: Notice) -> None:
        self._handles: dict[str, str] = {}
        self._lost: dict[str, list[str]] = {}
        self._begun = asyncio.create_task(self._begin(begun))

    async def end(self, notice: Notice) -> tuple[Notification, ...]:
        """Tell how the work has ended, and how telling went.

        While there is a worker it takes a minute at most, and half of that if the work took as long: attempts are few
        and their time is short.

        Args:
            notice: what to tell.
        """
        await self._begun
        await asyncio.gather(*(self._tell(channel, notice) for channel in self._handles))
        return tuple(Notification(channel, '; '.join(lost)) for channel, lost in sorted(self._lost.items()))

    async def _begin(self, notice: Notice) -> None:
        try:
            channels = await workflow.execute_activity(activities.list_notifiers, **options.CHANNELS)
        except ActivityError as error:
            self._lose('any', error)
            return
        self._handles, self._lost = dict.fromkeys(channels, ''), {channel: [] for channel in channels}
        await asyncio.gather(*(self._tell(channel, notice) for channel in channels))

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
