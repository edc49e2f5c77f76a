"""The workflow on a real Temporal server, its activities against the stand-ins."""

from __future__ import annotations

import base64
import datetime
from collections.abc import Iterator
from typing import Any

import development
import expected
import generator
import pytest
import record
import trigger_schema
import yaml
from decorated import WORKFLOWS
from development import Temporal
from oci_factory import activities, mendable, options
from oci_factory.model import ImageReport, Report
from served import SEED, TOKEN
from stand_ins.server import Server
from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError, WorkflowHistory
from temporalio.common import RetryPolicy
from temporalio.worker import Replayer

pytestmark = [
    pytest.mark.lab,
    # A cancelled activity ends wherever its thread is, be it between opening a socket and keeping it; Python tells of
    # that at some later moment, in whichever test that is.
    pytest.mark.filterwarnings('ignore::pytest.PytestUnraisableExceptionWarning'),
]

WORLD = generator.make(SEED)


@pytest.fixture
def now(environment: Server) -> datetime.datetime:
    """A moment that is the same day as the workflow's now; the release files know of nothing finer."""
    return datetime.datetime.now(datetime.UTC)


def by_image(report: Report) -> dict[str, ImageReport]:
    return {one.image: one for one in report.images}


def wanted(release: str, now: datetime.datetime) -> dict[str, dict[str, Any]]:
    """Image to trigger, for the images with uploads."""
    triggers = {image: expected.rebuild(WORLD, image, release, now)[0] for image in WORLD.releases}
    return {image: content for image, content in triggers.items() if content['upload']}


def recorded(server: Server) -> dict[str, dict[str, Any]]:
    """Image to trigger, as GitHub got them."""
    found = {}
    for one in server.stand_ins.github.recorded():
        image = one['inputs']['oci-image-name']
        assert image not in found, 'dispatched twice'
        found[image] = yaml.safe_load(base64.b64decode(one['inputs']['b64-image-trigger']))
    return found


def fail(server: Server, status: int, **fault: Any) -> None:
    server.stand_ins.faults.add([{'status': status, **fault}])


def test_everything_released_on_a_release_is_rebuilt(
    temporal: Temporal, environment: Server, now: datetime.datetime
) -> None:
    report, history = temporal.run('24.04')
    triggers = wanted('24.04', now)
    assert len(triggers) > 5
    assert recorded(environment) == triggers
    for content in triggers.values():
        trigger_schema.check(content)

    images = by_image(report)
    assert sorted(images) == sorted([*WORLD.releases, 'vault'])
    assert (report.release, report.image, report.dry_run) == ('24.04', '*', False)
    assert {image for image, one in images.items() if one.dispatched} == set(triggers)
    assert not any(one.error or one.trigger for one in report.images)
    for image in WORLD.releases:
        notes = {(note.kind, note.subject) for note in images[image].notes}
        assert notes == expected.rebuild(WORLD, image, '24.04', now)[1]
    references = {one['inputs']['external_ref_id'] for one in environment.stand_ins.github.recorded()}
    assert references == {f'{history.workflow_id}/{image}' for image in triggers}
    assert references == {one.external_ref_id for one in report.images if one.external_ref_id}
    assert TOKEN not in history.to_json()
    assert base64.b64encode(TOKEN.encode()).decode()[:-4] not in history.to_json()

    # The same decisions come out again.
    replayer = Replayer(workflows=WORKFLOWS)
    temporal.wait(replayer.replay_workflow(history))
    assert max(len(payload) for payload in payloads(history)) < 100_000


def payloads(history: WorkflowHistory) -> Iterator[bytes]:
    """What every event carries."""
    for event in history.events:
        yield event.SerializeToString()


def test_a_dry_run_dispatches_nothing(temporal: Temporal, environment: Server, now: datetime.datetime) -> None:
    report, _ = temporal.run('*', 'm*', True)
    triggers = {image: content for image, content in wanted('*', now).items() if image.startswith('m')}
    assert len(triggers) > 1
    assert environment.stand_ins.github.recorded() == []
    assert {one.image: yaml.safe_load(one.trigger) for one in report.images if one.trigger} == triggers
    assert all(one.image.startswith('m') and not one.dispatched for one in report.images)
    assert {one.image for one in report.images if one.external_ref_id} == set(triggers)


def test_what_a_dry_run_shows_is_what_is_sent(temporal: Temporal, environment: Server) -> None:
    shown, _ = temporal.run('24.04', 'valkey', True)
    assert recorded(environment) == {}
    sent, _ = temporal.run('ubuntu:24.04', 'valkey')
    (inputs,) = [one['inputs'] for one in environment.stand_ins.github.recorded()]
    assert base64.b64decode(inputs['b64-image-trigger']).decode() == shown.images[0].trigger != ''
    assert sent.images[0].uploads == shown.images[0].uploads


def test_an_image_that_fails_does_not_stop_the_others(
    temporal: Temporal, environment: Server, now: datetime.datetime
) -> None:
    triggers = wanted('24.04', now)
    unread, untagged, unsent, *others = sorted(triggers)
    fail(environment, 410, match='contents', image=unread, times=None)
    fail(environment, 400, match='registry', image=untagged, times=None)
    fail(environment, 422, match='dispatches', image=unsent, times=None)
    report, history = temporal.run('24.04')
    assert recorded(environment) == {image: triggers[image] for image in others}
    images = by_image(report)
    assert {image for image, one in images.items() if one.error} == {unread, untagged, unsent}
    assert images[unread].error.startswith('read_releases: GET ')
    assert 'OCI_FACTORY_REGISTRY' in images[untagged].error
    assert 'inputs of Image.yaml' in images[unsent].error
    # It says what it would have done.
    assert images[unsent].uploads and images[unsent].external_ref_id and not images[unsent].dispatched
    assert TOKEN not in history.to_json()


