"""Workflows that are running survive a new version of this package: recorded histories are replayed with it.

When this fails, a workflow that began with the version that was recorded would fail on this one. Either the change has
to leave earlier decisions as they were (`workflow.patched`), or no workflow may be running when it comes; only then are
the histories recorded anew. See `record.py`.
"""

from __future__ import annotations

import asyncio
import pathlib

import pytest
from decorated import WORKFLOWS
from record import FOLDER
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

RECORDED = sorted(FOLDER.glob('*.json'))


def replay(history: WorkflowHistory) -> None:
    asyncio.run(Replayer(workflows=WORKFLOWS).replay_workflow(history))


@pytest.mark.parametrize('path', RECORDED, ids=lambda path: path.stem)
def test_what_was_recorded_is_decided_again(path: pathlib.Path) -> None:
    replay(WorkflowHistory.from_json(path.stem, path.read_text()))


def test_every_workflow_was_recorded() -> None:
    text = ''.join(path.read_text() for path in RECORDED)
    for workflow in WORKFLOWS:
        assert f'"workflowType": {{"name": "{workflow.__name__}"}}' in text


@pytest.mark.parametrize(
    ('name', 'was', 'then'),
    [('done', 'list_released', 'list_images'), ('done-valkey', 'follow_run', 'dispatch_rebuild')],
)
def test_another_decision_would_be_noticed(name: str, was: str, then: str) -> None:
    text = (FOLDER / f'{name}.json').read_text()
    with pytest.raises(NondeterminismError):
        replay(WorkflowHistory.from_json(name, text.replace(was, then)))
