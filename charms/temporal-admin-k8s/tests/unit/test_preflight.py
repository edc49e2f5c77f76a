"""`preflight`: named checks, each with its result and a remedy; the first that fails is what the status says."""

from __future__ import annotations

import dataclasses
import json
from typing import cast

import pytest
from ops import testing
from temporal_charms import admin
from temporal_charms.databases import Endpoint
from world import PASSWORD, REQUEST, container, relation, state

import conditions
import preflight

TLS = {'tls': True}


def _run(ctx, world: testing.State) -> tuple[dict[str, dict], testing.State]:
    """The checks by their names, and the state after the action."""
    try:
        out = ctx.run(ctx.on.action('preflight', params={'format': 'json'}), world)
    except testing.ActionFailed as failure:
        out = cast('testing.State', failure.state)
    results = ctx.action_results or {}
    found = {check['name']: check for check in json.loads(results['checks'])}
    failed = [check for check in found.values() if check['result'] == 'failed']
    assert results['result'] == ('failed' if failed else 'passed')
    assert all(check['remedy'] for check in failed)
    assert PASSWORD not in str(results)
    return found, out


def test_given_everything_in_place_then_all_checks_pass_and_say_what_was_found(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}

    found, _ = _run(ctx, state())

    assert {check['result'] for check in found.values()} == {'passed'}
    assert list(found) == [c.name for c in conditions.CONDITIONS] + ['migration', 'tls', 'connections']
    assert found['schema']['detail'] == 'found 1.19 and 1.14, needed 1.19 and 1.14'
    assert found['persistence']['detail'] == 'PostgreSQL 15.18'
    assert found['connections']['detail'] == 'persistence: 5 of 97 used; visibility: 5 of 97 used'
    assert found['tls']['detail'].startswith('persistence: not asked for')


def test_given_a_follower_then_it_checks_what_it_can_see_and_names_the_leader_for_the_rest(ctx, databases):
    databases.versions |= {'temporal': '1.18', 'temporal_visibility': '1.14'}

    found, _ = _run(ctx, state(leader=False))

    skipped = {name: check['detail'] for name, check in found.items() if check['result'] == 'skipped'}
    sentence = 'only the leader knows: juju run temporal-admin-k8s/leader preflight'
    assert skipped == {'went-back': sentence, 'migration': sentence}
    assert {found[name]['result'] for name in found.keys() - skipped} == {'passed'}
    assert found['schema']['detail'].endswith('to be migrated: persistence from 1.18 to 1.19')


@pytest.mark.parametrize(
    ('name', 'world', 'inspections'),
    [
        ('databases', {'secrets': []}, {}),
        ('databases', {'relations': [relation(None)]}, {}),
        ('former-name', {}, {'temporal': {'former': 'old'}}),
        ('rights', {}, {'temporal': {'creates': False}}),
        ('lock', {}, {'temporal': {'locked': True}}),
    ],
)
def test_given_a_follower_and_something_wrong_then_the_check_fails_there_too(ctx, databases, name, world, inspections):
    databases.changes = inspections

    found, _ = _run(ctx, state(leader=False, **world))

    assert [check['name'] for check in found.values() if check['result'] == 'failed'] == [name]


def test_given_empty_databases_then_what_is_to_be_done_is_told_and_not_done(ctx):
    found, _ = _run(ctx, state())

    assert found['schema']['detail'].endswith(
        'to be migrated: persistence from none to 1.19, visibility from none to 1.14'
    )
    assert [entry.command[1] for entry in ctx.exec_history['temporal-admin']] == ['--version']


def test_given_every_check_then_it_has_a_remedy():
    names = {c.name for c in conditions.CONDITIONS} | {'migration', 'tls', 'connections'}

    assert set(preflight.REMEDIES) == names


FAILED = admin.Schema(admin.FAILED, of=REQUEST.fingerprint, reason='cannot migrate temporal: deadlock')


