"""Results of actions: what fits is left as it is, and of the rest as much as fits is told, with a note."""

from __future__ import annotations

import json

import pytest
from temporal_charms import results


def test_given_results_that_fit_then_text_stays_text_and_all_else_is_json():
    told = {'a': 'é', 'b': '', 'c': 1, 'd': True, 'e': ['x'], 'f': {'k': 'v'}, 'g': None}

    assert results.flat(told) == {
        'a': 'é', 'b': '', 'c': '1', 'd': 'true', 'e': '["x"]', 'f': '{"k": "v"}', 'g': 'null'
    }  # fmt: skip


@pytest.mark.parametrize('value', [[f'name-{n:06}' for n in range(9000)], {f'name-{n:06}': n for n in range(9000)}])
def test_given_a_list_or_a_mapping_that_is_too_long_then_its_beginning_is_json_with_a_note(value):
    found = results.flat({'all': value})

    kept = json.loads(found['all'])
    assert list(kept) == list(value)[: len(kept)]
    assert 0.8 * results.MOST < len(found['all']) <= results.MOST
    assert found['all-note'] == f'the first {len(kept)} of 9000: more cannot be shown'


def test_given_one_value_that_is_too_long_by_itself_then_only_its_note_is_told():
    assert results.flat({'all': ['x' * results.MOST]}) == {
        'all': '[]',
        'all-note': 'the first 0 of 1: more cannot be shown',
    }


def test_given_a_text_that_is_too_long_then_it_is_cut_with_a_note():
    found = results.flat({'text': 'é' * 40_000})

    assert found == {'text': 'é' * 30_000, 'text-note': 'cut: the first 60000 of 80000 bytes; ask for less'}


def test_given_words_when_joined_then_none_is_cut():
    words = [f'name-{n:06}' for n in range(9000)]

    found = results.joined('names', words)

    kept = found['names'].split(',')
    assert kept == words[: len(kept)]
    assert found['names-note'] == f'the first {len(kept)} of 9000: more cannot be shown'
    assert results.joined('names', ['a', 'b']) == {'names': 'a,b'}


def test_given_an_object_that_is_too_long_then_its_lists_are_shortened_and_it_is_still_json():
    content = {
        'unit': 'u',
        'long': [f'{n:09}' for n in range(9000)],
        'longer': [f'{n:09}' for n in range(9999)],
        's': [],
    }

    found = results.shortened('report', content)

    kept = json.loads(found['report'])
    assert (kept['unit'], kept['s']) == ('u', [])
    assert 0.8 * results.MOST < len(found['report']) <= results.MOST
    assert found['report-note'] == (
        f'too many to be shown: the first {len(kept["longer"])} of 9999 longer; '
        f'the first {len(kept["long"])} of 9000 long'
    )


def test_given_an_object_that_fits_then_all_of_it_is_told():
    assert results.shortened('report', {'a': [1]}) == {'report': '{"a": [1]}'}


def test_given_an_object_without_lists_that_is_too_long_then_it_is_cut_as_text():
    assert results.shortened('report', {'a': 'x' * results.MOST})['report-note'].startswith('cut: the first 60000 of')


def test_given_what_no_argument_can_hold_then_it_is_replaced():
    assert results.cut('a', 'x\0y\ud800') == {'a': 'x�y?'}
    assert results.sentence('x\0y\ud800') == 'x�y?'


def test_given_a_sentence_that_is_too_long_then_it_is_cut():
    assert results.sentence('x' * 3000) == 'x' * 1997 + '...'
