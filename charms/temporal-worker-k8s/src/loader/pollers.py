"""Asks the server whether it sees this process poll its queues: nothing else proves that the worker works."""

from __future__ import annotations

import asyncio
import datetime

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from loader import discovery, layout
from loader.health import State

Kind = TaskQueueType.ValueType
WORKFLOW, ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY
_LOOK_EVERY = 2.0


def kinds(code: discovery.Code) -> list[Kind]:
    """What a worker with this code polls for."""
    return [*([WORKFLOW] if code.workflows else []), *([ACTIVITY] if code.activities else [])]


async def unseen(client: Client, wanted: layout.Settings, code: discovery.Code) -> list[str]:
    """The queues on which the server does not see this process poll for all that it runs.

    Raises:
        RPCError: when the server does not answer.
    """
    asked = [(queue, kind) for queue in wanted.queues for kind in kinds(code)]
    seen = await asyncio.gather(*(_sees(client, wanted.namespace, queue, kind) for queue, kind in asked))
    return list(dict.fromkeys(queue for (queue, _), there in zip(asked, seen, strict=True) if not there))


async def _sees(client: Client, namespace: str, queue: str, kind: Kind) -> bool:
    description = await client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(namespace=namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind),
        timeout=datetime.timedelta(seconds=5),
    )
    return any(poller.identity == client.identity for poller in description.pollers)


async def watch(client: Client, wanted: layout.Settings, code: discovery.Code, state: State) -> None:
    """Keep the worker's answer true for as long as it runs."""
    while True:
        try:
            missing = await unseen(client, wanted, code)
        except RPCError as error:
            state.refused(wanted, error)
        else:
            if missing:
                state.change(problem=f'{wanted.address} to see the pollers of queue {missing[0]}')
            else:
                state.change(polling=True)
        # Quickly until the first success, then at leisure; not so quickly that the announcer could miss a failure.
        await asyncio.sleep(_LOOK_EVERY if state.polling else 0.5)
