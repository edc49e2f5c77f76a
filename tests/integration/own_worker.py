"""A worker's program as an image would bring it: handed to python3 by `worker-command`, never imported here."""

import asyncio
import datetime
import os
import signal

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.worker import UnsandboxedWorkflowRunner, Worker


@activity.defn
async def climb(steps: int) -> int:
    """Take a step a second, and tell how many of them this attempt found taken."""
    details = activity.info().heartbeat_details
    begun = int(details[0]) if details else 0
    for step in range(begun, steps):
        activity.heartbeat(step + 1)
        await asyncio.sleep(1)
    return begun


@activity.defn
async def tell(name: str) -> str:
    """A variable of the program's environment."""
    return os.environ.get(name, '')


@workflow.defn
class Tell:
    """Runs `tell`."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Returns what it returns."""
        return await workflow.execute_activity(tell, name, start_to_close_timeout=datetime.timedelta(minutes=1))


@workflow.defn
class Climb:
    """Runs `climb`."""

    @workflow.run
    async def run(self, steps: int) -> int:
        """Returns what the last attempt returns."""
        return await workflow.execute_activity(
            climb,
            steps,
            start_to_close_timeout=datetime.timedelta(minutes=10),
            heartbeat_timeout=datetime.timedelta(minutes=5),
        )


async def main() -> None:
    """Work until told to stop."""
    client = await Client.connect(**ClientConfig.load_client_connect_config())
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with Worker(
        client,
        task_queue=os.environ['TWC_QUEUE'],
        workflows=[Tell, Climb],
        activities=[tell, climb],
        workflow_runner=UnsandboxedWorkflowRunner(),
        graceful_shutdown_timeout=datetime.timedelta(seconds=15),
    ):
        await stop.wait()


asyncio.run(main())
