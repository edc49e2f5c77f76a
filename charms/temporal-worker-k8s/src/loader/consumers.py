"""Keeps one workflow running for each topic and group that the option `consume` names, and no other of its own."""

from __future__ import annotations

import time

from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
)
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from loader import waits
from loader.owned import MEMO, TIMEOUT, Trouble, marked, owner, refused
from loader.standing import CONSUMES, Consumer, Standing

_ANEW = 60.0
"""Seconds until a workflow that has ended is started anew; one that has run for as long counts as well."""

_ATTEMPTS = 4
"""A workflow task that has failed so often will fail again: the code is to blame."""

_RUNNING = f"WorkflowType = '{CONSUMES}' AND ExecutionStatus = 'Running'"


class Keeper:
    """Starts, and cancels.

    Args:
        client: of the server.
    """

    def __init__(self, client: Client):
        self._client = client
        # When each was started here, and how the run before it ended.
        self._started: dict[str, float] = {}
        self._ended: dict[str, str] = {}

    async def keep(self, wanted: Standing) -> list[Trouble]:
        """Have exactly those running that are wanted, as far as this application has started them.

        Raises:
            RPCError: when the server refuses, or does not answer.
        """
        found = []
        for one in wanted.consumers:
            try:
                await self._keep(one, wanted)
            except Trouble as trouble:
                found.append(trouble)
        # Last: where the server's lists are down, consuming is not.
        return found + await self._remove(wanted)

    async def _keep(self, one: Consumer, wanted: Standing) -> None:
        there = await self._describe(one.id)
        running = there is not None and there.status == WorkflowExecutionStatus.RUNNING
        since = time.monotonic() - self._started.get(one.id, -_ANEW)
        if there and running:
            await self._see(there, one, wanted, lasts=since >= _ANEW)
        elif there and since < _ANEW and there.status != WorkflowExecutionStatus.CANCELED:
            # One that was cancelled has not failed.
            self._ended[one.id] = await self._reason(there)
        else:
            await self._start(one, wanted, WorkflowIDConflictPolicy.USE_EXISTING)
        if one.id in self._ended:
            raise Trouble(
                f'consume: workflow {one.id} has ended ({self._ended[one.id]}): it is started anew every minute',
                operator=True,
            )

    async def _see(self, there: WorkflowExecutionDescription, one: Consumer, wanted: Standing, *, lasts: bool) -> None:
        """Look at one that runs: whose it is, whether it can go on, and what it waits for."""
        if await owner(there) != wanted.owner:
            if there.workflow_type == CONSUMES and there.task_queue in wanted.queues:
                # It does what is wanted, and is not ours to end.
                return
            raise Trouble(
                f'consume: workflow {one.id} was started by somebody else, as {there.workflow_type} on queue '
                f'{there.task_queue}: end it, or take it out of consume',
                operator=True,
            )
        if there.task_queue not in wanted.queues:
            # Nobody polls for it any more, so that it would never hear of being cancelled.
            await self._start(one, wanted, WorkflowIDConflictPolicy.TERMINATE_EXISTING)
        elif _stuck(there):
            raise Trouble(
                f'consume: workflow {one.id} cannot go on, its code has failed '
                f'{there.raw_description.pending_workflow_task.attempt} times: the log of the worker says why',
                operator=True,
            )
        elif there.raw_description.workflow_extended_info.cancel_requested:
            raise Trouble(f'workflow {one.id} to end, since it was cancelled')
        elif lasts:
            self._ended.pop(one.id, None)
            if waiting := await waits.said(there, self._client.data_converter):
                raise Trouble(f'consumer {one.id}, {waiting}')

    async def _start(self, one: Consumer, wanted: Standing, conflict: WorkflowIDConflictPolicy) -> None:
        await self._client.start_workflow(
            CONSUMES,
            one.argument,
            id=one.id,
            task_queue=wanted.queues[0],
            id_conflict_policy=conflict,
            memo={MEMO: marked(wanted.owner)},
            rpc_timeout=TIMEOUT,
        )
        self._started[one.id] = time.monotonic()

    async def _describe(self, identifier: str) -> WorkflowExecutionDescription | None:
        try:
            return await self._client.get_workflow_handle(identifier).describe(rpc_timeout=TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            return None

    async def _reason(self, there: WorkflowExecutionDescription) -> str:
        """How a run has ended: the first line of its failure."""
        status = there.status.name.lower().replace('_', ' ') if there.status else 'unknown'
        reason = ''
        if there.status == WorkflowExecutionStatus.FAILED:
            handle = self._client.get_workflow_handle(there.id, run_id=there.run_id)
            try:
                await handle.result(follow_runs=False, rpc_timeout=TIMEOUT)
            except WorkflowFailureError as error:
                reason, _, _ = f': {error.cause}'.partition('\n')
        return f'{status}{reason}'

    async def _remove(self, wanted: Standing) -> list[Trouble]:
        """Cancel what this application has started and does not want any more; what has not ended yet is trouble."""
        kept, left = {one.id for one in wanted.consumers}, []
        async for there in self._client.list_workflows(_RUNNING, rpc_timeout=TIMEOUT):
            if there.id not in kept and await owner(there) == wanted.owner:
                try:
                    if await self._end(there, wanted):
                        continue
                    left.append(Trouble(f'workflow {there.id} to end, since consume no longer names it'))
                except RPCError as error:
                    left.append(refused(f'end workflow {there.id}, which consume no longer names', error))
        return left

    async def _end(self, there: WorkflowExecution, wanted: Standing) -> bool:
        """See to it that a workflow ends; whether it has."""
        found = await self._describe(there.id)
        if found is None or found.status != WorkflowExecutionStatus.RUNNING:
            return True
        if found.run_id != there.run_id:
            # It has continued as a new run, which the next look finds.
            return False
        handle = self._client.get_workflow_handle(there.id, run_id=there.run_id)
        # What nobody works on does not hear of being cancelled.
        terminated = there.task_queue not in wanted.queues or _stuck(found)
        try:
            if terminated:
                await handle.terminate(reason='taken out of the option consume', rpc_timeout=TIMEOUT)
            elif not found.raw_description.workflow_extended_info.cancel_requested:
                await handle.cancel(rpc_timeout=TIMEOUT)
        except RPCError as error:
            if error.status != RPCStatusCode.NOT_FOUND:
                raise
            terminated = True
        self._started.pop(there.id, None)
        self._ended.pop(there.id, None)
        return terminated


def _stuck(there: WorkflowExecutionDescription) -> bool:
    return there.raw_description.pending_workflow_task.attempt >= _ATTEMPTS
