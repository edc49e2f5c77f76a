"""What is scanned of an image, and what of the findings matters."""

from __future__ import annotations

from typing import Any

import generator
import pytest
from oci_factory import channels, scan_plan
from oci_factory.scan_model import Finding, ScanPlan, Target, Vulnerability
from samples import NOW, build, track
from test_real_releases import parsed_builds

PAST = '2020-01-01T00:00:00Z'


def planned(releases: Any, metadata: dict[str, Any]) -> ScanPlan:
    return scan_plan.plan_scan('rock', releases, metadata, NOW)


def kinds(plan: ScanPlan) -> set[tuple[str, str]]:
    return {(note.kind, note.subject) for note in plan.notes}


def test_what_is_released_is_scanned_once() -> None:
    releases = {'1.0': {**track('5'), 'edge': {'target': '1.0_stable'}}, '2.0': track('6', risk='beta')}
    metadata = {'1.0/5': build(), '2.0/6': build('sha256:b', **{'ignored-vulnerabilities': ''}), '1.0/4': build()}
    plan = planned(releases, metadata)
    assert plan.targets == (
        Target('rock', '1.0/5', 'sha256:a', ('1.0_edge', '1.0_stable'), ('CVE-1', 'CVE-2')),
        Target('rock', '2.0/6', 'sha256:b', ('2.0_beta',)),
    )
    assert (plan.source, plan.unscanned, plan.notes) == ('canonical/rocks', (), ())


def test_the_source_is_the_newest_ones() -> None:
    releases = {'1.0': track('5'), '2.0': track('6'), 'old': track('7', PAST)}
    metadata = {'2.0/6': build(source='a/newer'), '1.0/5': build(source='a/older')}
    assert planned(releases, metadata).source == 'a/newer'
    # Also of what is not scanned any more: its issue is to be found, and closed.
    metadata['old/7'] = build(source='a/newest')
    assert planned(releases, metadata).source == 'a/newest'
    assert planned({'old': track('7', PAST)}, metadata) == ScanPlan(
        (), 'a/newest', (), planned({'old': track('7', PAST)}, metadata).notes
    )


def test_an_expired_track_is_not_scanned() -> None:
    plan = planned({'1.0': track('5', PAST), '2.0': track('6', PAST)}, {'1.0/5': build()})
    assert (plan.targets, plan.unscanned) == ((), ())
    assert kinds(plan) == {('expired-track', '1.0'), ('expired-track', '2.0')}


def test_an_expired_track_does_not_end_another_one() -> None:
    plan = planned({'1.0': track('5', PAST), '2.0': track('5')}, {'1.0/5': build()})
    assert [target.channels for target in plan.targets] == [('2.0_stable',)]


@pytest.mark.parametrize('end', [None, 'when it is done'])
def test_a_track_of_which_the_end_is_not_known_is_scanned(end: Any) -> None:
    plan = planned({'1.0': track('5', end)}, {'1.0/5': build()})
    assert [target.name for target in plan.targets] == ['1.0/5']
    assert len(plan.notes) == 1


@pytest.mark.parametrize('odd', [None, [], {'base': 'x'}, build(digest=...), build(commit=7)])
def test_what_has_odd_metadata_cannot_be_scanned(odd: Any) -> None:
    plan = planned({'1.0': track('5'), '2.0': track('6')}, {'1.0/5': odd, '2.0/6': build()})
    assert [target.name for target in plan.targets] == ['2.0/6']
    assert plan.unscanned == ('1.0/5',)
    assert {subject for _, subject in kinds(plan)} == {'1.0/5'}


def test_what_has_no_metadata_cannot_be_scanned() -> None:
    plan = planned({'1.0': track('5')}, {})
    assert (plan.unscanned, kinds(plan)) == (('5',), {('no-metadata', '5')})


def test_a_base_does_not_matter() -> None:
    plan = planned({'1.0': track('5'), '2.0': track('6')}, {'1.0/5': build(base=None), '2.0/6': build(base='bare')})
    assert len(plan.targets) == 2 and plan.notes == ()


def test_a_file_of_which_nothing_can_be_read() -> None:
    plan = planned(['odd'], {})
    assert (plan.targets, plan.unscanned) == ((), ('_releases.json',))
    assert kinds(plan) == {('odd-releases', '_releases.json')}


def test_channels_that_cannot_be_read_are_named_unless_their_track_has_expired() -> None:
    old = {'end-of-life': '2020-01-01T00:00:00Z', 'stable': {'target': '3_stabel'}}
    odd = {'stable': {'target': '2.0_stabel'}, 'stabel': {'target': '7'}}
    plan = planned({'1.0': track('5'), '2.0': odd, '3.0': None, '0.9': old}, {'1.0/5': build()})
    assert plan.unread == ('2.0', '2.0_stable', '3.0')
    assert plan.unscanned == ()


def test_nothing_released() -> None:
    plan = planned({}, {})
    assert (plan.targets, plan.unscanned, plan.source) == ((), (), '')


@pytest.mark.parametrize('seed', [1, 2, 3])
def test_the_real_releases(seed: int) -> None:
    world = generator.make(seed)
    scanned = missing = 0
    for image, releases in world.releases.items():
        plan = scan_plan.plan_scan(image, releases, parsed_builds(world, image), NOW)
        ends = {
            str(revision)
            for channel, revision in channels.released_channels(releases)[0].items()
            if getattr(channels.end_of_life(channel.track, releases, NOW), 'kind', '') != 'expired-track'
        }
        names = [target.name for target in plan.targets] + list(plan.unscanned)
        assert {name.rpartition('/')[2] for name in names} == ends
        assert len(set(names)) == len(names)
        scanned, missing = scanned + len(plan.targets), missing + len(plan.unscanned)
    assert scanned > 40 and missing > 2


def finding(name: str, severity: str = 'High', fixed: str = '1.1') -> Finding:
    return Finding(name, 'openssl', '1.0', fixed, severity)


def test_what_matters() -> None:
    worst, bad = finding('CVE-9', 'Critical'), finding('CVE-1')
    rest = [finding('CVE-2', 'Medium'), finding('CVE-3', fixed=''), finding('CVE-4'), finding('CVE-5', 'Whatever')]
    assert scan_plan.relevant([bad, *rest, worst, bad], ['CVE-4', 'CVE-7']) == (worst, bad)


def test_findings_of_several_revisions_are_joined() -> None:
    one, other = finding('CVE-1'), finding('CVE-2', 'Critical')
    first = Target('rock', '1.0/5', 'a', ('1.0_edge', '1.0_stable'))
    second = Target('rock', '2.0/6', 'b', ('2.0_stable',))
    assert scan_plan.joined({second: (other, one), first: (one,)}) == (
        Vulnerability(other, ('2.0_stable',)),
        Vulnerability(one, ('1.0_edge', '1.0_stable', '2.0_stable')),
    )
    assert scan_plan.joined({}) == ()
