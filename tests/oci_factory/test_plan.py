"""What is rebuilt, rule by rule."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import trigger_schema
import yaml
from oci_factory import model, plan, trigger
from samples import NOW, Notes, build, notes, released, track


def test_an_alias_alone_makes_a_revision_matter() -> None:
    planned = plan.plan_rebuild({'a': track('a_13')}, {'a/13': build()}, {'a': 'sha256:a'}, NOW)
    assert released(planned) == [{'a': ('stable',)}]


@pytest.mark.parametrize(
    ('base', 'release', 'rebuilt', 'found'),
    [
        ('ubuntu:24.04', '24.04', True, set()),
        ('ubuntu@24.04', '24.04', True, set()),
        ('24.04', '24.04', True, set()),
        ('ubuntu:22.04', '24.04', False, set()),
        ('ubuntu:22.04', '*', True, set()),
        ('bare', '24.04', False, {('odd-base', 'a/5')}),
        ('bare', '*', True, {('odd-base', 'a/5')}),
        ('ubuntu:124.04', '24.04', False, {('odd-base', 'a/5')}),
        ('ubuntu:24.04.1', '24.04', False, {('odd-base', 'a/5')}),
        ('debian:24.04', '24.04', False, {('odd-base', 'a/5')}),
        (24.04, '24.04', False, {('odd-base', 'a/5')}),
        ('', '24.04', False, {('no-base', 'a/5')}),
        (None, '24.04', False, {('no-base', 'a/5')}),
        (..., '24.04', False, {('no-base', 'a/5')}),
        (..., '*', True, {('no-base', 'a/5')}),
    ],
)
def test_a_revision_matters_by_its_base(base: Any, release: str, rebuilt: bool, found: Notes) -> None:
    metadata = {'a/5': build(base=base)}
    planned = plan.plan_rebuild({'a': track()}, metadata, {'a': 'sha256:a'}, NOW, release=release)
    assert bool(planned.uploads) is rebuilt
    assert notes(planned) == found
    assert bool(plan.wanted_digests({'a': track()}, metadata, release)) is rebuilt


@pytest.mark.parametrize(
    ('content', 'found'),
    [
        (None, ('odd-metadata', 'a/5')),
        ({}, ('odd-metadata', 'a/5')),
        ([], ('odd-metadata', 'a/5')),
        (build(digest=...), ('no-digest', 'a/5')),
        (build(digest=''), ('no-digest', 'a/5')),
        (build(source=...), ('odd-metadata', 'a/5')),
        (build(commit=7), ('odd-metadata', 'a/5')),
        (build(directory=''), ('odd-metadata', 'a/5')),
    ],
)
def test_what_cannot_be_repeated_is_noted_and_keeps_nothing_else(content: object, found: tuple[str, str]) -> None:
    metadata = {'a/5': content, 'b/6': build('sha256:b')}
    tags = {'a': 'sha256:a', 'b': 'sha256:b'}
    planned = plan.plan_rebuild({'a': track('5'), 'b': track('6')}, metadata, tags, NOW, release='24.04')
    assert released(planned) == [{'b': ('stable',)}]
    assert notes(planned) == {found}


@pytest.mark.parametrize(
    ('ignored', 'names', 'found'),
    [
        ('CVE-1  CVE-2 CVE-1', ('CVE-1', 'CVE-2'), set()),
        ('', (), set()),
        (..., (), set()),
        (['CVE-1'], (), {('odd-metadata', 'a/5')}),
    ],
)
def test_ignored_vulnerabilities(ignored: Any, names: tuple[str, ...], found: Notes) -> None:
    metadata = {'a/5': build(**{'ignored-vulnerabilities': ignored})}
    planned = plan.plan_rebuild({'a': track()}, metadata, {'a': 'sha256:a'}, NOW)
    assert [upload.ignored_vulnerabilities for upload in planned.uploads] == [names]
    assert notes(planned) == found


def test_a_released_revision_without_metadata() -> None:
    planned = plan.plan_rebuild({'a': track('5')}, {'a/4': build(), 'lockfile.lock': None}, {'a': 'sha256:a'}, NOW)
    assert planned == model.ImagePlan(
        (), (model.Note('no-metadata', '5', 'Revision 5 is released, but has no build metadata.'),)
    )


@pytest.mark.parametrize(
    ('tags', 'channels_of', 'found'),
    [
        (['a_stable', 'a', 'a_edge', 'a_5'], {'a': ('stable', 'edge')}, set()),
        (['beta', 'latest_beta', 'latest', 'edge'], {'latest': ('stable', 'beta', 'edge')}, set()),
        (
            ['a_edge', 'a_lts', '_edge'],
            {'a': ('edge',)},
            {('unrecognised-tag', 'a_lts'), ('unrecognised-tag', '_edge')},
        ),
        (['a', 'gone', 'gone_edge'], {'a': ('stable',)}, {('unknown-track', 'gone')}),
        (['a', 'old_edge', 'old'], {'a': ('stable',)}, {('expired-track', 'old')}),
        (['a', 'undated'], {'a': ('stable',)}, {('no-end-of-life', 'undated')}),
        (['a', 'misdated'], {'a': ('stable',)}, {('odd-end-of-life', 'misdated')}),
        (['a_5'], {}, {('untagged-revision', 'a/5')}),
        (['a_lts'], {}, {('unrecognised-tag', 'a_lts')}),
        ([], {}, {('untagged-revision', 'a/5')}),
    ],
)
def test_tags_give_the_channels(tags: list[str], channels_of: dict[str, tuple[str, ...]], found: Notes) -> None:
    releases = {
        'latest': track('5'),
        'a': track('5'),
        'old': track('5', end='2026-11-20T23:59:59Z'),
        'undated': {'stable': {'target': '5'}},
        'misdated': track('5', end='soon'),
    }
    on_others = {'b_stable': 'sha256:b', 'c_d_e': 'sha256:c'}
    planned = plan.plan_rebuild(releases, {'a/5': build()}, dict.fromkeys(tags, 'sha256:a') | on_others, NOW)
    assert released(planned) == ([channels_of] if channels_of else [])
    # Most of the tracks have no tag here.
    assert {(kind, subject) for kind, subject in notes(planned) if kind != 'untagged-channel'} == found


@pytest.mark.parametrize(
    ('tags', 'found'),
    [
        (['a_edge', 'a_stable'], set()),
        (['a_edge', 'a'], set()),
        (['a_edge'], {('untagged-channel', 'a_stable')}),
        (['b_edge'], {('unknown-track', 'b'), ('untagged-channel', 'a_edge'), ('untagged-channel', 'a_stable')}),
        (['a_lts', 'a'], {('unrecognised-tag', 'a_lts'), ('untagged-channel', 'a_edge')}),
        # One note says it.
        (['a_5'], {('untagged-revision', 'a/5')}),
    ],
)
def test_a_released_channel_without_a_tag_is_noted(tags: list[str], found: Notes) -> None:
    releases = {'a': track('5') | {'edge': {'target': '5'}}, 'old': track('5', end='2020-01-01'), 'c': track('6')}
    metadata = {'a/5': build(), 'c/6': build('sha256:6', 'ubuntu:22.04')}
    planned = plan.plan_rebuild(releases, metadata, dict.fromkeys(tags, 'sha256:a'), NOW, release='24.04')
    assert notes(planned) == found


def test_a_channel_whose_tag_is_on_another_revision_is_rebuilt_there() -> None:
    releases = {'a': track('5') | {'edge': {'target': '6'}}}
    metadata = {'a/5': build(), 'a/6': build('sha256:6', commit='other')}
    tags = {'a': 'sha256:6', 'a_beta': 'sha256:a', 'a_edge': 'sha256:6'}
    planned = plan.plan_rebuild(releases, metadata, tags, NOW)
    assert released(planned) == [{'a': ('beta',)}, {'a': ('stable', 'edge')}]
    assert not planned.notes


def test_revisions_of_one_source_share_an_upload_and_lose_no_channel() -> None:
    """Today's engine keeps `edge` only, and `stable` is never rebuilt again."""
    releases = {'latest': track('5') | {'edge': {'target': '7'}}, 'a': track('5')}
    metadata = {
        'x/7': build('sha256:7', **{'ignored-vulnerabilities': 'CVE-3 CVE-1'}),
        'x/5': build('sha256:5', **{'ignored-vulnerabilities': 'CVE-1'}),
    }
    tags = {'stable': 'sha256:5', 'a': 'sha256:5', 'edge': 'sha256:7'}
    planned = plan.plan_rebuild(releases, metadata, tags, NOW)
    assert released(planned) == [{'a': ('stable',), 'latest': ('stable', 'edge')}]
    assert planned.uploads[0].ignored_vulnerabilities == ('CVE-1', 'CVE-3')
    assert not planned.notes


