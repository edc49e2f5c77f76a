"""The schema is brought to where the server needs it, and the server is told what stands in the databases."""

from __future__ import annotations

import dataclasses

import ops
import pytest
from ops import pebble, testing
from temporal_charms import admin
from temporal_charms.databases import Endpoint
from world import (
    PASSWORD,
    PERSISTENCE,
    READY,
    REQUEST,
    VISIBILITY,
    answer_of,
    container,
    file_of,
    known_to_watcher,
    migrations,
    relation,
    run_changed,
)


@pytest.mark.parametrize(
    ('persistence', 'visibility', 'worked_on'),
    [
        (None, '1.14', [PERSISTENCE]),
        ('1.19', None, [VISIBILITY]),
        ('0.0', '0.0', [PERSISTENCE, VISIBILITY]),
        ('1.18', '1.14', [PERSISTENCE]),
        ('1.19', '1.9', [VISIBILITY]),
        ('1.19', '1.14', []),
        ('1.20', '1.15', []),
    ],
)
def test_given_a_schema_when_the_server_is_known_then_what_is_missing_is_done(
    ctx, databases, persistence, visibility, worked_on
):
    databases.versions |= {'temporal': persistence, 'temporal_visibility': visibility}

    out = run_changed(ctx)

    assert migrations(ctx) == worked_on
    answer = answer_of(out)
    assert answer is not None
    assert answer.status == admin.READY
    assert out.unit_status == ops.ActiveStatus()


def test_given_empty_databases_when_migrated_then_the_status_said_so_meanwhile(ctx):
    out = run_changed(ctx)

    assert ops.MaintenanceStatus('migrating persistence from none to 1.19, visibility from none to 1.14') in [
        *ctx.unit_status_history,
        out.unit_status,
    ]
    assert out.unit_status == ops.ActiveStatus()


def test_given_a_migration_then_passwords_stand_in_one_file_only(ctx):
    out = run_changed(ctx)

    for entry in ctx.exec_history['temporal-admin']:
        assert PASSWORD not in str(entry.command)
        assert PASSWORD not in str(entry.environment)
    assert not [line for line in ctx.juju_log if PASSWORD in line.message]
    assert PASSWORD not in str(out.get_container('temporal-admin').plan.to_dict())
    assert PASSWORD not in str(answer_of(out))
    assert file_of(ctx, out, 'databases.json') == {
        'persistence': {'host': 'pg', 'port': 5432, 'name': 'temporal', 'tls': False, 'ca': '',
                        'user': 'u1', 'password': PASSWORD},
        'visibility': {'host': 'pg', 'port': 5432, 'name': 'temporal_visibility', 'tls': False, 'ca': '',
                       'user': 'u2', 'password': PASSWORD},
    }  # fmt: skip


def test_given_an_authority_of_the_databases_then_the_tool_gets_it_as_a_file(ctx):
    tls = dataclasses.replace(REQUEST, persistence=Endpoint('pg', 5432, 'temporal', tls=True, ca='PEM'))

    out = run_changed(ctx, relations=[relation(tls)])

    login = file_of(ctx, out, 'databases.json')
    assert login
    assert login['persistence']['ca-file'] == '/etc/temporal-charm/persistence-ca.pem'
    folder = out.get_container('temporal-admin').get_filesystem(ctx) / 'etc/temporal-charm'
    assert (folder / 'persistence-ca.pem').read_text() == 'PEM'


def test_given_a_schema_that_is_there_when_reconciled_then_the_server_is_told_all_about_it(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}

    out = run_changed(ctx)

    assert answer_of(out) == READY
    assert out.unit_status == ops.ActiveStatus()
    assert out.workload_version == '1.32.2'
    assert known_to_watcher(ctx, out) == ('1.19', '1.14', 0)
    tools = out.get_container('temporal-admin')
    assert tools.service_statuses['temporal-schema'] == pebble.ServiceStatus.ACTIVE


def test_given_an_older_image_when_the_schema_suffices_then_the_server_may_run_all_the_same(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}

    out = run_changed(ctx, containers={container(version='')})

    assert answer_of(out) == READY
    assert isinstance(out.unit_status, ops.BlockedStatus)


def test_given_a_follower_when_reconciled_then_it_touches_neither_databases_nor_databag(ctx, databases):
    databases.refuse('never asked')

    out = run_changed(ctx, leader=False)

    assert migrations(ctx) == []
    assert answer_of(out) is None
    assert file_of(ctx, out, 'databases.json') is None
    assert out.get_container('temporal-admin').plan.services == {}
    assert out.unit_status == ops.ActiveStatus()


@pytest.mark.parametrize('why', ['another leader', 'no server'])
def test_given_a_watcher_when_this_unit_has_nothing_to_watch_any_more_then_it_ends_and_forgets_passwords(ctx, why):
    first = run_changed(ctx)
    world = dataclasses.replace(first, leader=why != 'another leader')
    (found,) = world.get_relations('admin')

    out = ctx.run(ctx.on.relation_broken(found) if why == 'no server' else ctx.on.update_status(), world)

    tools = out.get_container('temporal-admin')
    assert tools.service_statuses['temporal-schema'] == pebble.ServiceStatus.INACTIVE
    assert file_of(ctx, out, 'databases.json') is None


def test_given_a_follower_that_was_cut_off_as_the_leader_when_reconciled_then_it_forgets_passwords(ctx, tmp_path):
    (tmp_path / 'databases.json').write_text('{}')
    mounts = {'charm': testing.Mount(location='/etc/temporal-charm', source=tmp_path)}

    run_changed(ctx, leader=False, containers={dataclasses.replace(container(), mounts=mounts)})

    assert not (tmp_path / 'databases.json').exists()


def test_given_limits_of_connections_then_the_watcher_knows_them_and_the_server_is_told(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'allowed': 20}}

    out = run_changed(ctx)

    known, answer = file_of(ctx, out, 'known.json'), answer_of(out)
    assert known and known['states'] == {'persistence': '1.19@20', 'visibility': '1.14@97'}
    assert answer and answer.limits == admin.ConnectionLimits(20, 97)
