"""Before the charm works on databases, something is missing: the status names it."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
from ops import testing
from world import (
    REQUEST,
    SECRET,
    answer_of,
    container,
    file_of,
    relation,
    run_changed,
    state,
)


def test_given_a_secret_that_is_not_granted_yet_when_reconciled_then_it_waits(ctx):
    out = run_changed(ctx, secrets=[])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_a_secret_whose_grant_has_gone_when_reconciled_then_it_waits(ctx, monkeypatch):
    def denied(*_: object, **__: object) -> None:
        raise ops.ModelError('ERROR permission denied')

    monkeypatch.setattr(ops.Model, 'get_secret', denied)

    out = run_changed(ctx)

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_an_image_older_than_the_server_when_reconciled_then_both_sides_say_so(ctx):
    out = run_changed(ctx, containers={container(version='1.30.1')})

    sentence = (
        'temporal-admin-image is 1.30.1, temporal-k8s needs 1.32.2: '
        'juju attach-resource temporal-admin-k8s temporal-admin-image=IMAGE'
    )
    assert out.unit_status == ops.BlockedStatus(sentence)
    answer = answer_of(out)
    assert answer is not None
    assert answer.reason == sentence


@pytest.mark.parametrize(
    ('server', 'image', 'older'),
    [('1.33.0', '1.32.2', 'temporal-admin-k8s'), ('1.33.0', '1.33.0', 'temporal-admin-k8s'),
     ('1.30.4', '1.32.2', 'temporal-k8s')],
)  # fmt: skip
def test_given_a_server_whose_version_this_charm_does_not_know_when_reconciled_then_both_sides_say_what_to_refresh(
    ctx, server, image, older
):
    request = dataclasses.replace(REQUEST, server_version=server)

    out = run_changed(ctx, relations=[relation(request)], containers={container(version=image)})

    assert out.unit_status == ops.BlockedStatus(
        f'temporal-k8s is {server}, this revision of temporal-admin-k8s knows 1.31 and 1.32: juju refresh {older}'
    )
    answer = answer_of(out)
    assert answer is not None
    assert answer.reason == out.unit_status.message


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
            # Killed when it is asked for its version.
            {'containers': {container(testing.Exec(['temporal-sql-tool', '--version'], return_code=137))}},
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
            {'relations': [], 'containers': {container(version='1.30.1')}},
            ops.BlockedStatus('no server: juju integrate temporal-admin-k8s:admin temporal-k8s:admin'),
        ),
        (
            {'relations': [relation(None)]},
            ops.WaitingStatus('waiting for temporal-k8s to name its databases'),
        ),
        (
            {'relations': [relation(None)], 'containers': {container(version='1.30.1')}},
            ops.BlockedStatus(
                'temporal-admin-image is 1.30.1, this charm needs 1.31 and 1.32: '
                'juju attach-resource temporal-admin-k8s temporal-admin-image=IMAGE'
            ),
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

    out = run_changed(ctx, relations=[strange])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_a_secret_without_passwords_when_reconciled_then_it_waits(ctx):
    empty = testing.Secret({'something': 'else'}, id=SECRET.id)

    out = run_changed(ctx, secrets=[empty])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_a_new_password_when_the_secret_changes_then_it_is_used(ctx):
    new = {**SECRET.tracked_content, 'persistence-password': 'new'}
    changed = dataclasses.replace(SECRET, latest_content=new)

    out = ctx.run(ctx.on.secret_changed(changed), state(secrets=[changed]))

    login = file_of(ctx, out, 'databases.json')
    assert login
    assert login['persistence']['password'] == 'new'
