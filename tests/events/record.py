"""Records the histories that `test_replay.py` replays, on Temporal's development server: `python record.py`."""

from __future__ import annotations

import asyncio
import contextlib
import json
import pathlib
import shutil
from typing import Any

import echo
from fakes import Source, message
from temporal_events.model import Letter
from temporal_events.workflows import DeadLetter
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle, WorkflowHistory

FOLDER = pathlib.Path(__file__).parent / 'histories'
CONSUMPTION = {'topics': ['base-images'], 'group': 'oci-factory'}


class Slow(Source):
    """Messages, and then none."""

    async def take(self) -> Any:
        await asyncio.sleep(0.05)
        return await super().take()


async def consumed(client: Client) -> WorkflowHandle[Any, Any]:
    """A consumer whose worker changes, and that is cancelled then."""
    source = Slow([message(value=b'x')])
    async with echo.worker(client, source, echo.Deciding()):
        handle = await client.start_workflow('ConsumeEvents', CONSUMPTION, id='consumed', task_queue=echo.QUEUE)
        while not source.acknowledged:
            await asyncio.sleep(0.05)
    async with echo.worker(client, Slow(), echo.Deciding()):
        await asyncio.sleep(1)
        await handle.cancel()
        with contextlib.suppress(WorkflowFailureError):
            await handle.result()
    return handle


async def refused(client: Client) -> WorkflowHandle[Any, Any]:
    """A consumer that is not told what to consume."""
    async with echo.worker(client, Slow(), echo.Deciding()):
        handle = await client.start_workflow('ConsumeEvents', {}, id='refused', task_queue=echo.QUEUE)
        with contextlib.suppress(WorkflowFailureError):
            await handle.result()
    return handle


async def replayed(client: Client) -> WorkflowHandle[Any, Any]:
    """A dead letter that is tried in vain, and then is not."""
    decide = echo.Deciding()
    letter = Letter.of(message(value=b'bad'), 'g', 'it was bad')
    async with echo.worker(client, Slow(), decide):
        handle = await client.start_workflow(DeadLetter.run, letter, id='replayed', task_queue=echo.QUEUE)
        await handle.signal(DeadLetter.replay)
        while (await handle.query(DeadLetter.letter)).reason == letter.reason:
            await asyncio.sleep(0.05)
        decide.mended = True
        await handle.signal(DeadLetter.replay)
        await handle.result()
    return handle


async def discarded(client: Client) -> WorkflowHandle[Any, Any]:
    """A dead letter that is discarded while it is being tried."""
    letter = Letter.of(message(value=b'bad'), 'g', 'it was bad')
    async with echo.worker(client, Slow(), echo.Deciding(), activities=[]):
        handle = await client.start_workflow(DeadLetter.run, letter, id='discarded', task_queue=echo.QUEUE)
        await handle.signal(DeadLetter.replay)
        await asyncio.sleep(0.5)
        await handle.signal(DeadLetter.discard, 'known')
        await handle.result()
    return handle


SCENARIOS = (consumed, refused, replayed, discarded)


async def histories() -> list[WorkflowHistory]:
    """Those of all scenarios."""
    async with echo.server() as client:
        return [await (await scenario(client)).fetch_history() for scenario in SCENARIOS]


def _cleaned(part: Any) -> Any:
    """Without what tells of the machine: where the code was, and who ran it."""
    if isinstance(part, dict):
        return {key: _cleaned(value) for key, value in part.items() if key not in ('stackTrace', 'identity')}
    return [_cleaned(one) for one in part] if isinstance(part, list) else part


def main() -> None:
    """Record."""
    found = asyncio.run(histories())
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    for history in found:
        # A line for each event, so that a change shows what has changed.
        events = ',\n'.join(json.dumps(_cleaned(event)) for event in json.loads(history.to_json())['events'])
        (FOLDER / f'{history.workflow_id}.json').write_text(f'{{"events": [\n{events}\n]}}\n')
    print(f'{len(found)} histories in {FOLDER}')


if __name__ == '__main__':
    main()
