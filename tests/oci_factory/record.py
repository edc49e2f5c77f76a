"""Records the histories that `test_replay.py` replays: `python record.py`, in some six minutes.

They are those of Temporal's development server, whose program `temporal` must be on the PATH. They take the place of
those that were there. `python record.py SCENARIO ...` records some, and leaves the others: those of an earlier version
show that workflows which began with it go on.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Collection
from typing import Any

import development
import generator
from oci_factory import issues
from served import SEED, TOKEN
from stand_ins.github import REPOSITORY
from stand_ins.server import Server, StandIns
from temporalio.client import Client, WorkflowContinuedAsNewError, WorkflowFailureError, WorkflowHistory

FOLDER = pathlib.Path(__file__).parent / 'histories'
FORMER = 'former'
"""The scenario of a consumer that is started by its former name."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A rebuild or a scan, and what goes wrong meanwhile.

    Attributes:
        name: of the workflow.
        arguments: likewise.
        faults: of the stand-ins.
        cancel_after: seconds after which somebody asks to cancel it; None for nobody.
        workflow: its type.
        held: seconds for which somebody else has the image, which is then the last argument.
        issues: bodies of issues that there are already, all in one repository.
    """

    name: str
    arguments: tuple[Any, ...]
    faults: tuple[dict[str, Any], ...] = ()
    cancel_after: float | None = None
    workflow: str = 'RebuildForRelease'
    held: float = 0
    issues: tuple[str, ...] = ()


_GOING = {'status': 'in_progress', 'conclusion': None}
_SCAN: dict[str, Any] = {'workflow': 'ScanImages'}
SCENARIOS = (
    Scenario('done', ('24.04', 'v*'), ({'status': 200, 'match': '/runs/1', 'times': 2, 'body': _GOING},)),
    Scenario('dry', ('*', 'm*', True)),
    Scenario(
        'troubled',
        ('24.04', 'p*', False, 2),
        (
            {'status': 422, 'match': 'dispatches', 'image': 'postgres', 'times': None},
            {'status': 410, 'match': 'contents', 'image': 'parca', 'times': None},
            {'status': 502, 'match': 'dispatches', 'image': 'python', 'after_recording': True},
            {'status': 200, 'match': '/runs/1', 'body': {'status': 'completed', 'conclusion': 'failure'}},
            {'status': 500, 'match': 'mattermost', 'times': None},
        ),
    ),
    Scenario(
        'cancelled',
        ('24.04', 'k*', False, 1),
        ({'status': 200, 'match': '/runs/1', 'times': None, 'body': _GOING},),
        cancel_after=60,
    ),
    Scenario('unlisted', ('24.04',), ({'status': 410, 'match': 'contents'},)),
    Scenario('calm', ('24.04', 'v*')),
    Scenario('waiting', ('24.04', 'valkey'), ({'status': 401, 'match': 'dispatches', 'times': 2},)),
    Scenario('locked', ('24.04', 'valkey'), held=15),
    Scenario('scan', ('v*',), ({'status': 302, 'match': '/report', 'headers': {'Refresh-After': '2'}},), **_SCAN),
    Scenario(
        'scan-troubled',
        ('p*', False, 2),
        (
            {'status': 422, 'match': 'POST /scanner', 'image': 'postgres', 'times': None},
            {'status': 403, 'match': 'contents', 'image': 'parca', 'times': None},
            {'status': 404, 'match': '/report'},
            {'status': 500, 'match': '/report'},
            {'status': 502, 'match': 'POST /github', 'after_recording': True},
            {'status': 410, 'match': 'PATCH /github'},
            {'status': 500, 'match': 'mattermost', 'times': None},
        ),
        issues=(*(issues.body(image, (), ['0']) for image in ('postgres', 'prometheus', 'python')),) * 2,
        **_SCAN,
    ),
    Scenario('scan-dry', ('k*', True), **_SCAN),
    Scenario(
        'scan-cancelled',
        ('valkey',),
        ({'status': 302, 'match': '/report', 'times': None, 'headers': {'Refresh-After': '1'}},),
        cancel_after=20,
        **_SCAN,
    ),
    Scenario('scan-unlisted', (), ({'status': 401, 'match': 'contents'},), **_SCAN),
)


def arrange(server: Server, scenario: Scenario) -> None:
    """Have the stand-ins as a scenario wants them."""
    server.stand_ins.forget()
    server.stand_ins.faults.add([dict(fault) for fault in scenario.faults])
    for body in scenario.issues:
        server.stand_ins.github.issues.plant(REPOSITORY, body)


async def served(server: Server, names: Collection[str]) -> dict[str, WorkflowHistory]:
    """The histories of some scenarios, by the names of their files."""
    found = {}
    async with development.serve(development.program()) as client:
        for scenario in SCENARIOS:
            if scenario.name in names:
                arrange(server, scenario)
                for history in await histories(client, scenario):
                    # Every scenario has locks of the same names.
                    name = history.workflow_id.replace('image-lock/', f'{scenario.name}-lock-')
                    found[name.replace('/', '-')] = history
        if FORMER in names:
            found[FORMER] = await former(client)
    return found


async def histories(client: Client, scenario: Scenario) -> list[WorkflowHistory]:
    """The histories of a scenario: of the rebuild or scan, of its images, and of their locks."""
    lock = None
    if scenario.held:
        image = scenario.arguments[-1]
        lock = await client.start_workflow(
            'ImageLock', args=[image, 'somebody'], id=f'image-lock/{image}', task_queue=development.QUEUE
        )
    handle = await client.start_workflow(
        scenario.workflow, args=scenario.arguments, id=scenario.name, task_queue=development.QUEUE
    )
    if lock:
        await asyncio.sleep(scenario.held)
        await lock.cancel()
    if scenario.cancel_after is not None:
        await asyncio.sleep(scenario.cancel_after)
        await handle.cancel()
    try:
        await handle.result()
    except WorkflowFailureError as error:
        print(f'{scenario.name}: {error.cause}')
    return await _family(client, await handle.fetch_history())


async def _family(client: Client, history: WorkflowHistory) -> list[WorkflowHistory]:
    """A history, and those of the workflow's children and their children."""
    found = [history]
    for event in history.events:
        if event.HasField('child_workflow_execution_started_event_attributes'):
            one = event.child_workflow_execution_started_event_attributes.workflow_execution
            handle = client.get_workflow_handle(one.workflow_id, run_id=one.run_id)
            # A lock ends a moment after its holder.
            with contextlib.suppress(WorkflowFailureError):
                await handle.result()
            found += await _family(client, await handle.fetch_history())
    return found


