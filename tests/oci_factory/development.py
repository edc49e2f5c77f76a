"""Temporal's development server with a worker, and the real environment of the activities."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import shutil
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

from decorated import ACTIVITIES, WORKFLOWS
from oci_factory.model import Report
from stand_ins import notified, scanner
from temporalio.client import Client, WorkflowHandle, WorkflowHistory
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

QUEUE = 'oci-factory'

_END = 30.0


def program() -> str:
    """The server's program.

    Raises:
        LookupError: when it is not there.
    """
    found = shutil.which('temporal')
    if found is None:
        raise LookupError(
            'there is no program temporal on the PATH: put the folder there into which the lab has built it'
        )
    return found


class Temporal:
    """A development server with a worker, for tests that are no coroutines."""

    def __init__(self, runner: asyncio.Runner, client: Client) -> None:
        self._runner, self._client = runner, client

    @property
    def client(self) -> Client:
        return self._client

    def wait(self, work: Coroutine[Any, Any, Any], seconds: float = 120) -> Any:
        return self._runner.run(asyncio.wait_for(work, seconds))

    async def _start(self, *args: object) -> WorkflowHandle[Any, Report]:
        # By name, as people and schedules start it.
        return await self._client.start_workflow(
            'RebuildForRelease', args=args, id=f'test-{uuid.uuid4()}', task_queue=QUEUE, result_type=Report
        )

    def start(self, *args: object) -> WorkflowHandle[Any, Report]:
        return self.wait(self._start(*args))

    def run(self, *args: object) -> tuple[Report, WorkflowHistory]:
        """Run the workflow to its end."""

        async def run() -> tuple[Report, WorkflowHistory]:
            handle = await self._start(*args)
            return await handle.result(), await handle.fetch_history()

        return self.wait(run())


@contextlib.asynccontextmanager
async def serve(path: str) -> AsyncIterator[Client]:
    """A server and a worker.

    Args:
        path: of the server's program.
    """
    async with await WorkflowEnvironment.start_local(dev_server_existing_path=path) as server:
        with concurrent.futures.ThreadPoolExecutor(20) as threads:
            worker = Worker(
                server.client,
                task_queue=QUEUE,
                workflows=WORKFLOWS,
                activities=ACTIVITIES,
                activity_executor=threads,
            )
            working = asyncio.create_task(worker.run())
            try:
                yield server.client
            finally:
                # The SDK's worker now and then never ends; the charm's loader does not wait for ever, either.
                ending = asyncio.create_task(worker.shutdown())
                await asyncio.wait([working, ending], timeout=_END)
                ending.cancel()
                if working.done():
                    working.result()
                working.cancel()


def environment(url: str, token: str) -> Mapping[str, str]:
    """What the activities need to work on stand-ins.

    Args:
        url: of the stand-ins.
        token: the one that GitHub accepts.
    """
    return {
        'OCI_FACTORY_RELEASES': f'{url}/github',
        'OCI_FACTORY_BUILDS': f'{url}/builds',
        'OCI_FACTORY_REGISTRY': f'{url}/registry',
        'OCI_FACTORY_GITHUB': f'{url}/github',
        'GITHUB_TOKEN': token,
        'OCI_FACTORY_SCANNER': f'{url}/scanner',
        'OCI_FACTORY_SCANNER_TOKEN': scanner.TOKEN,
    }


def channels(url: str) -> Mapping[str, str]:
    """What makes Mattermost and a webhook be told, which are stand-ins."""
    return {
        'MATTERMOST_SERVER': f'{url}/mattermost',
        'MATTERMOST_TOKEN': notified.TOKEN,
        'MATTERMOST_CHANNEL_ID': notified.CHANNEL,
        'OCI_FACTORY_WEBHOOK_URL': f'{url}/hook',
    }
