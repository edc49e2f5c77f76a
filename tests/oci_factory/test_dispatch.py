"""GitHub is asked once for each rebuild, whatever becomes of its answers, and its run is followed to the end."""

from __future__ import annotations

import base64
import dataclasses
import datetime
from typing import Any

import pytest
import yaml
from acting import DISPATCH, SINCE, dispatches, fail, failure, run
from oci_factory import activities, github
from oci_factory.model import Dispatch, Run
from stand_ins.server import Server
from stand_ins.wire import Request
from temporalio.exceptions import ApplicationErrorCategory


def another(image: str, reference: str) -> Dispatch:
    return Dispatch(image, 'version: 2', reference, SINCE)


def test_a_dispatch(environment: Server) -> None:
    found = run(activities.dispatch_rebuild, DISPATCH)
    assert found == Run(1, f'{environment.url}/canonical/oci-factory/actions/runs/1')
    (recorded,) = environment.stand_ins.github.recorded()
    inputs = recorded['inputs']
    assert recorded['ref'] == 'main'
    assert inputs == {
        'oci-image-name': 'valkey',
        'b64-image-trigger': inputs['b64-image-trigger'],
        'upload': True,
        'external_ref_id': 'wf-1/valkey',
    }
    assert yaml.safe_load(base64.b64decode(inputs['b64-image-trigger'])) == {'version': 2, 'upload': []}
    assert recorded['headers']['accept'] == 'application/vnd.github+json'
    assert recorded['headers']['x-github-api-version'] == '2022-11-28'


def test_a_dispatch_looks_once_whether_it_was_made(seen: list[Request]) -> None:
    for image in ('go', 'jre'):
        run(activities.dispatch_rebuild, another(image, f'wf-1/{image}'))
    del seen[:]
    run(activities.dispatch_rebuild, DISPATCH)
    # The runs of other images are told by their titles.
    assert [request.line.partition('?')[0] for request in seen] == [
        'GET /github/repos/canonical/oci-factory/actions/workflows/Image.yaml/runs',
        'POST /github/repos/canonical/oci-factory/actions/workflows/Image.yaml/dispatches',
    ]


@pytest.mark.parametrize('status', [502, 0])
def test_a_dispatch_whose_answer_is_lost_is_not_repeated(environment: Server, status: int) -> None:
    fail(environment, status, match='dispatches', after_recording=True)
    assert not failure(activities.dispatch_rebuild, DISPATCH).non_retryable
    assert run(activities.dispatch_rebuild, DISPATCH, attempt=2).id == 1
    assert [one['external_ref_id'] for one in dispatches(environment)] == ['wf-1/valkey']


def test_a_workflow_that_was_reset_does_not_dispatch_again(environment: Server) -> None:
    first = run(activities.dispatch_rebuild, DISPATCH)
    assert run(activities.dispatch_rebuild, DISPATCH) == first
    assert len(dispatches(environment)) == 1


def test_a_dispatch_that_never_arrived_is_repeated(environment: Server) -> None:
    for other in ('go', 'valkey'):
        run(activities.dispatch_rebuild, another(other, f'another/{other}'))
    assert run(activities.dispatch_rebuild, DISPATCH, attempt=2).id == 3
    assert [one['external_ref_id'] for one in dispatches(environment)] == [
        'another/go',
        'another/valkey',
        'wf-1/valkey',
    ]


def test_the_run_of_a_lost_dispatch_is_found_on_any_page(
    environment: Server, monkeypatch: pytest.MonkeyPatch, seen: list[Request]
) -> None:
    for one in (DISPATCH, another('go', 'a'), another('go', 'b')):
        run(activities.dispatch_rebuild, one)
    monkeypatch.setattr(github, '_PAGE', 1)
    del seen[:]
    assert run(activities.dispatch_rebuild, DISPATCH, attempt=3).id == 1
    assert len(dispatches(environment)) == 3
    assert sum(request.path.endswith('/runs') for request in seen) == 3


def test_runs_of_an_earlier_time_are_somebody_elses(environment: Server) -> None:
    run(activities.dispatch_rebuild, DISPATCH)
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=10)
    run(activities.dispatch_rebuild, dataclasses.replace(DISPATCH, since=later), attempt=2)
    assert len(dispatches(environment)) == 2


def test_a_run_that_has_not_started_is_waited_for(environment: Server) -> None:
    """It has no steps yet by which it could be told whose it is."""
    run(activities.dispatch_rebuild, DISPATCH)
    for attempt, steps, minutes in ((2, [], 1), (3, [{'name': 'Set up job'}], 2), (20, [], 10)):
        fail(environment, 200, match='/jobs', body={'jobs': [{'name': 'Prepare build', 'steps': steps}]})
        error = failure(activities.dispatch_rebuild, DISPATCH, attempt=attempt)
        assert not error.non_retryable
        assert error.next_retry_delay == datetime.timedelta(minutes=minutes)
    run(activities.dispatch_rebuild, DISPATCH, attempt=21)
    assert len(dispatches(environment)) == 1