def test_trouble_that_passes_leaves_no_trace(temporal: Temporal, environment: Server, now: datetime.datetime) -> None:
    triggers = wanted('24.04', now)
    slow, lost, *_ = sorted(triggers)
    fail(environment, 500, match='contents', times=2)
    fail(environment, 503, match='builds')
    fail(environment, 0, match='registry')
    fail(environment, 429, match='dispatches', image=slow, headers={'Retry-After': '1'}, times=2)
    fail(environment, 502, match='dispatches', image=lost, after_recording=True)
    report, _ = temporal.run('24.04')
    assert recorded(environment) == triggers
    assert {one.image for one in report.images if one.dispatched} == set(triggers)
    assert not any(one.error for one in report.images)


def test_it_can_be_told_the_release_only(temporal: Temporal, environment: Server) -> None:
    report, _ = temporal.run('18.04')
    assert (report.image, report.dry_run) == ('*', False)
    assert recorded(environment) == {}


@pytest.mark.parametrize('release', ['noble', '', '24.4', 'ubuntu:latest'])
def test_a_release_that_is_none(temporal: Temporal, environment: Server, release: str) -> None:
    with pytest.raises(WorkflowFailureError) as caught:
        temporal.run(release)
    assert f'{release!r} is no Ubuntu release' in str(caught.value.cause)


def test_images_that_cannot_be_listed(temporal: Temporal, environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_RELEASES', '/nowhere')
    with pytest.raises(WorkflowFailureError) as caught:
        temporal.run('24.04')
    assert 'OCI_FACTORY_RELEASES is neither' in str(caught.value.cause.__cause__)


@pytest.fixture
def hurried(environment: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """Somebody is told, and what takes minutes takes seconds."""
    monkeypatch.setenv('OCI_FACTORY_WEBHOOK_URL', f'{environment.url}/hook')
    monkeypatch.setattr(mendable, '_FIRST', 6)
    monkeypatch.setattr(mendable, '_LONGEST', 6)
    often = RetryPolicy(initial_interval=datetime.timedelta(seconds=1), backoff_coefficient=1)
    monkeypatch.setitem(options.WATCH, 'retry_policy', often)
    return environment


def told(server: Server) -> list[dict[str, Any]]:
    return [one['body'] for one in server.stand_ins.notified.recorded()['hooks']]


@pytest.mark.parametrize(
    ('status', 'match', 'said'),
    [
        (401, 'contents/oci?', 'give a valid token as GITHUB_TOKEN'),
        (403, 'dispatches', 'the right to run workflows'),
        # Of this it is told since two looks in a row have seen it.
        (503, 'dispatches', '503 (told to fail)'),
    ],
)
def test_what_a_rebuild_waits_for_is_told_once_and_it_goes_on(
    temporal: Temporal, hurried: Server, status: int, match: str, said: str
) -> None:
    fail(hurried, status, match=match, headers={'x-ratelimit-remaining': '9'}, times=3)
    report, history = temporal.run('24.04', 'valkey')
    assert report.images[0].conclusion == 'success' and not report.images[0].error
    first, waits, last = told(hurried)
    assert (first['status'], waits['status'], last['status']) == ('Triggered', 'Waiting', 'Success')
    ((image, why),) = waits['failed'].items()
    assert image == ('' if 'contents' in match else 'valkey') and said in why
    temporal.wait(Replayer(workflows=WORKFLOWS).replay_workflow(history))


def test_what_belongs_to_the_work_is_not_told_as_trouble(temporal: Temporal, hurried: Server) -> None:
    fail(hurried, 429, match='dispatches', headers={'Retry-After': '6'})
    fail(hurried, 200, match='/runs/1', body={'status': 'in_progress', 'conclusion': None})
    report, history = temporal.run('24.04', 'valkey')
    assert report.images[0].conclusion == 'success'
    assert [one['status'] for one in told(hurried)] == ['Triggered', 'Success']
    temporal.wait(Replayer(workflows=WORKFLOWS).replay_workflow(history))


def test_a_run_that_is_deleted_is_an_end(
    temporal: Temporal, environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activities, 'PATIENCE', 2)
    fail(environment, 404, match='/runs/1', times=2)
    report, _ = temporal.run('24.04', 'valkey')
    # Two looks that miss it: the second knows of the first.
    assert report.images[0].error.startswith('follow_run: the run was deleted')


def test_it_can_be_cancelled(temporal: Temporal, environment: Server) -> None:
    fail(environment, 500, match='/contents/oci/', times=None)
    handle = temporal.start('24.04')

    async def cancel() -> WorkflowExecutionStatus | None:
        async for event in handle.fetch_history_events(wait_new_event=True):
            if event.HasField('child_workflow_execution_started_event_attributes'):
                break
        await handle.cancel()
        with pytest.raises(WorkflowFailureError):
            await handle.result()
        return (await handle.describe()).status

    assert temporal.wait(cancel()) == WorkflowExecutionStatus.CANCELED


@pytest.mark.soak
@pytest.mark.parametrize('scenario', record.SCENARIOS, ids=lambda one: one.name)
def test_what_is_recorded_of_a_server_is_decided_again(
    temporal: Temporal, environment: Server, monkeypatch: pytest.MonkeyPatch, scenario: record.Scenario
) -> None:
    for name, value in development.channels(environment.url).items():
        monkeypatch.setenv(name, value)
    record.arrange(environment, scenario)
    for history in temporal.wait(record.histories(temporal.client, scenario), 600):
        temporal.wait(Replayer(workflows=WORKFLOWS).replay_workflow(history))
