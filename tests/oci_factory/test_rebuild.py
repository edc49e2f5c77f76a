"""The workflows without a server: what is decided, how failures stay with their image, how much happens at a time."""

from __future__ import annotations

import base64
import dataclasses
import datetime
import os
from collections.abc import Callable
from typing import Any

import expected
import generator
import pytest
import trigger_schema
import yaml
from acting import fail
from decorated import ACTIVITIES, WORKFLOWS
from execution import Execution
from oci_factory import eventbus, plan, rebuild
from oci_factory.model import ImageReport, Report
from served import SEED, TOKEN
from simulation import Failed, Simulation
from stand_ins.server import Server
from temporal_events.workflows import ConsumeEvents

WORLD = generator.make(SEED)


@pytest.fixture
def simulation(environment: Server) -> Simulation:
    return Simulation(WORKFLOWS, ACTIVITIES)


def wanted(release: str) -> dict[str, dict[str, Any]]:
    """Image to trigger, for the images with uploads."""
    now = datetime.datetime.now(datetime.UTC)
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


def by_image(report: Report) -> dict[str, ImageReport]:
    return {one.image: one for one in report.images}


def test_everything_released_on_a_release_is_rebuilt(simulation: Simulation, environment: Server) -> None:
    report = simulation.run('RebuildForRelease', '24.04', workflow_id='event-1')
    triggers = wanted('24.04')
    assert len(triggers) > 5
    assert recorded(environment) == triggers
    for content in triggers.values():
        trigger_schema.check(content)
    images = by_image(report)
    assert sorted(images) == sorted([*WORLD.releases, 'vault'])
    assert (report.release, report.image, report.dry_run) == ('24.04', '*', False)
    assert {image for image, one in images.items() if one.dispatched} == set(triggers)
    assert not any(one.error or one.trigger for one in report.images)
    assert {one.conclusion for one in report.images if one.dispatched} == {'success'}
    references = {one['inputs']['external_ref_id'] for one in environment.stand_ins.github.recorded()}
    assert references == {f'event-1/{image}' for image in triggers}
    main, *others = simulation.executions
    assert {one.id for one in others if one.type == 'RebuildImage'} == {f'event-1/{image}' for image in images}
    # Those that are rebuilt, and no others, have their images' locks, and nobody holds one twice.
    locks = [one for one in others if one.type == 'ImageLock']
    assert {one.id for one in locks} == {f'image-lock/{image}' for image in triggers} and len(locks) == len(triggers)
    for one in simulation.executions:
        assert TOKEN not in one.as_recorded().to_json()
    assert report.notifications == ()
    # What grows with the number of images is a few events for each.
    assert len(main.history.events) < 12 * len(images) + 20


@pytest.mark.parametrize('release', ['20.04', '22.04', '24.04', '26.04', '*'])
def test_a_dry_run_over_all_real_releases(simulation: Simulation, environment: Server, release: str) -> None:
    report = simulation.run('RebuildForRelease', release, '*', True)
    assert recorded(environment) == {}
    shown = {one.image: yaml.safe_load(one.trigger) for one in report.images if one.trigger}
    assert shown == wanted(release)
    for content in shown.values():
        trigger_schema.check(content)
    now = datetime.datetime.now(datetime.UTC)
    for image in WORLD.releases:
        noted = {(note.kind, note.subject) for note in by_image(report)[image].notes}
        assert noted == expected.rebuild(WORLD, image, release, now)[1]


def test_what_a_dry_run_shows_is_what_is_sent(simulation: Simulation, environment: Server) -> None:
    shown = simulation.run('RebuildForRelease', '24.04', 'valkey', True)
    simulation = Simulation(WORKFLOWS, ACTIVITIES)
    simulation.run('RebuildForRelease', 'ubuntu:24.04', 'valkey')
    (inputs,) = [one['inputs'] for one in environment.stand_ins.github.recorded()]
    assert base64.b64decode(inputs['b64-image-trigger']).decode() == shown.images[0].trigger != ''