def test_another_rebuild_of_the_image_that_has_not_started_is_not_waited_for(environment: Server) -> None:
    run(activities.dispatch_rebuild, another('valkey', 'another-release/valkey'))
    fail(environment, 200, match='/jobs', body={'jobs': []})
    assert run(activities.dispatch_rebuild, DISPATCH).id == 2


def test_a_run_of_another_image_is_not_waited_for(environment: Server) -> None:
    run(activities.dispatch_rebuild, another('go', 'wf-1/go'))
    fail(environment, 200, match='/jobs', body={'jobs': []})
    run(activities.dispatch_rebuild, DISPATCH, attempt=2)
    assert len(dispatches(environment)) == 2


@pytest.mark.parametrize('title', [None, 'valkey', 'Image of valkey'])
def test_a_run_whose_title_says_nothing_is_looked_into(environment: Server, title: str | None) -> None:
    run(activities.dispatch_rebuild, DISPATCH)
    runs = {'workflow_runs': [{'id': 1, 'display_title': title, 'status': 'completed'}]}
    fail(environment, 200, match='/runs?', body=runs)
    assert run(activities.dispatch_rebuild, DISPATCH).id == 1
    assert len(dispatches(environment)) == 1


def test_a_run_is_followed_to_its_end(environment: Server) -> None:
    begun = run(activities.dispatch_rebuild, DISPATCH)
    for status in ('queued', 'in_progress', 'waiting'):
        fail(environment, 200, match='/runs/1', body={'status': status, 'conclusion': None})
        error = failure(activities.follow_run, DISPATCH, begun)
        assert not error.non_retryable and error.category == ApplicationErrorCategory.BENIGN
        assert begun.url in error.message
    ended = run(activities.follow_run, DISPATCH, begun)
    assert ended == dataclasses.replace(begun, conclusion='success')


@pytest.mark.parametrize(
    ('told', 'conclusion'), [('failure', 'failure'), ('cancelled', 'cancelled'), (None, 'unknown')]
)
def test_a_run_that_does_not_succeed(environment: Server, told: str | None, conclusion: str) -> None:
    begun = run(activities.dispatch_rebuild, DISPATCH)
    fail(environment, 200, match='/runs/1', body={'status': 'completed', 'conclusion': told})
    assert run(activities.follow_run, DISPATCH, begun).conclusion == conclusion


def test_a_run_whose_number_github_did_not_tell_is_found(environment: Server) -> None:
    fail(environment, 204, match='dispatches', after_recording=True)
    begun = run(activities.dispatch_rebuild, DISPATCH)
    assert begun == Run(0, '')
    ended = run(activities.follow_run, DISPATCH, begun)
    assert (ended.id, ended.conclusion) == (1, 'success')
    assert ended.url.endswith('/canonical/oci-factory/actions/runs/1')


@pytest.mark.parametrize(
    ('begun', 'said'),
    [
        (Run(0, ''), 'GitHub has no run of wf-1/valkey: it was deleted, or never begun'),
        (Run(7, 'http://page'), 'the run was deleted, or GITHUB_TOKEN may not see it any more: http://page'),
    ],
)
def test_a_run_that_is_not_there_is_waited_for_a_while(environment: Server, begun: Run, said: str) -> None:
    beats: list[Any] = []
    for attempt in range(1, activities.PATIENCE):
        early = failure(
            activities.follow_run, DISPATCH, begun, attempt=attempt, on_heartbeat=beats.append, details=beats[-1:]
        )
        assert not early.non_retryable and early.message == said
    late = failure(activities.follow_run, DISPATCH, begun, attempt=activities.PATIENCE, details=beats[-1:])
    assert late.non_retryable and late.message == said


def test_a_run_that_is_missed_once_goes_on(environment: Server) -> None:
    begun = run(activities.dispatch_rebuild, DISPATCH)
    beats: list[Any] = []
    looks = [(404, {}), (200, {'status': 'in_progress'}), (404, {}), (404, {})]
    for attempt, (status, body) in enumerate(looks, activities.PATIENCE):
        fail(environment, status, match='/runs/1', body=body)
        error = failure(
            activities.follow_run, DISPATCH, begun, attempt=attempt, on_heartbeat=beats.append, details=beats[-1:]
        )
        assert error.type == ('NoRun' if status == 404 else 'RunNotEnded')
        assert error.non_retryable == (attempt == activities.PATIENCE + 3)


def test_what_an_earlier_version_has_dispatched_is_found(environment: Server) -> None:
    """A rebuild of that time may be reset; its images had a hyphen before their names."""
    asked = run(activities.dispatch_rebuild, dataclasses.replace(DISPATCH, external_ref_id='wf-1-valkey'))
    assert run(activities.dispatch_rebuild, DISPATCH) == asked
    # The image valkey of one rebuild is not another rebuild of that name.
    run(activities.dispatch_rebuild, another('go', 'wf-1-valkey-go'))
    assert run(activities.dispatch_rebuild, another('go', 'wf-1/go')).id == 3
    assert len(dispatches(environment)) == 3
