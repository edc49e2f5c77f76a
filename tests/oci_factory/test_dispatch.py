"""GitHub is asked once for each rebuild, whatever becomes of its answers."""

from __future__ import annotations

import base64
import datetime

import pytest
import yaml
from acting import DISPATCH, dispatches, fail, failure, run
from oci_factory import activities, github
from oci_factory.model import Dispatch
from stand_ins.server import Server
from stand_ins.wire import Request


def test_a_dispatch(environment: Server) -> None:
    run(activities.dispatch_rebuild, DISPATCH)
    (recorded,) = environment.stand_ins.github.recorded()
    inputs = recorded['inputs']
    assert recorded['ref'] == 'main'
    assert inputs == {
        'oci-image-name': 'valkey',
        'b64-image-trigger': inputs['b64-image-trigger'],
        'upload': True,
        'external_ref_id': 'wf-1-valkey',
    }
    assert yaml.safe_load(base64.b64decode(inputs['b64-image-trigger'])) == {'version': 2, 'upload': []}
    assert recorded['headers']['accept'] == 'application/vnd.github+json'
    assert recorded['headers']['x-github-api-version'] == '2022-11-28'


def test_a_first_attempt_asks_for_nothing_else(seen: list[Request]) -> None:
    run(activities.dispatch_rebuild, DISPATCH)
    assert [request.line.partition('?')[0] for request in seen] == [
        'POST /github/repos/canonical/oci-factory/actions/workflows/Image.yaml/dispatches'
    ]


@pytest.mark.parametrize('status', [502, 0])
def test_a_dispatch_whose_answer_is_lost_is_not_repeated(environment: Server, status: int) -> None:
    started = datetime.datetime.now(datetime.UTC)
    fail(environment, status, match='dispatches', after_recording=True)
    assert not failure(activities.dispatch_rebuild, DISPATCH).non_retryable
    run(activities.dispatch_rebuild, DISPATCH, attempt=2, scheduled=started)
    assert [one['external_ref_id'] for one in dispatches(environment)] == ['wf-1-valkey']


def test_a_dispatch_that_never_arrived_is_repeated(environment: Server) -> None:
    for other in ('go', 'valkey'):
        run(activities.dispatch_rebuild, Dispatch(other, 'version: 2', f'another-{other}'))
    run(activities.dispatch_rebuild, DISPATCH, attempt=2)
    assert [one['external_ref_id'] for one in dispatches(environment)] == [
        'another-go',
        'another-valkey',
        'wf-1-valkey',
    ]


def test_the_run_of_a_lost_dispatch_is_found_on_any_page(
    environment: Server, monkeypatch: pytest.MonkeyPatch, seen: list[Request]
) -> None:
    monkeypatch.setattr(github, '_PAGE', 1)
    for one in (DISPATCH, Dispatch('go', '', 'a'), Dispatch('go', '', 'b')):
        run(activities.dispatch_rebuild, one)
    run(activities.dispatch_rebuild, DISPATCH, attempt=3)
    assert len(dispatches(environment)) == 3
    assert sum(request.path.endswith('/runs') for request in seen) == 3


def test_runs_of_an_earlier_time_are_somebody_elses(environment: Server) -> None:
    run(activities.dispatch_rebuild, DISPATCH)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)
    run(activities.dispatch_rebuild, DISPATCH, attempt=2, scheduled=later)
    assert len(dispatches(environment)) == 2


def test_a_run_that_has_not_started_is_waited_for(environment: Server) -> None:
    """It has no steps yet by which it could be told whose it is."""
    run(activities.dispatch_rebuild, DISPATCH)
    for steps in ([], [{'name': 'Set up job'}]):
        fail(environment, 200, match='/jobs', body={'jobs': [{'name': 'Prepare build', 'steps': steps}]})
        error = failure(activities.dispatch_rebuild, DISPATCH, attempt=2)
        assert not error.non_retryable
        assert error.next_retry_delay == datetime.timedelta(minutes=1)
    run(activities.dispatch_rebuild, DISPATCH, attempt=4)
    assert len(dispatches(environment)) == 1


def test_a_run_of_another_image_is_not_waited_for(environment: Server) -> None:
    run(activities.dispatch_rebuild, Dispatch('go', '', 'wf-1-go'))
    fail(environment, 200, match='/jobs', body={'jobs': []})
    run(activities.dispatch_rebuild, DISPATCH, attempt=2)
    assert len(dispatches(environment)) == 2