def at_once(simulation: Simulation) -> int:
    """The most workflows of images that were open at a time."""
    count = most = 0
    for kind in simulation.executions[0].types():
        count += kind == 'START_CHILD_WORKFLOW_EXECUTION_INITIATED'
        count -= kind == 'CHILD_WORKFLOW_EXECUTION_COMPLETED'
        most = max(most, count)
    return most


@pytest.mark.parametrize(('args', 'most'), [([], rebuild.CONCURRENT_IMAGES), ([3], 3), ([1], 1)])
def test_no_more_than_so_many_at_a_time(simulation: Simulation, args: list[int], most: int) -> None:
    simulation.run('RebuildForRelease', '24.04', 'm*' if args else '*', True, *args)
    assert at_once(simulation) == most


def test_an_image_that_fails_does_not_stop_the_others(simulation: Simulation, environment: Server) -> None:
    triggers = wanted('24.04')
    unread, untagged, unsent, *others = sorted(triggers)
    fail(environment, 410, match='contents', image=unread, times=None)
    fail(environment, 400, match='registry', image=untagged, times=None)
    fail(environment, 422, match='dispatches', image=unsent, times=None)
    report = simulation.run('RebuildForRelease', '24.04')
    assert recorded(environment) == {image: triggers[image] for image in others}
    images = by_image(report)
    assert {image for image, one in images.items() if one.error} == {unread, untagged, unsent}
    assert images[unread].error.startswith('read_releases: GET ')
    assert 'OCI_FACTORY_REGISTRY' in images[untagged].error
    assert 'inputs of Image.yaml' in images[unsent].error
    # It says what it would have done.
    assert images[unsent].uploads and images[unsent].external_ref_id and not images[unsent].dispatched


def test_an_image_whose_workflow_is_cancelled_does_not_stop_the_others(
    simulation: Simulation, environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    going = {'status': 'in_progress', 'conclusion': None}
    fail(environment, 200, match='/runs/', body=going, times=20)
    start = simulation.begin

    def start_and_cancel(name: str, workflow_id: str, *more: Any) -> Execution:
        one = start(name, workflow_id, *more)
        if workflow_id == 'wf/mock-rock':
            simulation.cancel(one, datetime.timedelta(minutes=2))
        return one

    monkeypatch.setattr(simulation, 'begin', start_and_cancel)
    report = simulation.run('RebuildForRelease', '24.04', 'm*')
    images = by_image(report)
    assert images.pop('mock-rock').error == 'RebuildImage: it was cancelled'
    dispatched = [one for one in images.values() if one.dispatched]
    assert dispatched and {one.conclusion for one in dispatched} == {'success'}
    assert not any(one.error for one in images.values())


def test_a_run_that_fails_is_reported_with_its_link(simulation: Simulation, environment: Server) -> None:
    going = {'status': 'in_progress', 'conclusion': None}
    fail(environment, 200, match='/runs/1', body=going, times=20)
    fail(environment, 200, match='/runs/1', body={'status': 'completed', 'conclusion': 'failure'})
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    (image,) = report.images
    page = f'{environment.url}/canonical/oci-factory/actions/runs/1'
    assert image.dispatched and image.run_url == page and image.conclusion == 'failure'
    assert image.error == f'the run ended with failure: {page}'
    # However long it takes, it is one activity in the history.
    assert simulation.attempts.count(('follow_run', 21)) == 1
    assert simulation.executions[1].types().count('ACTIVITY_TASK_SCHEDULED') == 5
    # Over an hour, and no more than a look every five minutes in the end.
    assert datetime.timedelta(hours=1) < simulation.now - simulation.executions[0].started < datetime.timedelta(hours=2)


def test_a_run_that_never_ends_is_given_up(simulation: Simulation, environment: Server) -> None:
    fail(environment, 200, match='/runs/1', body={'status': 'waiting', 'conclusion': None}, times=None)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].error.startswith('follow_run: the run goes on: http')
    assert report.images[0].dispatched and report.images[0].conclusion == ''
    assert simulation.now - simulation.executions[0].started < datetime.timedelta(hours=25)