@pytest.mark.parametrize(
    ('name', 'world', 'inspections', 'skipped'),
    [
        ('admin-relation', {'relations': []}, {}, {'databases', 'persistence', 'schema', 'tls'}),
        ('container', {'containers': {container(can_connect=False)}}, {}, set()),
        ('image', {'containers': {container(version='1.30.1')}}, {}, set()),
        ('databases', {'secrets': []}, {}, {'persistence', 'visibility', 'lock', 'connections'}),
        ('former-name', {}, {'temporal': {'former': 'old'}}, {'schema', 'rights', 'lock'}),
        ('rights', {}, {'temporal': {'creates': False}}, set()),
        ('extension', {}, {'temporal_visibility': {'extends': False}}, set()),
        ('lock', {}, {'temporal': {'locked': True}}, set()),
        ('migration', {'relations': [relation(local_app_data=FAILED.dump())]}, {}, set()),
    ],
)
def test_given_something_wrong_then_its_check_is_the_first_that_fails_and_the_status_says_the_same(
    ctx, databases, name, world, inspections, skipped
):
    databases.changes = inspections

    found, out = _run(ctx, state(**world))

    failed = [check for check in found.values() if check['result'] == 'failed']
    assert failed[0]['name'] == name
    assert out.unit_status.message.startswith(failed[0]['detail'])
    assert {name for name, check in found.items() if check['result'] == 'skipped'} >= skipped


@pytest.mark.parametrize(
    ('code', 'names', 'first', 'second'),
    [
        ('', [], 'failed', 'failed'),
        ('28P01', ['temporal'], 'failed', 'passed'),
        ('3D000', ['temporal_visibility'], 'passed', 'failed'),
    ],
)
def test_given_databases_that_cannot_be_asked_then_each_is_told_and_the_rest_is_skipped(
    ctx, databases, code, names, first, second
):
    databases.refuse('cannot log in', code, *names)

    found, out = _run(ctx, state())

    assert (found['persistence']['result'], found['visibility']['result']) == (first, second)
    assert found['rights']['result'] == found['tls']['result'] == 'skipped'
    assert out.unit_status.message.startswith('cannot log in')


@pytest.mark.parametrize(('ca', 'result'), [('PEM', 'passed'), ('', 'failed')])
def test_given_tls_then_it_has_to_be_verified(ctx, databases, ca, result):
    databases.versions['vis'] = None
    databases.changes = {'temporal': TLS, 'vis': TLS}
    persistence, visibility = (Endpoint('pg', 5432, name, tls=True, ca=ca) for name in ('temporal', 'vis'))
    request = dataclasses.replace(REQUEST, persistence=persistence, visibility=visibility)

    found, _ = _run(ctx, state(relations=[relation(request)]))

    assert found['tls']['result'] == result


@pytest.mark.parametrize(('encrypted', 'detail'), [(True, 'but encrypted'), (False, 'and not encrypted')])
def test_given_a_relation_that_cannot_ask_for_tls_then_the_check_passes_and_tells_what_is_so(
    ctx, databases, encrypted, detail
):
    databases.changes = {name: {'tls': encrypted} for name in ('temporal', 'temporal_visibility')}

    found, _ = _run(ctx, state())

    assert found['tls']['result'] == 'passed'
    told = f'not asked for by the relation, {detail}'
    assert found['tls']['detail'] == f'persistence: {told}; visibility: {told}'


def test_given_too_few_connections_then_the_check_fails_with_the_numbers(ctx, databases):
    databases.changes = {'temporal': {'used': 95}}

    found, _ = _run(ctx, state())

    assert found['connections']['result'] == 'failed'
    assert found['connections']['detail'].startswith('persistence: 95 of 97 used')


def test_given_text_then_each_check_is_a_line_and_a_remedy_stands_below_what_failed(ctx):
    with pytest.raises(testing.ActionFailed) as failure:
        ctx.run(ctx.on.action('preflight', params={'format': 'text'}), state(relations=[]))

    lines = (ctx.action_results or {})['checks'].splitlines()
    assert lines[0].startswith('admin-relation failed  no server: juju integrate')
    assert lines[1] == f'{"":<15}remedy: {preflight.REMEDIES["admin-relation"]}'
    assert lines[2] == 'container      passed'
    assert failure.value.message.startswith('admin-relation: no server')
