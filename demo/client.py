"""A Temporal client: starts RebuildForRelease, waits for its end, prints the result as JSON."""

from __future__ import annotations

import argparse
import asyncio
import json
import os

from temporalio.client import Client


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


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('release')
    parser.add_argument('--address', required=True)
    parser.add_argument('--namespace', default='default')
    parser.add_argument('--queue', default='oci-factory')
    parser.add_argument('--id', required=True)
    parser.add_argument('--dry-run', action='store_true')
    options = parser.parse_args()
    arguments = [options.release, '*', options.dry_run]
    result = asyncio.run(rebuild(options.address, options.namespace, options.queue, options.id, arguments))
    print(json.dumps(result), flush=True)
    # Without the interpreter's orderly end: the SDK's threads now and then crash it.
    os._exit(0)


if __name__ == '__main__':
    main()
