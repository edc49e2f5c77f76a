"""Makes and changes the Temporal Schedule of the rebuild, from outside any workflow: `python -m oci_factory.schedule`.

Whoever calls it says how the schedule should be, as often as they like; what is so already is left alone.
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import datetime
import re
import sys

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    Schedule,
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
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

WORKFLOW = 'RebuildForRelease'
IDENTIFIER = 'oci-factory-rebuild'

_UNITS = {'m': 'minutes', 'h': 'hours', 'd': 'days'}
_NOTE = 'by oci_factory.schedule'


@dataclasses.dataclass(frozen=True)
class Wanted:
    """How the schedule should be.

    Attributes:
        queue: the task queue of the workers.
        identifier: of the schedule; the workflows' identifiers begin with it.
        release: which Ubuntu release is rebuilt; `*` for all.
        image: shell pattern of the images' names.
        every: the interval. It is counted from 1970, not from now.
        offset: how long after the beginning of each interval; less than the interval.
        paused: whether it rests; None for as it is, and for a new one that it does not.
    """

    queue: str
    identifier: str = IDENTIFIER
    release: str = '*'
    image: str = '*'
    every: datetime.timedelta = datetime.timedelta(days=2)
    offset: datetime.timedelta = datetime.timedelta(hours=2)
    paused: bool | None = None

    def schedule(self, state: ScheduleState) -> Schedule:
        """As Temporal has it.

        Args:
            state: what is kept of the one that is there.
        """
        if self.paused is not None and self.paused != state.paused:
            state = dataclasses.replace(state, paused=self.paused, note=_NOTE)
        return Schedule(
            action=ScheduleActionStartWorkflow(
                WORKFLOW, args=[self.release, self.image], id=self.identifier, task_queue=self.queue
            ),
            spec=ScheduleSpec(intervals=[ScheduleIntervalSpec(every=self.every, offset=self.offset)]),
            # A rebuild that takes longer than the interval is not overtaken, and one that was missed for long is left
            # to the next.
            policy=SchedulePolicy(
                overlap=ScheduleOverlapPolicy.SKIP, catchup_window=max(self.every / 2, datetime.timedelta(seconds=10))
            ),
            state=state,
        )


async def ensure(client: Client, wanted: Wanted) -> str:
    """Have the schedule be as wanted.

    What a person has paused stays paused, unless `wanted` says otherwise.

    Returns:
        `created`, `changed` or `unchanged`.

    Raises:
        RPCError: when the server refuses, or does not answer.
    """
    handle = client.get_schedule_handle(wanted.identifier)
    try:
        found = (await handle.describe()).schedule
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        try:
            await client.create_schedule(wanted.identifier, wanted.schedule(ScheduleState(note=_NOTE)))
        except ScheduleAlreadyRunningError:
            # Somebody else was quicker, and may have wanted something else.
            return await ensure(client, wanted)
        return 'created'
    if await _same(client, found, wanted.schedule(found.state)):
        return 'unchanged'

    def change(current: ScheduleUpdateInput) -> ScheduleUpdate:
        return ScheduleUpdate(wanted.schedule(current.description.schedule.state))

    await handle.update(change)
    return 'changed'


async def remove(client: Client, identifier: str = IDENTIFIER) -> str:
    """Remove the schedule; a rebuild that it has started goes on.

    Returns:
        `removed`, or `absent` if there is none.

    Raises:
        RPCError: when the server refuses, or does not answer.
    """
    try:
        await client.get_schedule_handle(identifier).delete()
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        return 'absent'
    return 'removed'


async def _same(client: Client, found: Schedule, wanted: Schedule) -> bool:
    """Whether two schedules are equal in all that is wanted of one; the server adds what it likes."""
    one, other = found.action, wanted.action
    assert isinstance(other, ScheduleActionStartWorkflow)
    return (
        isinstance(one, ScheduleActionStartWorkflow)
        and (one.workflow, one.id, one.task_queue) == (other.workflow, other.id, other.task_queue)
        and await _arguments(client, one) == list(other.args)
        and _times(found.spec) == _times(wanted.spec)
        and found.policy == wanted.policy
        and found.state.paused == wanted.state.paused
    )


def _times(spec: ScheduleSpec) -> tuple[object, ...]:
    """When a schedule acts; no offset is the same as one of nothing, and intervals know no time zones."""
    intervals = [(one.every, one.offset or datetime.timedelta(0)) for one in spec.intervals]
    return intervals, dataclasses.replace(spec, intervals=[], time_zone_name=None)


async def _arguments(client: Client, action: ScheduleActionStartWorkflow) -> list[object]:
    """The arguments, which may be encrypted: then they never look the same twice."""
    return await client.data_converter.decode([one for one in action.args if isinstance(one, Payload)])


def interval(text: str) -> datetime.timedelta:
    """An interval like 2d, 12h or 90m.

    Raises:
        ValueError: when it is none.
    """
    match = re.fullmatch(r'([0-9]{1,6})([mhd])', text)
    if not match:
        raise ValueError(f'{text!r} is no interval: give it like 2d, 12h or 90m')
    return datetime.timedelta(**{_UNITS[match[2]]: int(match[1])})


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Read the command line; wrong ones end the program with a sentence."""
    parser = argparse.ArgumentParser(
        prog='python -m oci_factory.schedule',
        description='Make or change the Schedule of the rebuild.',
        epilog='The server is told by TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, TEMPORAL_TLS and the other variables of '
        "Temporal's clients.",
    )
    parser.add_argument('--queue', help="the workers' task queue; needed unless the schedule is removed")
    parser.add_argument('--identifier', default=IDENTIFIER)
    parser.add_argument('--release', default='*', help='an Ubuntu release like 24.04; * for all')
    parser.add_argument('--image', default='*', help="shell pattern of the images' names")
    parser.add_argument('--every', default='2d', help='like 2d, 12h or 90m')
    parser.add_argument('--offset', default='2h', help='after the beginning of each interval')
    fate = parser.add_mutually_exclusive_group()
    fate.add_argument('--pause', dest='paused', action='store_true', default=None)
    fate.add_argument('--resume', dest='paused', action='store_false')
    fate.add_argument('--remove', action='store_true')
    options = parser.parse_args(argv)
    try:
        options.every, options.offset = interval(options.every), interval(options.offset)
    except ValueError as error:
        parser.error(str(error))
    if options.every < datetime.timedelta(minutes=1):
        parser.error('--every is less than a minute: give a longer interval')
    if options.offset >= options.every:
        parser.error('--offset is not less than --every: give a shorter one')
    if not options.remove and not options.queue:
        parser.error('--queue is missing: give the task queue of the workers')
    return options


async def act(client: Client, options: argparse.Namespace) -> str:
    """Do what the command line asks for."""
    if options.remove:
        return await remove(client, options.identifier)
    fields = {field.name: getattr(options, field.name) for field in dataclasses.fields(Wanted)}
    return await ensure(client, Wanted(**fields))


def main() -> None:
    """Read the arguments, act, and say what was done."""
    options = arguments()
    config = ClientConfig.load_client_connect_config()
    if not config.get('target_host'):
        sys.exit('TEMPORAL_ADDRESS is not set: give HOST:PORT of the server')

    async def connect() -> str:
        return await act(await Client.connect(**config), options)

    try:
        print(asyncio.run(connect()))
    except (RPCError, RuntimeError) as error:
        sys.exit(f'the server did not do it: {error}')


if __name__ == '__main__':
    main()
