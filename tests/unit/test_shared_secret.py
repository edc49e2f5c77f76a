"""The secret by which the admin charm gets the databases' credentials: one, the leader's, and never out of date."""

from __future__ import annotations

import dataclasses

import world
from ops import testing


def test_given_databases_when_admin_is_related_then_it_is_told_where_they_are_and_gets_a_secret(ctx, run):
    out = run(world.state())

    relation = world.only(out, 'admin')
    assert world.answered(relation, 'databases')['persistence'] == {
        'host': world.HOST, 'port': 5432, 'name': 'm_temporal_k8s', 'tls': False, 'ca': '',
    }  # fmt: skip
    assert relation.local_app_data['server_version'] == '1.32.2'
    assert world.answered(relation, 'frontend')['host'] == 'temporal-k8s.m.svc.cluster.local'
    secret = out.get_secret(id=relation.local_app_data['credentials'])
    assert secret.latest_content['visibility-password'] == world.PASSWORD
    assert secret.remote_grants == {relation.id: {'temporal-admin-k8s'}}


def test_given_a_shared_secret_when_reconciled_again_then_there_is_still_one(ctx, run):
    first = run(world.state())

    second = ctx.run(ctx.on.config_changed(), first)

    assert len([s for s in second.secrets if s.label == 'admin-credentials']) == 1
    assert world.only(second, 'admin').local_app_data == world.only(first, 'admin').local_app_data


def test_given_admin_related_anew_when_reconciled_then_the_same_secret_is_granted_to_it(ctx, run):
    first = run(world.state())
    relations = [*world.without(first.relations, 'admin'), world.admin_relation()]

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, relations=relations))

    relation = world.only(second, 'admin')
    secret = second.get_secret(id=relation.local_app_data['credentials'])
    assert relation.id in secret.remote_grants


def test_given_a_new_password_when_reconciled_then_the_secret_has_a_new_revision(ctx, run):
    first = run(world.state())
    relations = [
        dataclasses.replace(
            r, remote_units_data={0: _with_password(r, 'new')}, remote_app_data=_with_password(r, 'new')
        )
        if r.endpoint == 'db'
        else r
        for r in first.relations
    ]

    second = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, relations=relations))

    uri = world.only(second, 'admin').local_app_data['credentials']
    assert second.get_secret(id=uri).latest_content['persistence-password'] == 'new'


def test_given_an_old_revision_of_the_secret_when_nobody_reads_it_then_it_is_removed(ctx):
    secret = testing.Secret({'a': 'b'}, owner='app', label='admin-credentials')

    # Every secret of ops.testing is at revision 1, which may not be removed.
    ctx.run(ctx.on.secret_remove(secret, revision=7), world.state(secrets=[secret]))

    assert ctx.removed_secret_revisions == [7]


def test_given_an_old_revision_of_the_secret_when_the_leader_was_deposed_then_it_is_left_to_the_next_one(ctx):
    secret = testing.Secret({'a': 'b'}, owner='app', label='admin-credentials')

    ctx.run(ctx.on.secret_remove(secret, revision=7), world.state(secrets=[secret], leader=False))

    assert ctx.removed_secret_revisions == []


def _with_password(relation, password: str) -> dict[str, str]:
    data = dict(relation.remote_app_data)
    data['master'] = f'dbname={data["database"]} host={world.HOST} password={password} port=5432 user=relation_id_1'
    return data


def test_given_another_leader_before_when_elected_then_the_shared_secret_is_looked_at_anew(ctx, run):
    first = ctx.run(ctx.on.config_changed(), run(world.state()))
    uri = world.only(first, 'admin').local_app_data['credentials']
    stale = {**first.get_secret(id=uri).latest_content, 'persistence-password': 'of another leader'}
    secrets = [dataclasses.replace(s, latest_content=stale) if s.id == uri else s for s in first.secrets]
    elsewhere = dataclasses.replace(first, secrets=secrets)

    assert ctx.run(ctx.on.config_changed(), elsewhere).get_secret(id=uri).latest_content == stale
    out = ctx.run(ctx.on.leader_elected(), elsewhere)

    assert out.get_secret(id=uri).latest_content['persistence-password'] == world.PASSWORD


def test_given_a_shared_secret_that_is_gone_when_reconciled_then_there_is_a_new_one(ctx, run):
    first = ctx.run(ctx.on.config_changed(), run(world.state()))
    gone = dataclasses.replace(first, secrets=[s for s in first.secrets if s.owner is None])

    out = ctx.run(ctx.on.leader_elected(), gone)

    (secret,) = (secret for secret in out.secrets if secret.owner == 'app')
    relation = world.only(out, 'admin')
    assert relation.local_app_data['credentials'] == secret.id
    assert secret.remote_grants == {relation.id: {'temporal-admin-k8s'}}
    assert secret.latest_content['persistence-password'] == world.PASSWORD
