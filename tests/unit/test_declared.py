"""Namespaces as people describe them: what is read, and what is refused with one sentence."""

from __future__ import annotations

import pytest

import declared
from declared import Wanted

_TYPES = 'Keyword, Text, Int, Double, Bool, Datetime, KeywordList'


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        ('', ()),
        ('# nothing', ()),
        ('orders:', (Wanted('orders'),)),
        ('{stock: {}, orders: {}}', (Wanted('orders'), Wanted('stock'))),
        (
            """
            orders:
              retention: 30d
              description: Orders
              owner: shop@example.com
              data: {cost-centre: "4711"}
              search-attributes: {CustomerId: Keyword, Amount: Double}
            """,
            (
                Wanted(
                    'orders',
                    30 * 86400,
                    'Orders',
                    'shop@example.com',
                    {'cost-centre': '4711'},
                    {'CustomerId': 'Keyword', 'Amount': 'Double'},
                ),
            ),
        ),
        ('orders: {retention: , data: , search-attributes: , owner: }', (Wanted('orders'),)),
    ],
)
def test_given_the_option_then_namespaces_are_read_in_order(text, found):
    assert declared.load(text) == (found, '')


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [
        ('a: b: c', 'declared-namespaces is no YAML: line 1: mapping values are not allowed here'),
        ('a: !x b', 'declared-namespaces is no YAML: line 1: could not determine a constructor'),
        ('a: \x00', 'declared-namespaces is no YAML: unacceptable character #x0000'),
        ('[orders]', 'declared-namespaces must be a mapping from names to settings, like "orders: {retention: 3d}"'),
        ('7: {}', 'declared-namespaces: 7: the name must be text: put it into quotes'),
        ('my orders: {}', 'declared-namespaces: my orders: the name must have no spaces'),
        ('börse: {}', 'declared-namespaces: börse: the name must have no spaces, and no letters outside ASCII'),
        ('"": {}', 'declared-namespaces: : the name must have no spaces'),
        (f'{"x" * 256}: {{}}', f'declared-namespaces: {"x" * 60}: the name must not be longer than 255 characters'),
        (
            'temporal-system: {}',
            'declared-namespaces: temporal-system: temporal-system is where Temporal keeps its own workflows',
        ),
        ('orders: 3d', 'declared-namespaces: orders: the settings must be a mapping of retention, description, owner'),
        ('orders: {retain: 3d}', 'declared-namespaces: orders: there is no setting retain; it takes retention, '),
        (
            'orders: {retention: 3}',
            'declared-namespaces: orders: retention must be hours or days, like 72h or 3d, not 3',
        ),
        (
            'orders: {retention: 3w}',
            'declared-namespaces: orders: retention must be hours or days, like 72h or 3d, not',
        ),
        (
            'orders: {retention: ""}',
            'declared-namespaces: orders: retention must be hours or days, like 72h or 3d, not',
        ),
        ('orders: {retention: -3d}', 'declared-namespaces: orders: retention must be hours or days, like 72h or 3d'),
        ('orders: {retention: 0h}', 'declared-namespaces: orders: retention must be between 1h and 36500d, not 0h'),
        ('orders: {retention: 40000d}', 'declared-namespaces: orders: retention must be between 1h and 36500d, not 4'),
        ('orders: {owner: 7}', 'declared-namespaces: orders: owner must be text: put it into quotes'),
        (
            'orders: {owner: ""}',
            'declared-namespaces: orders: owner is empty, and the server can only replace it: leave',
        ),
        ('orders: {description: [a]}', 'declared-namespaces: orders: description must be text: put it into quotes'),
        ('orders: {data: {a: 1}}', 'declared-namespaces: orders: data a must be text: put it into quotes'),
        ('orders: {data: {1: a}}', 'declared-namespaces: orders: data must be a mapping from names to text'),
        ('orders: {data: a}', 'declared-namespaces: orders: data must be a mapping from names to text'),
        (
            'orders: {search-attributes: [A]}',
            'declared-namespaces: orders: search-attributes must be a mapping from name',
        ),
        (
            'orders: {search-attributes: {A: keyword}}',
            f'declared-namespaces: orders: the search attribute A must be one of {_TYPES}, not keyword',
        ),
        (
            'orders: {search-attributes: {a b: Int}}',
            'declared-namespaces: orders: the search attribute a b must have a name of letters, digits, "_" and "-"',
        ),
    ],
)
def test_given_the_option_with_a_wrong_value_then_one_sentence_names_it(text, sentence):
    found, problem = declared.load(text)

    assert found == ()
    assert problem.startswith(sentence)
    assert '\n' not in problem


@pytest.mark.parametrize(
    ('text', 'seconds'), [('1h', 3600), ('72h', 259200), ('3d', 259200), ('30d', 2592000), ('36500d', 3153600000)]
)
def test_given_a_retention_then_it_is_hours_or_days(text, seconds):
    assert declared.seconds(text) == seconds


@pytest.mark.parametrize(('seconds', 'text'), [(259200, '3d'), (90000, '25h'), (5400, '90m'), (61, '61s'), (0, '0s')])
def test_given_seconds_then_they_are_shown_as_short_as_can_be(seconds, text):
    assert declared.period(seconds) == text


@pytest.mark.parametrize(
    ('before', 'now', 'after'),
    [
        ({}, [], {}),
        ({}, ['a'], {'a': True}),
        ({'a': True}, ['a', 'b'], {'a': True, 'b': True}),
        ({'a': True}, ['b'], {'a': False, 'b': True}),
        ({'a': False}, ['a'], {'a': True}),
    ],
)
def test_given_names_that_were_declared_then_they_are_remembered(before, now, after):
    assert declared.remember(before, [Wanted(name) for name in now]) == after


@pytest.mark.parametrize(
    ('value', 'found'),
    [
        ('a=b', {'a': 'b'}),
        ('a=b, c = d=e', {'a': 'b', 'c': 'd=e'}),
        (' {"a": "b, c"}', {'a': 'b, c'}),
    ],
)
def test_given_a_mapping_as_people_type_it_then_it_is_read(value, found):
    assert declared.pairs('data', value) == found


@pytest.mark.parametrize(
    ('what', 'value', 'sentence'),
    [
        ('data', 'a', 'data must be like NAME=TEXT,..., not a'),
        ('data', 'a=b,', 'data must be like NAME=TEXT,..., not a=b,'),
        ('search-attributes', '=Int', 'search-attributes must be like NAME=TYPE,..., not =Int'),
        ('data', '{a', 'data is no JSON: Expecting property name enclosed in double quotes'),
        ('data', '{"a": ' + '[' * 100_000, 'data is no JSON: maximum recursion depth exceeded'),
    ],
)
def test_given_a_mapping_that_cannot_be_read_then_one_sentence_says_so(what, value, sentence):
    with pytest.raises(declared.Wrong, match=sentence.replace('.', r'\.')):
        declared.pairs(what, value)