@pytest.mark.parametrize(
    ('leads', 'stable'),
    [
        # A roll-back, after which the alias stayed where it was.
        ('9', 9),
        ('10', 10),
        # The release file has something else to say than the registry: the newer one.
        ('8', 10),
    ],
)
def test_a_channel_on_two_revisions_goes_to_the_one_it_leads_to_or_the_newer(leads: str, stable: int) -> None:
    releases = {'a': track(leads) | {'edge': {'target': '10'}, 'beta': {'target': '9'}, 'candidate': {'target': '8'}}}
    metadata = {f'a/{number}': build(f'sha256:{number}', commit=f'c{number}') for number in (8, 9, 10)}
    tags = {'a_stable': 'sha256:9', 'a': 'sha256:10', 'a_edge': 'sha256:10', 'a_beta': 'sha256:9'}
    planned = plan.plan_rebuild(releases, metadata, {**tags, 'a_candidate': 'sha256:8'}, NOW)
    assert [one.commit for one in planned.uploads if 'stable' in one.release['a'].risks] == [f'c{stable}']
    assert [note.text for note in planned.notes] == [
        f'a/9 and a/10 have tags of a_stable; only a/{stable} is rebuilt for it.'
    ]


def test_a_channel_on_two_revisions_of_one_source_is_nothing_to_tell() -> None:
    releases = {'a': track('9') | {'edge': {'target': '10'}}}
    metadata = {'a/10': build('sha256:10'), 'a/9': build('sha256:9')}
    tags = {'a': 'sha256:9', 'a_stable': 'sha256:10', 'a_edge': 'sha256:9'}
    planned = plan.plan_rebuild(releases, metadata, tags, NOW)
    assert released(planned) == [{'a': ('stable', 'edge')}]
    assert not planned.notes


