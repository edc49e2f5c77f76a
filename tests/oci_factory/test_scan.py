"""The scan without a server: each image that is vulnerable has one issue, and it tells what there is."""

from __future__ import annotations

import dataclasses
import datetime
import json
from typing import Any

import development
import generator
import pytest
from acting import fail
from decorated import ACTIVITIES, WORKFLOWS
from oci_factory import channels, children, issues, scan_plan
from oci_factory.model import Notification
from oci_factory.scan_model import ImageScan, ScanReport
from served import SEED, TOKEN
from simulation import Cancelled, Failed, Simulation
from stand_ins import scanner
from stand_ins.server import Server
from test_lock import child, scheduled
from test_real_releases import parsed_builds

WORLD = generator.make(SEED)
CENTRAL = 'canonical/oci-factory'


@pytest.fixture
def simulation(environment: Server) -> Simulation:
    return Simulation(WORKFLOWS, ACTIVITIES)


@pytest.fixture
def central(monkeypatch: pytest.MonkeyPatch) -> None:
    """All issues are in one repository."""
    monkeypatch.setenv('OCI_FACTORY_ISSUES', CENTRAL)


def targets(image: str) -> Any:
    now = datetime.datetime.now(datetime.UTC)
    return scan_plan.plan_scan(image, WORLD.releases[image], parsed_builds(WORLD, image), now).targets


def bad(found: dict[str, Any], ignored: tuple[str, ...]) -> bool:
    """Worked out from what the scanner says, another way than the workflow does."""
    return found['severity'] in ('High', 'Critical') and 'fix_version' in found and found['id'] not in ignored


def vulnerable(image: str) -> set[tuple[str, str]]:
    """Identifiers and packages that the issue of an image has to tell of."""
    return {
        (found['id'], found['package'])
        for target in targets(image)
        for found in scanner.made_up(target.digest)
        if bad(found, target.ignored)
    }


def open_issues(server: Server) -> dict[str, dict[str, Any]]:
    """Image to its open issue."""
    found = {}
    for repository in server.stand_ins.github.issues.recorded().values():
        for one in repository:
            marked = issues.marked(one['body'] or '')
            if marked and one['state'] == 'open':
                assert marked[0] not in found, 'two issues'
                found[marked[0]] = one
    return found


def by_image(report: ScanReport) -> dict[str, ImageScan]:
    return {one.image: one for one in report.images}


def plant(server: Server, image: str, *found: dict[str, Any]) -> None:
    """Say what all of an image has."""
    for target in targets(image):
        server.stand_ins.scanner.plant(target.digest, list(found))


def test_every_image_that_is_vulnerable_has_an_issue(simulation: Simulation, environment: Server) -> None:
    report = simulation.run('ScanImages', workflow_id='scan-1')
    wanted = {image: found for image in WORLD.releases if (found := vulnerable(image))}
    assert 10 < len(wanted) < len(WORLD.releases)
    opened = open_issues(environment)
    assert set(opened) == set(wanted)
    images = by_image(report)
    assert sorted(images) == sorted([*WORLD.releases, 'vault'])
    for image, found in wanted.items():
        assert all(f'`{name}`' in opened[image]['body'] for pair in found for name in pair)
        assert images[image].issue_url == opened[image]['html_url']
        # Where its source is.
        assert f'/canonical/{image}-rock/issues/' in images[image].issue_url
        assert images[image].scanned == len(targets(image)) and images[image].vulnerabilities >= len(found)
    assert {image for image, one in images.items() if one.step == 'open'} == set(wanted)
    assert {one.step for one in report.images} == {'open', 'nothing'}
    assert not any(one.error for one in report.images)
    asked = environment.stand_ins.scanner.recorded()
    digests = [target.digest for image in WORLD.releases for target in targets(image)]
    assert sorted(one['artifact']['digest'] for one in asked) == sorted(digests)
    secrets = (TOKEN, scanner.TOKEN)
    for one in simulation.executions:
        assert not any(secret in one.as_recorded().to_json() for secret in secrets)
    assert len(json.dumps([str(one) for one in report.images])) < 200_000


def test_a_second_scan_finds_them_and_changes_nothing(
    simulation: Simulation, environment: Server, central: None
) -> None:
    first = simulation.run('ScanImages')
    before = open_issues(environment)
    second = Simulation(WORKFLOWS, ACTIVITIES).run('ScanImages')
    assert open_issues(environment) == before
    assert {one.step for one in second.images} == {'nothing'}
    assert {one.image: one.issue_url for one in second.images} == {one.image: one.issue_url for one in first.images}


