"""Keeps the Temporal Schedules that the option `schedules` describes, and no other of its own."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)
from temporalio.client import Schedule as ServersSchedule
from temporalio.service import RPCError, RPCStatusCode

from loader.owned import MEMO, TIMEOUT, Trouble, marked, owner, refused
from loader.standing import Schedule, Standing

_LATE = datetime.timedelta(days=1)
"""How late a start may be made up for where cron lines say when, after an outage of the server."""

_LEAST_LATE = datetime.timedelta(seconds=10)
"""Temporal takes no less."""


def made(wanted: Schedule, state: ScheduleState) -> ServersSchedule:
    """A schedule as Temporal has it.

    Args:
        wanted: how it is to be.
        state: whether it rests, as people have left it.
    """
    every = datetime.timedelta(seconds=wanted.every)
    intervals = [ScheduleIntervalSpec(every, datetime.timedelta(seconds=wanted.offset))] if wanted.every else []
    return ServersSchedule(
        action=ScheduleActionStartWorkflow(
            wanted.workflow,
            args=list(wanted.arguments),
            id=wanted.id,
            task_queue=wanted.queue,
            # The server does not give cron lines back as it was given them: this tells whether they have changed.
            memo={MEMO: marked(wanted.key)},
        ),
        spec=ScheduleSpec(
            intervals=intervals, cron_expressions=list(wanted.cron), time_zone_name=wanted.time_zone or None
        ),
        # What was missed for long is left to the next time.
        policy=SchedulePolicy(
            overlap=ScheduleOverlapPolicy[wanted.overlap.upper().replace('-', '_')],
            catchup_window=max(every / 2, _LEAST_LATE) if wanted.every else _LATE,
        ),
        state=state,
    )


class Keeper:
    """Makes, changes and removes.

    Args:
        client: of the server.
    """

    def __init__(self, client: Client):
        self._client = client

    async def keep(self, wanted: Standing) -> list[Trouble]:
        """Have exactly those schedules that are wanted, as far as this application has made them.

        Raises:
            RPCError: when the server refuses, or does not answer.
        """
        found = []
        for one in wanted.schedules:
            try:
                await self._keep(one, wanted.owner)
            except Trouble as trouble:
                found.append(trouble)
            except RPCError as error:
                if error.status != RPCStatusCode.INVALID_ARGUMENT:
                    raise
                found.append(
                    Trouble(f'schedules: {one.id}: the server does not take it: {error.message}', operator=True)
                )
        return found + await self._remove(wanted)

    async def _keep(self, one: Schedule, application: str) -> None:
        handle = self._client.get_schedule_handle(one.id)
        try:
            there = await handle.describe(rpc_timeout=TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            # Somebody may be quicker; then the next look finds theirs.
            with contextlib.suppress(ScheduleAlreadyRunningError):
                await self._client.create_schedule(
                    one.id, made(one, ScheduleState()), memo={MEMO: marked(application)}, rpc_timeout=TIMEOUT
                )
            return
        if await owner(there) != application:
            raise Trouble(
                f'schedules: {one.id} is there already, and this application has not made it: give it another name, or '
                'delete the one that is there',
                operator=True,
            )
        if not await self._same(there.schedule, one):

            def change(current: ScheduleUpdateInput) -> ScheduleUpdate:
                return ScheduleUpdate(made(one, current.description.schedule.state))

            await handle.update(change, rpc_timeout=TIMEOUT)

    async def _same(self, there: ServersSchedule, one: Schedule) -> bool:
        """Whether nobody has changed it; the server adds what it likes."""
        action, wanted = there.action, made(one, there.state)
        return (
            isinstance(action, ScheduleActionStartWorkflow)
            and (action.workflow, action.id, action.task_queue) == (one.workflow, one.id, one.queue)
            and (action.memo or {}).get(MEMO) == marked(one.key)
            and await self._readable(list(action.args), list(one.arguments))
            and there.policy == wanted.policy
            and (not one.every or _intervals(there.spec) == _intervals(wanted.spec))
        )

    async def _readable(self, there: list[Any], arguments: list[Any]) -> bool:
        """Whether the server has these arguments, and encrypted as they would be now if at all.

        Encrypted, they never look the same twice; with a former key they would be lost when that is dropped.
        """
        converter = self._client.data_converter
        payloads = [each for each in there if isinstance(each, Payload)]
        now = await converter.encode(arguments)
        if [dict(each.metadata) for each in payloads] != [dict(each.metadata) for each in now]:
            return False
        try:
            return await converter.decode(payloads) == arguments
        except Exception:
            # As with memos. AES-EAX does not tell which key it was.
            return False

    async def _remove(self, wanted: Standing) -> list[Trouble]:
        """Remove what this application has made and does not want any more; workflows that it has started go on."""
        kept, left = {one.id for one in wanted.schedules}, []
        async for there in await self._client.list_schedules(rpc_timeout=TIMEOUT):
            if there.id not in kept and await owner(there) == wanted.owner:
                try:
                    await self._client.get_schedule_handle(there.id).delete(rpc_timeout=TIMEOUT)
                except RPCError as error:
                    # The list shows it for a little longer than it is there.
                    if error.status != RPCStatusCode.NOT_FOUND:
                        left.append(refused(f'remove schedule {there.id}, which the option no longer names', error))
        return left


def _intervals(spec: ScheduleSpec) -> tuple[object, ...]:
    """When a schedule acts that has intervals; no offset is the same as one of nothing, and they know no time zone."""
    intervals = [(one.every, one.offset or datetime.timedelta(0)) for one in spec.intervals]
    return intervals, dataclasses.replace(spec, intervals=[], time_zone_name=None)