async def former(client: Client) -> WorkflowHistory:
    """The history of a consumer that is started by its former name; it ends where it goes on by the new one."""
    arguments = ['base-images', 'oci-factory']
    handle = await client.start_workflow(
        'ConsumeEventsWorkflow', args=arguments, id=FORMER, task_queue=development.QUEUE
    )
    with contextlib.suppress(WorkflowContinuedAsNewError):
        await handle.result(follow_runs=False)
    history = await client.get_workflow_handle(FORMER, run_id=handle.first_execution_run_id).fetch_history()
    await client.get_workflow_handle(FORMER).terminate()
    return history


def _cleaned(part: Any) -> Any:
    """Without what tells of the machine, and what no decision depends on: where the code was, and who ran it."""
    if isinstance(part, dict):
        return {key: _cleaned(value) for key, value in part.items() if key not in ('stackTrace', 'identity')}
    return [_cleaned(one) for one in part] if isinstance(part, list) else part


def main() -> None:
    """Record."""
    known = {*(scenario.name for scenario in SCENARIOS), FORMER}
    names = set(sys.argv[1:])
    if names - known:
        sys.exit(f'there is no scenario {min(names - known)}: take of {", ".join(sorted(known))}')
    with Server(StandIns(generator.make(SEED), TOKEN)) as server:
        os.environ.update({**development.environment(server.url, TOKEN), **development.channels(server.url)})
        os.environ['OCI_FACTORY_ISSUES'] = REPOSITORY
        found = asyncio.run(served(server, names or known))
    if not names:
        shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(exist_ok=True)
    for name, history in found.items():
        # A line for each event, so that a change shows what has changed.
        events = ',\n'.join(json.dumps(_cleaned(event)) for event in json.loads(history.to_json())['events'])
        (FOLDER / f'{name}.json').write_text(f'{{"events": [\n{events}\n]}}\n')
    print(f'{len(found)} histories in {FOLDER}')


if __name__ == '__main__':
    main()
