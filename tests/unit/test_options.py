"""The options: each wrong value has its sentence, each good one its place."""

from __future__ import annotations

import pathlib

import pytest
import yaml

from declared import Wanted
from options import Options

DEFAULTS = {
    name: option.get('default')
    for name, option in yaml.safe_load(
        (pathlib.Path(__file__).parent.parent.parent / 'config.yaml').read_text()
    )['options'].items()
}  # fmt: skip


def _load(**changes: object) -> Options:
    return Options.load(DEFAULTS | {name.replace('_', '-'): value for name, value in changes.items()}, 'temporal-k8s')


def test_given_the_defaults_then_nothing_is_wrong():
    options = _load()

    assert options.problem == ''
    assert [role.name for role in options.roles] == ['frontend', 'history', 'matching', 'worker']
    assert options.hostname == 'temporal-k8s'
    assert options.connections_per_unit == 28


@pytest.mark.parametrize(
    ('changes', 'problem'),
    [
        ({'services': ''}, 'services is empty: it takes frontend, history, matching, worker, comma-separated'),
        ({'services': ' , '}, 'services is empty: it takes frontend, history, matching, worker, comma-separated'),
        (
            {'services': 'frontend,story'},
            'services: there is no story; it takes frontend, history, matching, worker, comma-separated',
        ),
        (
            {'services': 'frontend,internal-frontend'},
            'services: internal-frontend gives every caller all rights, and this charm has no authorisation yet',
        ),
        ({'num_history_shards': 0}, 'num-history-shards must be between 1 and 16384, not 0'),
        ({'num_history_shards': 16385}, 'num-history-shards must be between 1 and 16384, not 16385'),
        ({'log_level': 'loud'}, 'log-level must be one of debug, info, warn, error, not loud'),
        ({'log_level': ''}, 'log-level must be one of debug, info, warn, error, not empty'),
        ({'persistence_max_conns': 0}, 'persistence-max-conns must be between 1 and 1000, not 0'),
        ({'visibility_max_conns': -1}, 'visibility-max-conns must be between 1 and 1000, not -1'),
        ({'global_rps_limit': 0}, 'global-rps-limit must be between 1 and 1000000, not 0'),
        (
            {'namespace_rps_limit': 'orders=5'},
            'namespace-rps-limit takes NAMESPACE:REQUESTS|NAMESPACE:REQUESTS, not orders=5',
        ),
        (
            {'namespace_rps_limit': 'orders:5|stock:many'},
            'namespace-rps-limit takes NAMESPACE:REQUESTS|NAMESPACE:REQUESTS, not stock:many',
        ),
        (
            {'namespace_rps_limit': ':5'},
            'namespace-rps-limit takes NAMESPACE:REQUESTS|NAMESPACE:REQUESTS, not :5',
        ),
        (
            {'namespace_rps_limit': 'orders:0'},
            'namespace-rps-limit takes NAMESPACE:REQUESTS|NAMESPACE:REQUESTS, not orders:0',
        ),
        (
            {'namespace_rps_limit': f'orders:{"9" * 5000}'},
            f'namespace-rps-limit takes NAMESPACE:REQUESTS|NAMESPACE:REQUESTS, not orders:{"9" * 53}',
        ),
        ({'namespace_rps_limit': 'orders:5|orders:6'}, 'namespace-rps-limit names orders twice'),
        (
            {'external_hostname': 'no such; name'},
            'external-hostname is no DNS name (lower case letters, digits and "-", at most 63 between dots, no '
            'address): no such; name',
        ),
        (
            {'external_hostname': f'{"a" * 64}.example.com'},
            'external-hostname is no DNS name (lower case letters, digits and "-", at most 63 between dots, no '
            f'address): {"a" * 60}',
        ),
        (
            {'external_hostname': '192.0.2.7'},
            'external-hostname is no DNS name (lower case letters, digits and "-", at most 63 between dots, no '
            'address): 192.0.2.7',
        ),
        ({'dynamic_config': 'a: [b'}, "dynamic-config is no YAML: line 1: expected ',' or ']', but got '<stream end>'"),
        (
            {'dynamic_config': 'a: \x00'},
            'dynamic-config is no YAML: unacceptable character #x0000: special characters are not allowed',
        ),
        (
            {'dynamic_config': '- a'},
            'dynamic-config must be a mapping from keys to lists of values, like "limit.blobSize.error: [{value: 1}]"',
        ),
        ({'dynamic_config': '1: [{value: 1}]'}, 'dynamic-config: the key 1 is no text'),
        ({'dynamic_config': 'a: 1'}, 'dynamic-config: a must be a list of values, like "- value: 1"'),
        ({'dynamic_config': 'a: [{amount: 1}]'}, 'dynamic-config: a must be a list of values, like "- value: 1"'),
        (
            {'dynamic_config': 'a: [{value: 1, constraint: {}}]'},
            'dynamic-config: a takes value and constraints, not constraint',
        ),
        (
            {'dynamic_config': 'a.b: [{value: 2026-02-30}]'},
            "dynamic-config is no YAML: line 1: '2026-02-30' is no timestamp that can be read",
        ),
        (
            {'declared_namespaces': 'orders: {retention: 2024-02-30}'},
            "declared-namespaces is no YAML: line 1: '2024-02-30' is no timestamp that can be read",
        ),
        (
            {'dynamic_config': 'a.B: [{value: 1}]\nA.b: [{value: 2}]'},
            'dynamic-config: a.B and A.b are the same key for the server, which looks at no case',
        ),
    ],
)  # fmt: skip
def test_given_a_wrong_value_then_the_sentence_names_the_option(changes, problem):
    assert _load(**changes).problem == problem


@pytest.mark.parametrize(
    ('changes', 'name', 'value'),
    [
        ({'services': ' history , frontend '}, 'has_frontend', True),
        ({'services': 'history'}, 'has_frontend', False),
        ({'namespace_rps_limit': 'a:1| b : 20 |'}, 'namespace_rps', {'a': 1, 'b': 20}),
        ({'external_hostname': ' temporal.example.com '}, 'hostname', 'temporal.example.com'),
        ({'external_hostname': f'{"a" * 63}.7.example0'}, 'hostname', f'{"a" * 63}.7.example0'),
        ({'dynamic_config': '# nothing'}, 'dynamic_config', {}),
        ({'dynamic_config': ' \n\t'}, 'dynamic_config', {}),
        (
            {'dynamic_config': '\n  a: [{value: 1}]\n  b: [{value: 2}]\n  '},
            'dynamic_config',
            {'a': [{'value': 1}], 'b': [{'value': 2}]},
        ),
        ({'declared_namespaces': '  orders:\n  stock:\n'}, 'declared', (Wanted('orders'), Wanted('stock'))),
        (
            {'dynamic_config': 'a: [{value: 1, constraints: {namespace: x}}]'},
            'dynamic_config',
            {'a': [{'value': 1, 'constraints': {'namespace': 'x'}}]},
        ),
    ],
)
def test_given_a_good_value_then_it_is_taken(changes, name, value):
    options = _load(**changes)

    assert options.problem == ''
    assert getattr(options, name) == value