def test_a_rebuild_that_is_reset_finds_what_it_has_dispatched(
    environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = datetime.datetime.now(datetime.UTC)
    runs = []
    for now in (began, began + datetime.timedelta(hours=5)):
        simulation = Simulation(WORKFLOWS, ACTIVITIES, now)
        start = simulation.begin

        def start_anew(name: str, *more: Any, start: Callable[..., Execution] = start) -> Execution:
            one = start(name, *more)
            if name == 'RebuildForRelease':
                one.instance._info = dataclasses.replace(one.instance._info, workflow_start_time=began)
            return one

        monkeypatch.setattr(simulation, 'begin', start_anew)
        (image,) = simulation.run('RebuildForRelease', '24.04', 'valkey').images
        runs.append(image.run_url)
    assert set(recorded(environment)) == {'valkey'}
    assert runs[0] == runs[1] != ''


def test_limits_are_waited_out(simulation: Simulation, environment: Server) -> None:
    secondary = {'message': 'You have exceeded a secondary rate limit. Please wait a few minutes.'}
    fail(environment, 403, match='dispatches', headers={'Retry-After': '40'})
    fail(environment, 403, match='dispatches', body=secondary)
    fail(environment, 502, match='dispatches', after_recording=True)
    fail(environment, 429, match='/runs/1', times=2)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].conclusion == 'success' and not report.images[0].error
    assert set(recorded(environment)) == {'valkey'}
    assert simulation.now - simulation.executions[0].started > datetime.timedelta(seconds=40 + 120 + 60 + 120)


@pytest.mark.parametrize('match', ['contents', 'builds', 'registry'])
def test_a_days_outage_is_outlived(simulation: Simulation, environment: Server, match: str) -> None:
    fail(environment, 503, match=match, times=296)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].conclusion == 'success'
    assert simulation.now - simulation.executions[0].started > datetime.timedelta(days=1)


def test_a_days_outage_of_github_loses_no_dispatch(simulation: Simulation, environment: Server) -> None:
    fail(environment, 503, match='/Image.yaml/', times=293)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].conclusion == 'success'
    assert set(recorded(environment)) == {'valkey'}
    assert simulation.now - simulation.executions[0].started > datetime.timedelta(days=1)


@pytest.mark.parametrize('match', ['contents/oci', 'contents/oci/valkey', 'builds', '/Image.yaml/', '/runs/1'])
@pytest.mark.parametrize('status', [401, 403])
def test_a_token_that_is_refused_for_hours_ends_no_rebuild(
    simulation: Simulation, environment: Server, match: str, status: int
) -> None:
    headers = {'x-ratelimit-remaining': '4999'}
    fail(environment, status, match=match, headers=headers, times=140)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].conclusion == 'success' and not report.images[0].error
    assert set(recorded(environment)) == {'valkey'}
    waited = simulation.now - simulation.executions[0].started
    assert datetime.timedelta(hours=11) < waited < datetime.timedelta(hours=13)


def test_a_token_that_is_refused_for_ever_is_told_of_in_the_end(simulation: Simulation, environment: Server) -> None:
    fail(environment, 403, match='dispatches', headers={'x-ratelimit-remaining': '4999'}, times=None)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].error.startswith('dispatch_rebuild: POST ')
    assert 'the right to run workflows' in report.images[0].error
    waited = simulation.now - simulation.executions[0].started
    assert datetime.timedelta(days=1) < waited < datetime.timedelta(hours=25)


