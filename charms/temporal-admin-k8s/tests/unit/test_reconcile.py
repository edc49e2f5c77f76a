"""The schema is brought to where the server needs it, and the server is told what stands in the databases."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
from ops import pebble, testing
from temporal_charms import admin
from temporal_charms.versions import SchemaVersions
from world import PASSWORD, REQUEST, SECRET, container, relation, state

SETUP, UPDATE = 'setup-schema', 'update-schema'


def _steps(ctx) -> list[tuple[str, str]]:
    """Which steps were run on which database."""
    return [
        (entry.command[1], entry.environment['SQL_DATABASE'])
        for entry in ctx.exec_history.get('temporal-admin', [])
        if entry.command[1] != '--version'
    ]


def _answer(out: testing.State) -> admin.Schema | None:
    (found,) = out.get_relations('admin')
    return admin.Schema.load(found.local_app_data)


def _changed(ctx, **changes) -> testing.State:
    """Run `admin-relation-changed`."""
    world = state(**changes)
    (found,) = world.get_relations('admin')
    return ctx.run(ctx.on.relation_changed(found), world)


@pytest.mark.parametrize(
    ('persistence', 'visibility', 'steps'),
    [
        (None, '1.14', [(SETUP, 'temporal'), (UPDATE, 'temporal')]),
        ('1.19', None, [(SETUP, 'temporal_visibility'), (UPDATE, 'temporal_visibility')]),
        ('0.0', '0.0', [(UPDATE, 'temporal'), (UPDATE, 'temporal_visibility')]),
        ('1.18', '1.14', [(UPDATE, 'temporal')]),
        ('1.19', '1.9', [(UPDATE, 'temporal_visibility')]),
        ('1.19', '1.14', []),
        ('1.20', '1.15', []),
    ],
)  # fmt: skip
def test_given_a_schema_when_the_server_is_known_then_what_is_missing_is_done(
    ctx, databases, persistence, visibility, steps
):
    databases.versions |= {'temporal': persistence, 'temporal_visibility': visibility}

    _changed(ctx)

    assert _steps(ctx) == steps


def test_given_a_step_when_it_runs_then_the_password_is_in_its_environment_only(ctx):
    _changed(ctx)

    for entry in ctx.exec_history['temporal-admin']:
        assert PASSWORD not in str(entry.command)
    assert ctx.exec_history['temporal-admin'][-1].environment['SQL_PASSWORD'] == PASSWORD
    assert ctx.exec_history['temporal-admin'][-1].user == 'temporal'
    assert not [line for line in ctx.juju_log if PASSWORD in line.message]


def test_given_a_schema_that_is_there_when_reconciled_then_the_server_is_told_its_versions(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}

    out = _changed(ctx)

    expected = admin.Schema(
        admin.READY, SchemaVersions('1.19', '1.14'), REQUEST.fingerprint, limits=admin.ConnectionLimits(97, 97)
    )
    assert _answer(out) == expected
    assert out.unit_status == ops.ActiveStatus()
    assert out.workload_version == '1.32.2'


def test_given_a_follower_when_reconciled_then_it_touches_neither_databases_nor_databag(ctx):
    out = _changed(ctx, leader=False)

    assert _steps(ctx) == []
    assert _answer(out) is None
    assert out.unit_status == ops.ActiveStatus()


def test_given_a_step_that_fails_when_reconciled_then_both_sides_say_why(ctx):
    failing = testing.Exec(['temporal-sql-tool', UPDATE], return_code=1, stderr='noise\nERROR: deadlock detected')

    out = _changed(ctx, containers={container(failing)})

    sentence = 'update-schema of temporal failed: ERROR: deadlock detected'
    answer = _answer(out)
    assert answer is not None
    assert (answer.status, answer.reason) == (admin.FAILED, sentence)
    assert out.unit_status == ops.BlockedStatus(f'{sentence}; see juju debug-log --include temporal-admin-k8s/0')
    assert PASSWORD not in str(answer)


def test_given_a_failed_step_when_it_succeeds_later_then_the_failure_is_forgotten(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}
    before = relation(local_app_data=admin.Schema(admin.FAILED, of='x', reason='y').dump())

    out = _changed(ctx, relations=[before])

    (found,) = out.get_relations('admin')
    assert 'schema_reason' not in found.local_app_data


def test_given_databases_that_do_not_answer_when_reconciled_then_the_status_says_so_and_no_answer_is_given(
    ctx, databases
):
    databases.problem = 'cannot log in to temporal on pg: no route'

    out = _changed(ctx)

    assert out.unit_status == ops.WaitingStatus('cannot log in to temporal on pg: no route')
    assert _answer(out) is None


def test_given_databases_that_did_not_answer_when_pebble_wakes_the_charm_then_they_are_asked_again(ctx, databases):
    databases.problem = 'cannot log in to temporal on pg: no route'
    first = _changed(ctx)
    tools = first.get_container('temporal-admin')
    assert tools.service_statuses['ask-again'] == pebble.ServiceStatus.ACTIVE
    databases.problem = ''
    notice = testing.Notice('canonical.com/temporal-admin-k8s/ask-again')
    woken = dataclasses.replace(tools, notices=[notice], service_statuses={'ask-again': pebble.ServiceStatus.INACTIVE})

    out = ctx.run(ctx.on.pebble_custom_notice(woken, notice), dataclasses.replace(first, containers={woken}))

    assert _steps(ctx)
    assert out.get_container('temporal-admin').service_statuses['ask-again'] == pebble.ServiceStatus.INACTIVE


def test_given_databases_that_still_do_not_answer_when_woken_then_the_charm_will_be_woken_again(ctx, databases):
    databases.problem = 'cannot log in to temporal on pg: no route'
    first = _changed(ctx)
    tools = first.get_container('temporal-admin')
    notice = testing.Notice('canonical.com/temporal-admin-k8s/ask-again')
    woken = dataclasses.replace(tools, notices=[notice], service_statuses={'ask-again': pebble.ServiceStatus.INACTIVE})

    out = ctx.run(ctx.on.pebble_custom_notice(woken, notice), dataclasses.replace(first, containers={woken}))

    assert out.get_container('temporal-admin').service_statuses['ask-again'] == pebble.ServiceStatus.ACTIVE


def test_given_a_secret_that_is_not_granted_yet_when_reconciled_then_it_waits(ctx):
    out = _changed(ctx, secrets=[])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_an_image_older_than_the_server_when_reconciled_then_both_sides_say_so(ctx):
    out = _changed(ctx, containers={container(version='1.30.1')})

    sentence = (
        'temporal-admin-image is 1.30.1, temporal-k8s needs 1.32.2: '
        'juju attach-resource temporal-admin-k8s temporal-admin-image=IMAGE'
    )
    assert out.unit_status == ops.BlockedStatus(sentence)
    answer = _answer(out)
    assert answer is not None
    assert answer.reason == sentence


@pytest.mark.parametrize(
    ('changes', 'status'),
    [
        (
            {'relations': []},
            ops.BlockedStatus('no server: juju integrate temporal-admin-k8s:admin temporal-k8s:admin'),
        ),
        (
            {'containers': {container(can_connect=False)}},
            ops.WaitingStatus('waiting for the container to start'),
        ),
        (
            {'containers': {container(version='')}},
            ops.BlockedStatus(
                'temporal-admin-image has no temporal-sql-tool: '
                'juju attach-resource temporal-admin-k8s temporal-admin-image=IMAGE'
            ),
        ),
        (
            {'relations': [relation(None)]},
            ops.WaitingStatus('waiting for temporal-k8s to name its databases'),
        ),
    ],
)
def test_given_something_missing_when_any_event_comes_then_the_status_names_it(ctx, changes, status):
    out = ctx.run(ctx.on.update_status(), state(**changes))

    assert out.unit_status == status


def test_given_the_server_when_it_goes_then_the_status_says_so(ctx):
    world = state()
    (found,) = world.get_relations('admin')

    out = ctx.run(ctx.on.relation_broken(found), world)

    assert isinstance(out.unit_status, ops.BlockedStatus)


def test_given_a_databag_that_cannot_be_read_when_reconciled_then_it_counts_as_silent(ctx):
    garbage = {**REQUEST.dump(), 'databases': json.dumps({'persistence': 3})}
    strange = dataclasses.replace(relation(), remote_app_data=garbage)

    out = _changed(ctx, relations=[strange])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_a_secret_without_passwords_when_reconciled_then_it_waits(ctx):
    empty = testing.Secret({'something': 'else'}, id=SECRET.id)

    out = _changed(ctx, secrets=[empty])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_a_new_password_when_the_secret_changes_then_it_is_used(ctx):
    new = {**SECRET.tracked_content, 'persistence-password': 'new'}
    changed = dataclasses.replace(SECRET, latest_content=new)

    ctx.run(ctx.on.secret_changed(changed), state(secrets=[changed]))

    assert ctx.exec_history['temporal-admin'][1].environment['SQL_PASSWORD'] == 'new'