def test_an_issue_stays_open_while_a_channel_cannot_be_read(
    environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scanned(*found: dict[str, Any]) -> ImageScan:
        plant(environment, 'valkey', *found)
        (one,) = Simulation(WORKFLOWS, ACTIVITIES).run('ScanImages', 'valkey').images
        return one

    assert scanned(scanner.vulnerability('CVE-1')).step == 'open'
    plan = scan_plan.plan_scan
    monkeypatch.setattr(
        scan_plan, 'plan_scan', lambda *given: dataclasses.replace(plan(*given), unread=('2.0_stable',))
    )
    kept = scanned()
    assert (kept.step, kept.unscanned) == ('nothing', ('2.0_stable',))
    assert 'valkey' in open_issues(environment)


def test_an_issue_from_its_beginning_to_its_end(environment: Server) -> None:
    def scanned(*found: dict[str, Any]) -> tuple[str, int]:
        plant(environment, 'valkey', *found)
        (one,) = Simulation(WORKFLOWS, ACTIVITIES).run('ScanImages', 'valkey').images
        assert not one.error
        return one.step, one.vulnerabilities

    one, other = scanner.vulnerability('CVE-1'), scanner.vulnerability('CVE-2', severity='Critical')
    harmless = scanner.vulnerability('CVE-3', severity='Low')
    assert scanned(harmless) == ('nothing', 0)
    assert open_issues(environment) == {}
    assert scanned(one, harmless) == ('open', 1)
    number = open_issues(environment)['valkey']['number']
    assert scanned(one) == ('nothing', 1)
    assert scanned(one, other) == ('update', 2)
    assert open_issues(environment)['valkey']['edits'] == 1
    assert '`CVE-2`' in open_issues(environment)['valkey']['body']
    assert scanned(other) == ('update', 1)
    assert scanned(harmless) == ('close', 0)
    assert open_issues(environment) == {}
    assert scanned() == ('nothing', 0)
    assert scanned(one) == ('open', 1)
    assert open_issues(environment)['valkey']['number'] > number


def test_a_revision_that_cannot_be_scanned_keeps_the_issue_open(
    simulation: Simulation, environment: Server, central: None
) -> None:
    image = max(WORLD.releases, key=lambda name: len(targets(name)))
    plant(environment, image, scanner.vulnerability('CVE-1'))
    assert simulation.run('ScanImages', image).images[0].step == 'open'
    plant(environment, image)
    fail(environment, 422, match='POST /scanner', image=image)
    (one,) = Simulation(WORKFLOWS, ACTIVITIES).run('ScanImages', image).images
    assert one.step == 'nothing' and one.issue_url
    assert one.scanned == len(targets(image)) - 1 and len(one.unscanned) >= 1
    assert 'scan_revision: POST' in one.error and 'OCI_FACTORY_SCANNED' in one.error
    assert set(open_issues(environment)) == {image}


def test_what_an_issue_tells_when_a_revision_cannot_be_scanned(
    simulation: Simulation, environment: Server, central: None
) -> None:
    image = max(WORLD.releases, key=lambda name: len(targets(name)))
    plant(environment, image, scanner.vulnerability('CVE-1'))
    fail(environment, 422, match='POST /scanner', image=image, times=2)
    (one,) = simulation.run('ScanImages', image).images
    assert one.step == 'open' and len(one.unscanned) >= 2
    assert '(and 1 more)' in one.error
    body = open_issues(environment)[image]['body']
    assert all(f'`{name}`' in body for name in one.unscanned[:8])


def test_an_image_that_fails_does_not_stop_the_others(
    simulation: Simulation, environment: Server, central: None
) -> None:
    wanted = [image for image in WORLD.releases if vulnerable(image)]
    unread, unscanned, *others = wanted
    fail(environment, 403, match='contents', image=unread, times=None)
    fail(environment, 401, match='POST /scanner', image=unscanned, times=None)
    images = by_image(simulation.run('ScanImages'))
    assert {image for image, one in images.items() if one.error} == {unread, unscanned}
    assert images[unread].error.startswith('read_releases: GET ') and images[unread].step == ''
    assert 'OCI_FACTORY_SCANNER_TOKEN' in images[unscanned].error
    assert images[unscanned].step == 'nothing'
    assert set(open_issues(environment)) == set(others)


def test_odd_releases_and_metadata_stop_nothing(simulation: Simulation, environment: Server, central: None) -> None:
    for text, issue in (('["odd"]', 'nothing'), ('{', '')):
        fail(environment, 200, match='/valkey/_releases.json', body=text)
        images = by_image(simulation.run('ScanImages', 'v*'))
        assert images['valkey'].step == issue
        assert bool(images['valkey'].error) == (text == '{')
        simulation = Simulation(WORKFLOWS, ACTIVITIES)
    report = simulation.run('ScanImages', generator.ODD)
    notes = {note.kind for note in report.images[0].notes}
    known = {note.kind for note in channels.released_channels(WORLD.releases[generator.ODD])[1]}
    assert known <= notes and 'expired-track' in notes
    assert not report.images[0].error


def test_an_issue_that_github_refuses(simulation: Simulation, environment: Server) -> None:
    plant(environment, 'valkey', scanner.vulnerability('CVE-1'))
    fail(environment, 410, match='POST /github', times=None)
    (one,) = simulation.run('ScanImages', 'valkey').images
    assert (one.step, one.vulnerabilities, one.issue_url) == ('', 1, '')
    assert one.error.startswith('change_issue: POST ')


def test_a_source_that_is_not_at_github(
    simulation: Simulation, environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr('oci_factory.issues.repository', lambda source: '')
    plant(environment, 'valkey', scanner.vulnerability('CVE-1'))
    (one,) = simulation.run('ScanImages', 'valkey').images
    assert one.step == '' and 'OCI_FACTORY_ISSUES' in one.error
    plant(environment, 'valkey')
    (one,) = Simulation(WORKFLOWS, ACTIVITIES).run('ScanImages', 'valkey').images
    assert one.step == 'nothing' and not one.error


def test_a_copy_of_the_issue_is_told_of(simulation: Simulation, environment: Server, central: None) -> None:
    plant(environment, 'valkey', scanner.vulnerability('CVE-1'))
    simulation.run('ScanImages', 'valkey')
    body = open_issues(environment)['valkey']['body']
    copy = environment.stand_ins.github.issues.plant(CENTRAL, body)
    (one,) = Simulation(WORKFLOWS, ACTIVITIES).run('ScanImages', 'valkey').images
    assert one.step == 'nothing'
    assert ('second-issue', copy['html_url']) in {(note.kind, note.subject) for note in one.notes}


def test_a_dry_run_leaves_issues_and_locks_alone(simulation: Simulation, environment: Server, central: None) -> None:
    report = simulation.run('ScanImages', 'p*', True)
    assert open_issues(environment) == {}
    assert {one.image for one in report.images if one.step == 'open'} == {
        image for image in WORLD.releases if image.startswith('p') and vulnerable(image)
    }
    assert not any(one.type == 'ImageLock' for one in simulation.executions)
    assert report.dry_run and report.notifications == ()


def test_trouble_that_passes_leaves_no_trace(simulation: Simulation, environment: Server, central: None) -> None:
    plant(environment, 'valkey', scanner.vulnerability('CVE-1'))
    fail(environment, 503, match='POST /scanner', headers={'Retry-After': '300'})
    fail(environment, 0, match='/report')
    fail(environment, 404, match='/report')
    fail(environment, 500, match='/report')
    fail(environment, 502, match='/issues', times=2)
    fail(environment, 502, match='POST /github', after_recording=True)
    (one,) = simulation.run('ScanImages', 'valkey').images
    assert (one.step, one.error) == ('open', '')
    assert set(open_issues(environment)) == {'valkey'}
    assert simulation.now - simulation.executions[0].started > datetime.timedelta(minutes=5)


@pytest.mark.parametrize(('concurrent', 'most'), [((), children.CONCURRENT_IMAGES), ((2,), 2)])
def test_no_more_than_so_many_at_a_time(simulation: Simulation, concurrent: tuple[int, ...], most: int) -> None:
    simulation.run('ScanImages', '*', True, *concurrent)
    count = highest = 0
    for kind in simulation.executions[0].types():
        count += kind == 'START_CHILD_WORKFLOW_EXECUTION_INITIATED'
        count -= kind == 'CHILD_WORKFLOW_EXECUTION_COMPLETED'
        highest = max(highest, count)
    assert highest == most


def test_an_outage_is_left_to_the_next_scan(simulation: Simulation, environment: Server) -> None:
    fail(environment, 503, match='builds', times=None)
    report = simulation.run('ScanImages', 'valkey')
    assert report.images[0].error.startswith('read_build_metadata: ')
    assert simulation.now - simulation.executions[0].started < datetime.timedelta(hours=1)


def test_no_images_at_a_time(simulation: Simulation) -> None:
    with pytest.raises(Failed, match='give a number from 1 up'):
        simulation.run('ScanImages', '*', False, 0)


def test_a_mistake_of_ours_stays_with_its_image(
    simulation: Simulation, environment: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scan_plan.plan_scan

    def half(image: str, *args: Any) -> Any:
        if image == 'valkey':
            raise KeyError('track')
        return whole(image, *args)

    monkeypatch.setattr(scan_plan, 'plan_scan', half)
    images = by_image(simulation.run('ScanImages', 'v*'))
    assert images['valkey'].error == "ScanImage: 'track'"
    assert not images['vault'].error


def test_an_image_that_another_job_has(simulation: Simulation, environment: Server) -> None:
    simulation.start('ImageLock', 'valkey', 'somebody', workflow_id='image-lock/valkey')
    images = by_image(simulation.run('ScanImages', 'v*'))
    assert 'image-lock/valkey' in images['valkey'].error and images['valkey'].step == ''
    assert not images['vault'].error
    assert environment.stand_ins.scanner.recorded() == []


def test_a_rebuild_waits_for_a_scan(simulation: Simulation, environment: Server) -> None:
    # It has the lock before the rebuild has decided what to do.
    simulation.start('ScanImages', 'valkey', workflow_id='scan')
    report = simulation.run('RebuildForRelease', '24.04', 'valkey', workflow_id='rebuild')
    assert report.images[0].conclusion == 'success'
    scan, rebuild = child(simulation, 'scan/valkey'), child(simulation, 'rebuild/valkey')
    steps = dict(scheduled(rebuild))
    assert scan.over and environment.stand_ins.scanner.recorded()
    ended = scan.history.events[-1].event_time.ToDatetime(datetime.UTC)
    assert rebuild.started + steps['dispatch_rebuild'] >= ended


# Notifications.


@pytest.fixture
def told(environment: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name, value in development.channels(environment.url).items():
        monkeypatch.setenv(name, value)
    return environment


def attachment(server: Server) -> dict[str, str]:
    (post,) = server.stand_ins.notified.recorded()['posts']
    (found,) = post['props']['attachments']
    return found


def test_people_are_told_at_the_start_and_the_end(told: Server, simulation: Simulation) -> None:
    plant(told, 'valkey', scanner.vulnerability('CVE-1'))
    report = simulation.run('ScanImages', 'v*')
    assert report.notifications == (Notification('mattermost'), Notification('webhook'))
    post = attachment(told)
    page = by_image(report)['valkey'].issue_url
    assert post['title'] == '[OCI Factory Temporal Workflow]: ScanImages: Scan rocks for vulnerabilities'
    assert post['color'] == '#33CC33'
    assert post['text'].splitlines() == [
        '**Status:** Success',
        f'* valkey: issue opened, vulnerabilities: 1, {page}',
        'Workflow wf',
    ]
    first, last = (one['body'] for one in told.stand_ins.notified.recorded()['hooks'])
    assert (first['job'], first['status'], first['release']) == ('scan', 'Triggered', '')
    assert last['news'] == {'valkey': f'issue opened, vulnerabilities: 1, {page}'}


def test_failed_images_make_the_post_red(told: Server, simulation: Simulation) -> None:
    plant(told, 'valkey', scanner.vulnerability('CVE-1'))
    fail(told, 410, match='POST /github')
    simulation.run('ScanImages', 'v*')
    assert attachment(told)['color'] == '#CC0000'
    assert '* valkey: change_issue: POST' in attachment(told)['text']
    assert 'opened' not in attachment(told)['text']


def test_a_scan_that_fails_as_a_whole_is_told(told: Server, simulation: Simulation) -> None:
    fail(told, 401, match='contents')
    with pytest.raises(Failed):
        simulation.run('ScanImages')
    assert attachment(told)['color'] == '#CC0000'
    assert 'give a valid token as GITHUB_TOKEN' in attachment(told)['text']


def test_a_scan_that_is_cancelled_is_told(told: Server, simulation: Simulation) -> None:
    simulation.start('ImageLock', 'valkey', 'somebody', workflow_id='image-lock/valkey')
    with pytest.raises(Cancelled):
        simulation.run('ScanImages', 'valkey', cancel_after=datetime.timedelta(minutes=3))
    assert '**Status:** Cancelled' in attachment(told)['text']
    assert simulation.now - simulation.executions[0].started < datetime.timedelta(minutes=4)