def test_uploads_come_in_the_order_of_revisions() -> None:
    metadata = {f'a/{number}': build(f'sha256:{number}', commit=f'c{number}') for number in (100, 20, 3)}
    releases = {f't{number}': track(number) for number in (100, 20, 3)}
    tags = {f't{number}': f'sha256:{number}' for number in (100, 20, 3)}
    planned = plan.plan_rebuild(releases, metadata, tags, NOW)
    assert [upload.commit for upload in planned.uploads] == ['c3', 'c20', 'c100']


JUNK: tuple[Any, ...] = (None, True, -1, 2.5, '', 'x_y', '_', '7' * 30, [], [1], {}, {'a': None}, '2030-13-45', 'é\x00')


def spoilt(value: Any) -> Iterator[Any]:
    """The value with each of its parts replaced by each piece of junk."""
    yield from JUNK
    if isinstance(value, dict):
        for key, part in value.items():
            for other in spoilt(part):
                yield {**value, key: other}


def test_no_metadata_and_no_releases_are_too_odd() -> None:
    releases = {'a': track('5') | {'edge': {'target': 'a_stable'}}, 'latest': track('6')}
    metadata = {'a/5': build(), 'latest/6': build('sha256:6')}
    tags = {'a': 'sha256:a', 'a_edge': 'sha256:a', 'stable': 'sha256:6'}
    cases = [(odd, metadata) for odd in spoilt(releases)]
    cases += [(releases, odd) for odd in spoilt(metadata) if isinstance(odd, dict)]
    for odd_releases, odd_metadata in cases:
        before = copy.deepcopy((odd_releases, odd_metadata))
        planned = plan.plan_rebuild(odd_releases, odd_metadata, tags, NOW, release='24.04')
        if planned.uploads:
            trigger_schema.check(yaml.safe_load(trigger.dump(planned.uploads)))
        assert planned.uploads or planned.notes or not odd_metadata
        assert (odd_releases, odd_metadata) == before
