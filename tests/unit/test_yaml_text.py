"""YAML as people write it: a value, or one sentence, whatever stands there."""

from __future__ import annotations

import json

import pytest

import yaml_text

_DEEP = 'has more than 40 levels of lists and mappings'
_BOMB = 'a: &a [x, x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'{name}: &{name} [{", ".join([f"*{before}"] * 10)}]\n' for before, name in zip('abcde', 'bcdef', strict=True)
)
_MERGES = 'a: &a {x: 1}\n' + ''.join(
    f'{name}: &{name} {{<<: [{", ".join([f"*{before}"] * 10)}]}}\n'
    for before, name in zip('abcde', 'bcdef', strict=True)
)


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('', None),
        ('# nothing\n', None),
        ('  a: 1\n  b: x\n', {'a': 1, 'b': 'x'}),
        ('\n  a:\n    - 1\n  b: x\n\t', {'a': [1], 'b': 'x'}),
        ('x: &x {retention: 3d}\na: {<<: *x}', {'x': {'retention': '3d'}, 'a': {'retention': '3d'}}),
        ('{a: {b: 1}, c: {b: 1}, 1: 2, "1": 3}', {'a': {'b': 1}, 'c': {'b': 1}, 1: 2, '1': 3}),
        (f'a: {(1 << 63) - 1}', {'a': (1 << 63) - 1}),
        ('[' * 40 + ']' * 40, json.loads('[' * 40 + ']' * 40)),
    ],
)
def test_given_a_text_then_its_value_is_read(text, value):
    assert yaml_text.load(text) == value


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('a: [b', "is no YAML: line 1: expected ',' or ']', but got '<stream end>'"),
        ('a: 1\n---\nb: 1', 'is no YAML: line 2: expected a single document in the stream, but found another document'),
        ('a: \x00', 'is no YAML: unacceptable character #x0000: special characters are not allowed'),
        ('a: !x b', "is no YAML: line 1: could not determine a constructor for the tag '!x'"),
        ('a: 1\nb: 2026-02-30', "is no YAML: line 2: '2026-02-30' is no timestamp that can be read"),
        ('0b_', "is no YAML: line 1: '0b_' is no int that can be read"),
        ('!!int x', "is no YAML: line 1: 'x' is no int that can be read"),
        ('!!float x', "is no YAML: line 1: 'x' is no float that can be read"),
        ('!!bool x', "is no YAML: line 1: 'x' is no bool that can be read"),
        ('!!timestamp x', "is no YAML: line 1: 'x' is no timestamp that can be read"),
        ('"\\ud800"', "is no YAML: line 1: '\\ud800' is no str that can be read"),
        ('9' * 5000, f"is no YAML: line 1: '{'9' * 40}' is no int that can be read"),
        ('0x' + 'f' * 5000, f"is no YAML: line 1: '0x{'f' * 38}' is no int that can be read"),
        (f'{1 << 63}', f"is no YAML: line 1: '{1 << 63}' is no int that can be read"),
        ('1' + ':59' * 300 + '.5', f"is no YAML: line 1: '1{':59' * 13}' is no float that can be read"),
        ('a: 1\nb: 2\na: 3', "is no YAML: line 3: the key 'a' stands there twice"),
        ('x: {a: 1, a: 1}', "is no YAML: line 1: the key 'a' stands there twice"),
        ('{a: 1}: 2', 'is no YAML: line 1: found unhashable key'),
        ('[' * 41 + ']' * 41, _DEEP),
        ('[' * 2000 + ']' * 2000, _DEEP),
        ('[' * 50000, _DEEP),
        (f'a: &a {"[" * 30 + "]" * 30}\nb: {"[" * 20}*a{"]" * 20}', _DEEP),
        ('a: &a [*a]', 'has an alias for what it stands in'),
        (_BOMB, 'comes to more than 100000 values with its aliases'),
        (_MERGES, 'comes to more than 100000 values with its aliases'),
        ('x' * 100_001, 'is longer than 100000 characters'),
    ],
)
def test_given_a_text_that_makes_no_sense_then_one_sentence_says_so(text, sentence):
    with pytest.raises(yaml_text.Unreadable) as wrong:
        yaml_text.load(text)

    assert str(wrong.value) == sentence
