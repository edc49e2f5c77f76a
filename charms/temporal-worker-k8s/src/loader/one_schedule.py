"""Pauses, resumes, triggers or shows one Temporal Schedule: the program behind the charm's actions.

`python -m loader.one_schedule pause|resume|trigger|show ID`; its last line is a JSON document: what `told` says, or
`{"error": ...}`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import sys

from temporalio.client import ScheduleDescription, ScheduleHandle
from temporalio.service import RPCError, RPCStatusCode

from loader.authentication import Refused, Unreachable
from loader.crew import Crew
from loader.discovery import Code
from loader.health import State
from loader.owned import TIMEOUT
from loader.prepare import environment_variables, keys, settings


def told(there: ScheduleDescription) -> dict[str, str]:
    """What a person wants to know of a schedule."""
    times = [time.strftime('%Y-%m-%d %H:%M:%S UTC') for time in there.info.next_action_times]
    recent = [getattr(one.action, 'workflow_id', '') for one in there.info.recent_actions]
    return {
        'schedule': there.id,
        'paused': str(there.schedule.state.paused).lower(),
        'note': there.schedule.state.note or '',
        'next': times[0] if times and not there.schedule.state.paused else '',
        'last': recent[-1] if recent else '',
    }


async def act(handle: ScheduleHandle, what: str) -> dict[str, str]:
    """Do something with a schedule.

    Args:
        handle: of the schedule.
        what: `pause`, `resume`, `trigger`, or `show`, which does nothing.

    Returns:
        How it is afterwards.

    Raises:
        RPCError: when the server refuses, or does not answer.
    """
    if what == 'pause':
        await handle.pause(note='by the action pause-schedule', rpc_timeout=TIMEOUT)
    elif what == 'resume':
        await handle.unpause(note='by the action resume-schedule', rpc_timeout=TIMEOUT)
    elif what == 'trigger':
        await handle.trigger(rpc_timeout=TIMEOUT)
    return told(await handle.describe(rpc_timeout=TIMEOUT))


async def _main(what: str, identifier: str) -> dict[str, str]:
    # The worker answers Prometheus already.
    wanted = dataclasses.replace(settings(), metrics_port=0)
    try:
        connecting = Crew(wanted, Code({}, {}), State(), keys()).connect()
        client = await asyncio.wait_for(connecting, TIMEOUT.total_seconds())
        return await act(client.get_schedule_handle(identifier), what)
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return {'error': f'the server has no schedule {identifier}: juju status tells why'}
        return {'error': f'{wanted.address} did not do it ({error.status.name.lower()}): {error.message}'}
    except (Refused, Unreachable) as error:
        return {'error': str(error)}
    except (RuntimeError, TimeoutError):
        return {'error': f'{wanted.address} does not answer'}


if __name__ == '__main__':  # pragma: no cover
    # Who gives tokens is asked through the proxies that the worker has.
    os.environ.update(environment_variables())
    print(json.dumps(asyncio.run(_main(sys.argv[1], sys.argv[2]))))
