"""Consumers and dead letters that are running survive a new version of this package: recorded histories are replayed.

When this fails, a workflow that began with the version that was recorded would fail on this one. See
tests/oci_factory/test_replay.py for what to do then, and `record.py`.
"""

from __future__ import annotations

import asyncio
import pathlib

import pytest
from record import FOLDER, SCENARIOS
from temporal_events.workflows import ConsumeEvents, DeadLetter
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

RECORDED = sorted(FOLDER.glob('*.json'))


def replay(history: WorkflowHistory) -> None:
    asyncio.run(Replayer(workflows=[ConsumeEvents, DeadLetter]).replay_workflow(history))


@pytest.mark.parametrize('path', RECORDED, ids=lambda path: path.stem)
def test_what_was_recorded_is_decided_again(path: pathlib.Path) -> None:
    replay(WorkflowHistory.from_json(path.stem, path.read_text()))


def test_every_scenario_was_recorded() -> None:
    assert {path.stem for path in RECORDED} == {scenario.__name__ for scenario in SCENARIOS}


@pytest.mark.parametrize(
    ('name', 'was', 'then'), [('consumed', 'consume_events', 'other'), ('replayed', 'retry_letter', 'other')]
)
def test_another_decision_would_be_noticed(name: str, was: str, then: str) -> None:
    text = (FOLDER / f'{name}.json').read_text()
    with pytest.raises(NondeterminismError):
        replay(WorkflowHistory.from_json(name, text.replace(was, then)))