def test_a_worker_that_lacks_a_setting_for_a_while_ends_no_rebuild(
    simulation: Simulation, environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = os.environ['GITHUB_TOKEN']
    monkeypatch.delenv('GITHUB_TOKEN')
    simulation.later(datetime.timedelta(hours=3), lambda: monkeypatch.setenv('GITHUB_TOKEN', token))
    assert simulation.run('RebuildForRelease', '24.04', 'valkey').images[0].conclusion == 'success'


def test_a_run_that_is_deleted_is_an_end(simulation: Simulation, environment: Server) -> None:
    fail(environment, 200, match='/runs/1', body={'status': 'in_progress', 'conclusion': None}, times=20)
    fail(environment, 404, match='/runs/1', times=None)
    (image,) = simulation.run('RebuildForRelease', '24.04', 'valkey').images
    assert image.error.startswith('follow_run: the run was deleted') and image.error.endswith(image.run_url)
    assert simulation.now - simulation.executions[0].started < datetime.timedelta(hours=2)


def test_no_image_of_an_event_has_the_name_of_another_event(simulation: Simulation) -> None:
    """It would be taken for one that was there before, and nobody would act upon it."""
    simulation.run('RebuildForRelease', '24.04', 'v*', True, workflow_id='rebuild-X')
    children = [one.id for one in simulation.executions if one.type == 'RebuildImage']
    assert children == ['rebuild-X/valkey', 'rebuild-X/vault']
    assert not any(eventbus._IDENTIFIER.fullmatch(one.removeprefix('rebuild-')) for one in children)


def test_an_outage_without_an_end_is_none_to_wait_for(simulation: Simulation, environment: Server) -> None:
    fail(environment, 503, match='registry', times=None)
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert report.images[0].error.startswith('resolve_channels: POST ')
    waited = simulation.now - simulation.executions[0].started
    assert datetime.timedelta(days=1) < waited < datetime.timedelta(hours=25)


def test_a_mistake_of_ours_stays_with_its_image(
    simulation: Simulation, environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = plan.plan_rebuild

    def half(releases: object, *args: Any, **options: Any) -> Any:
        if releases == WORLD.releases['valkey']:
            raise KeyError('track')
        return whole(releases, *args, **options)

    monkeypatch.setattr(plan, 'plan_rebuild', half)
    report = simulation.run('RebuildForRelease', '24.04', 'v*')
    images = by_image(report)
    assert images['valkey'].error == "RebuildImage: 'track'"
    assert not images['vault'].error


def test_a_trigger_that_the_factory_would_refuse_is_not_sent(
    simulation: Simulation, environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('oci_factory.plan.RISKS', ())
    report = simulation.run('RebuildForRelease', '24.04', 'valkey')
    assert recorded(environment) == {}
    assert 'risks' in report.images[0].error


@pytest.mark.parametrize('release', ['noble', '', '24.4', 'ubuntu:latest'])
def test_a_release_that_is_none(simulation: Simulation, release: str) -> None:
    with pytest.raises(Failed, match='is no Ubuntu release'):
        simulation.run('RebuildForRelease', release)


def test_no_images_at_a_time(simulation: Simulation) -> None:
    with pytest.raises(Failed, match='give a number from 1 up'):
        simulation.run('RebuildForRelease', '24.04', '*', False, 0)


@pytest.mark.parametrize(
    ('name', 'args', 'said'),
    [
        ('RebuildForRelease', (), "missing 1 required positional argument: 'release'"),
        ('RebuildForRelease', ('24.04', '*', False, 'three'), 'Expected value to be int.float, was <class .str.>'),
        ('RebuildForRelease', ('24.04', '*', False, 3, 4), 'takes from 2 to 5 positional arguments'),
        ('ScanImages', ('*', 'no', 3), 'Expected value to be bool, was <class .str.>'),
        ('ConsumeEvents', (), "missing 1 required positional argument: 'consumption'"),
        ('ConsumeEvents', ('topic',), 'Cannot convert to dataclass'),
        ('ConsumeEvents', ({'topics': 5},), 'Failed converting field topics on dataclass'),
        ('ConsumeEventsWorkflow', ('topic',), "missing 1 required positional argument: 'consumer_group'"),
    ],
)
def test_an_input_that_is_none_is_said(name: str, args: tuple[Any, ...], said: str) -> None:
    with pytest.raises(Failed, match=said):
        Simulation([*WORKFLOWS, ConsumeEvents], ACTIVITIES).run(name, *args)


def test_images_that_cannot_be_listed(simulation: Simulation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('OCI_FACTORY_BUILDS')
    with pytest.raises(Failed, match='OCI_FACTORY_BUILDS is not set'):
        simulation.run('RebuildForRelease', '24.04')
