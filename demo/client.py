"""A Temporal client: starts RebuildForRelease or finds it started, waits for its end, prints the result as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

_TRIES, _PAUSE = 120, 0.5


async def rebuild(address: str, namespace: str, queue: str, workflow_id: str, arguments: list[object]) -> object:
    """Run the workflow through whatever answers at `address`.

    Args:
        address: HOST:PORT.
        namespace: Temporal's.
        queue: the worker's.
        workflow_id: names the run, and with it the reference at GitHub.
        arguments: of the workflow.
    """
    client = await Client.connect(address, namespace=namespace)
    return await client.execute_workflow('RebuildForRelease', args=arguments, id=workflow_id, task_queue=queue)


async def follow(address: str, namespace: str, workflow_id: str) -> object:
    """Wait for the end of a workflow that somebody else starts.

    Args:
        address: HOST:PORT.
        namespace: Temporal's.
        workflow_id: of the workflow, which need not be there yet.

    Raises:
        TimeoutError: when it is not there after a minute.
    """
    client = await Client.connect(address, namespace=namespace)
    handle = client.get_workflow_handle(workflow_id)
    for _ in range(_TRIES):
        try:
            await handle.describe()
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            await asyncio.sleep(_PAUSE)
        else:
            return await handle.result()
    raise TimeoutError(f'nobody has started {workflow_id}')


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('release', nargs='?', help='what to rebuild for; without it, somebody else starts the workflow')
    parser.add_argument('--address', required=True)
    parser.add_argument('--namespace', default='default')
    parser.add_argument('--queue', default='oci-factory')
    parser.add_argument('--id', required=True)
    parser.add_argument('--dry-run', action='store_true')
    options = parser.parse_args()
    if options.release:
        arguments = [options.release, '*', options.dry_run]
        work = rebuild(options.address, options.namespace, options.queue, options.id, arguments)
    else:
        work = follow(options.address, options.namespace, options.id)
    result = asyncio.run(work)
    print(json.dumps(result), flush=True)
    # Without the interpreter's orderly end: the SDK's threads now and then crash it.
    os._exit(0)


if __name__ == '__main__':
    main()
