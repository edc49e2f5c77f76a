"""Tells people of a rebuild from within its workflow: beside the work, and whatever becomes of it."""

from __future__ import annotations

import asyncio

from temporalio import workflow
from temporalio.exceptions import ActivityError, FailureError

with workflow.unsafe.imports_passed_through():
    from oci_factory import activities, options
    from oci_factory.model import ImageReport, Notice, Notification


class Notices:
    """All channels of one rebuild. Being made, it tells that the rebuild has begun, and nobody waits for that.

    Args:
        release: the Ubuntu release.
    """

    def __init__(self, release: str) -> None:
        self._release = release
        self._handles: dict[str, str] = {}
        self._lost: dict[str, list[str]] = {}
        self._begun = asyncio.create_task(self._begin())

    async def end(self, status: str, images: tuple[ImageReport, ...] = (), why: str = '') -> tuple[Notification, ...]:
        """Tell how the rebuild has ended, and how telling went.

        While there is a worker it takes a minute at most, and half of that if the rebuild took as long: attempts are
        few and their time is short.

        Args:
            status: as in `Notice`.
            images: what was done about each image.
            why: what ended the rebuild as a whole; empty if nothing did.
        """
        await self._begun
        rebuilt = tuple(one.image for one in images if one.dispatched and not one.error)
        failed = {one.image: one.error for one in images if one.error} | ({'': why} if why else {})
        notice = Notice(self._release, status, rebuilt, failed)
        await asyncio.gather(*(self._tell(channel, notice) for channel in self._handles))
        return tuple(Notification(channel, '; '.join(lost)) for channel, lost in sorted(self._lost.items()))

    async def _begin(self) -> None:
        try:
            channels = await workflow.execute_activity(activities.list_notifiers, **options.CHANNELS)
        except ActivityError as error:
            self._lose('any', error)
            return
        self._handles, self._lost = dict.fromkeys(channels, ''), {channel: [] for channel in channels}
        notice = Notice(self._release, 'Triggered')
        await asyncio.gather(*(self._tell(channel, notice) for channel in channels))

    async def _tell(self, channel: str, notice: Notice) -> None:
        try:
            self._handles[channel] = await workflow.execute_activity(
                activities.notify, args=[channel, notice, self._handles[channel]], **options.NOTIFY
            )
        except ActivityError as error:
            self._lose(channel, error)

    def _lose(self, channel: str, error: ActivityError) -> None:
        cause = error.cause
        why = cause.message if isinstance(cause, FailureError) else str(cause)
        workflow.logger.warning('a notification by %s is lost: %s', channel, why)
        self._lost.setdefault(channel, []).append(why)
