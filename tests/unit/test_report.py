"""The report: everything about a unit's server on one page, whatever does not answer, and nothing secret."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import world
from fake_server import FakeServer
from ops import testing
from temporal_charms import postgresql
from temporal_charms.databases import Database

from client import Namespace, Refused
from probe import Health

AWAY = Refused('127.0.0.1:7233 does not answer: connection refused', 'Unavailable')


@pytest.fixture
def server(monkeypatch, health) -> FakeServer:
    """A server that serves, with two namespaces."""
    health.answer = Health(True, 'serving')
    known = Namespace('orders', 'o', retention=259200, description='Orders'), Namespace('jobs', 'j', retention=86400)
    return FakeServer(*known).install(monkeypatch)


@pytest.fixture(autouse=True)
def databases(monkeypatch) -> None:
    """PostgreSQL answers for the first database, and not for the second."""

    def inspect(database: Database) -> postgresql.Inspection:
        if 'visibility' in database.endpoint.name:
            raise postgresql.Unreachable(f'cannot log in to {database.endpoint.name}: timed out')
        return postgresql.Inspection('16.9', False, 97, 20, '1.19', None)

    monkeypatch.setattr(postgresql, 'inspect', inspect)


@pytest.fixture
def told(ctx, run):
    """The report of a world, as JSON and as text."""

    def _told(state: testing.State | None = None) -> tuple[dict[str, Any], str]:
        before = run(state or world.state())
        texts = []
        for form in ('json', 'text'):
            ctx.run(ctx.on.action('status-report', params={'format': form}), before)
            texts.append(ctx.action_results['report'])
        return json.loads(texts[0]), texts[1]

    return _told


def test_given_a_server_that_serves_then_the_report_tells_everything(told, server):
    content, text = told(world.state(config={'declared-namespaces': 'orders: {}'}))

    assert content.pop('configuration-changed').endswith('+00:00')
    ((start,),) = (content.pop('restarts'),)
    assert (start['what'], start['why']) == ('start', [])
    settings = {'state': 'registered', 'owner': '', 'data': {}, 'search-attributes': {}}
    assert content == {
        'unit': 'temporal-k8s/0',
        'leader': True,
        'version': '1.32.2',
        'status': {'name': 'active', 'message': ''},
        'roles': dict.fromkeys(('frontend', 'history', 'matching', 'worker'), 'serving'),
        'cluster': {
            'name': 'active',
            'id': 'c1',
            'version': '1.32.2',
            'shards': 512,
            'persistence': 'postgres12_pgx',
            'visibility': 'postgres12_pgx',
            'members': {'frontend': ['10.1.2.3:7233'], 'history': ['10.1.2.4:7234']},
        },
        'shards': {'option': 512, 'fixed': 512},
        'databases': {
            'persistence': {
                'name': 'm_temporal_k8s',
                'host': world.HOST,
                'port': 5432,
                'tls': False,
                'reachable': True,
                'version': '16.9',
                'connections': {'used': 20, 'allowed': 97},
                'schema': {'wanted': '1.19', 'found': '1.19'},
            },
            'visibility': {
                'name': 'm_temporal_k8s_visibility',
                'host': world.HOST,
                'port': 5432,
                'tls': False,
                'reachable': False,
                'error': 'cannot log in to m_temporal_k8s_visibility: timed out',
                'schema': {'wanted': '1.14'},
            },
        },
        'connections': {'budget': '1 x 4 x (5 + 2) = 28', 'total': 28, 'allowed': None},
        'schema': {'status': 'ready', 'reason': '', 'persistence': '1.19', 'visibility': '1.14'},
        'namespaces': [
            settings | {'name': 'jobs', 'id': 'j', 'retention': '1d', 'description': '', 'declared': 'no'},
            settings | {'name': 'orders', 'id': 'o', 'retention': '3d', 'description': 'Orders', 'declared': 'yes'},
        ],
        'missing-namespaces': [],
    }
    for line in (
        'temporal-k8s/0 (leader): active',
        'server 1.32.2; history shards 512',
        '  history   10.1.2.4:7234',
        '  persistence  m_temporal_k8s on postgresql.m.svc:5432',
        '               PostgreSQL 16.9; 20 of 97 connections; schema 1.19, wanted 1.19',
        '  visibility   m_temporal_k8s_visibility on postgresql.m.svc:5432',
        '               cannot log in to m_temporal_k8s_visibility: timed out',
        '  budget  1 x 4 x (5 + 2) = 28, of an unknown number',
        '  status  ready: persistence 1.19, visibility 1.14',
        '  jobs    1d',
        '  orders  3d, Orders, declared',
    ):
        assert line in text.splitlines()
    assert world.PASSWORD not in json.dumps(content) + text


def test_given_namespaces_that_are_removed_from_the_option_or_not_there_then_the_report_says_so(
    ctx, told, run, server, health
):
    declared = run(world.state(config={'declared-namespaces': 'orders: {}'}))
    relations = [*world.without(declared.relations, 'peer'), world.only(declared, 'peer')]
    health.answer = Health(False, 'history')

    content, text = told(world.state(relations=relations, config={'declared-namespaces': 'stock: {}'}))

    assert {each['name']: each['declared'] for each in content['namespaces']} == {'jobs': 'no', 'orders': 'removed'}
    assert content['missing-namespaces'] == ['stock']
    assert '  orders  3d, Orders, no longer declared' in text.splitlines()
    assert '  stock   declared, but missing' in text.splitlines()


def test_given_a_declared_namespace_that_cannot_be_as_declared_then_the_report_says_so_as_the_status_does(told, server):
    option = 'orders: {search-attributes: {A: Keyword}}'
    server.known['orders'] = dataclasses.replace(server.known['orders'], search_attributes={'A': 'Int'})

    content, text = told(world.state(config={'declared-namespaces': option}))

    assert content['status']['name'] == 'blocked'
    assert content['status']['message'].startswith('declared-namespaces: ')
    assert text.splitlines()[0].startswith('temporal-k8s/0 (leader): blocked: declared-namespaces: ')


def test_given_a_server_that_does_not_answer_then_the_report_tells_the_rest(told, server, health):
    health.answer = Health(False, 'the server to start')
    server.refusals = {'cluster': AWAY, 'health': AWAY, 'namespaces': AWAY}

    content, text = told(world.state(config={'declared-namespaces': 'stock: {}'}))

    assert content['status'] == {'name': 'waiting', 'message': 'waiting for the server to start'}
    assert set(content['roles'].values()) == {'no answer'}
    assert content['cluster'] == content['namespaces'] == {'error': AWAY.sentence}
    assert content['missing-namespaces'] == []
    assert text.count(f'  unknown  {AWAY.sentence}') == 2
    assert content['databases']['persistence']['reachable']


def test_given_no_databases_and_no_container_then_there_is_a_report_all_the_same(told, server, health):
    server.refusals = {'cluster': AWAY, 'health': AWAY, 'namespaces': AWAY}
    state = world.state(databases='none', leader=False, containers={world.container(can_connect=False)})

    content, text = told(dataclasses.replace(state, relations=world.without(state.relations, 'admin')))

    assert content['status']['name'] == 'blocked'
    assert (content['databases'], content['restarts'], content['configuration-changed']) == ({}, [], None)
    assert text.splitlines()[:2] == [
        f'temporal-k8s/0: blocked: {content["status"]["message"]}',
        'server not known; history shards 512',
    ]
    assert '  status  nothing said' in text.splitlines()
    assert '  written  never' in text.splitlines()


def test_given_restarts_then_the_report_says_why(ctx, run, told, server):
    first = run(world.state())
    restarted = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'log-level': 'debug'}))

    ctx.run(ctx.on.action('status-report', params={'format': 'text'}), restarted)

    lines = ctx.action_results['report'].splitlines()
    assert lines[-1].endswith('  restart log-level')
