"""What tags mean, where channels lead, and until when."""

from __future__ import annotations

import pytest
from oci_factory import channels, model
from oci_factory.channels import Channel
from samples import NOW, Notes, track


@pytest.mark.parametrize(
    ('tag', 'meaning'),
    [
        ('edge', Channel('latest', 'edge')),
        ('stable', Channel('latest', 'stable')),
        ('latest', Channel('latest', 'stable')),
        ('latest_beta', Channel('latest', 'beta')),
        ('1.0-24.04_candidate', Channel('1.0-24.04', 'candidate')),
        ('1.0-24.04', Channel('1.0-24.04', 'stable')),
        ('3', Channel('3', 'stable')),
        ('a_b_edge', Channel('a_b', 'edge')),
        ('1.0-24.04_878', 878),
        ('1.0-24.04_lts', None),
        ('1.0-24.04_', None),
        ('1.0_٣', None),
        ('_edge', None),
        ('_7', None),
        ('', None),
    ],
)
def test_a_tag_means(tag: str, meaning: object) -> None:
    assert channels.read_tag(tag) == meaning


@pytest.mark.parametrize(
    ('releases', 'revisions', 'found'),
    [
        ({'a': track('5')}, {5}, set()),
        ({'a': track(5)}, {5}, set()),
        ({'a': track('5'), 'b': track('a_stable', risk='edge')}, {5}, set()),
        ({'a': track('b'), 'b': track('latest_edge'), 'latest': track('6', risk='edge')}, {6}, set()),
        ({'a': track('edge'), 'latest': track('6', risk='edge')}, {6}, set()),
        ({'a': track('a_13')}, {13}, set()),
        ({'a': track('a')}, set(), {('alias-cycle', 'a_stable')}),
        ({'a': track('b'), 'b': track('a')}, set(), {('alias-cycle', 'a_stable'), ('alias-cycle', 'b_stable')}),
        # Into a cycle, without being part of it.
        (
            {'a': track('b_edge'), 'b': track('b_edge', risk='edge'), 'c': track('7')},
            {7},
            {('alias-cycle', 'a_stable'), ('alias-cycle', 'b_edge')},
        ),
        ({'a': track('gone_edge')}, set(), {('dangling-alias', 'a_stable')}),
        ({'a': track('x_y_z')}, set(), {('odd-target', 'a_stable')}),
        ({'a': track(None)}, set(), {('odd-target', 'a_stable')}),
        ({'a': track(True)}, set(), {('odd-target', 'a_stable')}),
        ({'a': track('9' * 5000)}, set(), {('dangling-alias', 'a_stable')}),
        ({'a': {'stable': '5'}}, set(), {('odd-target', 'a_stable')}),
        ({'a': None, 'b': track('5')}, {5}, {('odd-track', 'a')}),
        ({'a': {'edgy': {'target': '5'}}}, set(), {('odd-track', 'a')}),
        ({'a': {}}, set(), {('nothing-released', '_releases.json')}),
        ({}, set(), {('nothing-released', '_releases.json')}),
        ([], set(), {('odd-releases', '_releases.json')}),
    ],
)
def test_released_revisions(releases: object, revisions: set[int], found: Notes) -> None:
    numbers, odd = channels.released_revisions(releases)
    assert numbers == revisions
    assert {(note.kind, note.subject) for note in odd} == found


@pytest.mark.parametrize(
    ('end', 'text'),
    [
        ('2030-05-01T00:00:00Z', '2030-05-01T00:00:00Z'),
        ('2030-05-01', '2030-05-01T00:00:00Z'),
        ('2030-05-01T02:00:00+02:00', '2030-05-01T00:00:00Z'),
        # The very moment is not past it yet.
        ('2026-11-21T00:00:00Z', '2026-11-21T00:00:00Z'),
        ('2026-11-20T23:59:59Z', 'expired-track'),
        ('9999-12-31T23:59:59-05:00', 'odd-end-of-life'),
        ('', 'no-end-of-life'),
        (None, 'no-end-of-life'),
        (20300501, 'odd-end-of-life'),
    ],
)
def test_end_of_life(end: object, text: str) -> None:
    found = channels.end_of_life('a', {'a': track(end=end)}, NOW)
    assert (found.kind if isinstance(found, model.Note) else found) == text
