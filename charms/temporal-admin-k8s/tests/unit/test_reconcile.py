"""The schema is brought to where the server needs it, and the server is told what stands in the databases."""

from __future__ import annotations

import dataclasses
import json
from typing import cast

import ops
import pytest
from ops import pebble, testing
from temporal_charms import admin
from temporal_charms.databases import Endpoint
from temporal_charms.versions import SchemaVersions
from world import PASSWORD, REQUEST, SECRET, TOOL, container, relation, run, state

from workload import Workload

PERSISTENCE, VISIBILITY = 'persistence=postgresql/v12/temporal', 'visibility=postgresql/v12/visibility'
LIMITS = admin.ConnectionLimits(97, 97)
READY = admin.Schema(admin.READY, SchemaVersions('1.19', '1.14'), REQUEST.fingerprint, '', LIMITS, 512)


def _migrated(ctx) -> list[str]:
    """Which databases were worked on."""
    return [
        argument
        for entry in ctx.exec_history.get('temporal-admin', [])
        if entry.command[:2] == TOOL[:2]
        for argument in entry.command[len(TOOL) :]
    ]


def _answer(out: testing.State) -> admin.Schema | None:
    (found,) = out.get_relations('admin')
    return admin.Schema.load(found.local_app_data)


def _changed(ctx, told: admin.Schema | None = None, **changes) -> testing.State:
    """Run `admin-relation-changed`."""
    changes.setdefault('relations', [relation(local_app_data=told.dump() if told else {})])
    world = state(**changes)
    (found,) = world.get_relations('admin')
    return ctx.run(ctx.on.relation_changed(found), world)


def _file(ctx, out: testing.State, name: str) -> dict | None:
    """What the charm wrote for the watcher."""
    path = out.get_container('temporal-admin').get_filesystem(ctx) / 'etc/temporal-charm' / name
    return json.loads(path.read_text()) if path.exists() else None


def _known(ctx, out: testing.State) -> tuple[str, str, int]:
    known = _file(ctx, out, 'known.json')
    assert known
    return known['states']['persistence'], known['states']['visibility'], known['again']


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

    out = _changed(ctx)

    assert _migrated(ctx) == worked_on
    answer = _answer(out)
    assert answer is not None
    assert answer.status == admin.READY
    assert out.unit_status == ops.ActiveStatus()


def test_given_empty_databases_when_migrated_then_the_status_said_so_meanwhile(ctx):
    out = _changed(ctx)

    assert ops.MaintenanceStatus('migrating persistence from none to 1.19, visibility from none to 1.14') in [
        *ctx.unit_status_history,
        out.unit_status,
    ]
    assert out.unit_status == ops.ActiveStatus()


def test_given_a_migration_then_passwords_stand_in_one_file_only(ctx):
    out = _changed(ctx)

    for entry in ctx.exec_history['temporal-admin']:
        assert PASSWORD not in str(entry.command)
        assert PASSWORD not in str(entry.environment)
    assert not [line for line in ctx.juju_log if PASSWORD in line.message]
    assert PASSWORD not in str(out.get_container('temporal-admin').plan.to_dict())
    assert PASSWORD not in str(_answer(out))
    assert _file(ctx, out, 'databases.json') == {
        'persistence': {'host': 'pg', 'port': 5432, 'name': 'temporal', 'tls': False, 'ca': '',
                        'user': 'u1', 'password': PASSWORD},
        'visibility': {'host': 'pg', 'port': 5432, 'name': 'temporal_visibility', 'tls': False, 'ca': '',
                       'user': 'u2', 'password': PASSWORD},
    }  # fmt: skip


def test_given_an_authority_of_the_databases_then_the_tool_gets_it_as_a_file(ctx):
    tls = dataclasses.replace(REQUEST, persistence=Endpoint('pg', 5432, 'temporal', tls=True, ca='PEM'))

    out = _changed(ctx, relations=[relation(tls)])

    login = _file(ctx, out, 'databases.json')
    assert login
    assert login['persistence']['ca-file'] == '/etc/temporal-charm/persistence-ca.pem'
    folder = out.get_container('temporal-admin').get_filesystem(ctx) / 'etc/temporal-charm'
    assert (folder / 'persistence-ca.pem').read_text() == 'PEM'


def test_given_a_schema_that_is_there_when_reconciled_then_the_server_is_told_all_about_it(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}

    out = _changed(ctx)

    assert _answer(out) == READY
    assert out.unit_status == ops.ActiveStatus()
    assert out.workload_version == '1.32.2'
    assert _known(ctx, out) == ('1.19', '1.14', 0)
    tools = out.get_container('temporal-admin')
    assert tools.service_statuses['temporal-schema'] == pebble.ServiceStatus.ACTIVE


def test_given_an_older_image_when_the_schema_suffices_then_the_server_may_run_all_the_same(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}

    out = _changed(ctx, containers={container(version='')})

    assert _answer(out) == READY
    assert isinstance(out.unit_status, ops.BlockedStatus)


def test_given_a_follower_when_reconciled_then_it_touches_neither_databases_nor_databag(ctx, databases):
    databases.refuse('never asked')

    out = _changed(ctx, leader=False)

    assert _migrated(ctx) == []
    assert _answer(out) is None
    assert _file(ctx, out, 'databases.json') is None
    assert out.get_container('temporal-admin').plan.services == {}
    assert out.unit_status == ops.ActiveStatus()


@pytest.mark.parametrize('why', ['another leader', 'no server'])
def test_given_a_watcher_when_this_unit_has_nothing_to_watch_any_more_then_it_ends_and_forgets_passwords(ctx, why):
    first = _changed(ctx)
    world = dataclasses.replace(first, leader=why != 'another leader')
    (found,) = world.get_relations('admin')

    out = ctx.run(ctx.on.relation_broken(found) if why == 'no server' else ctx.on.update_status(), world)

    tools = out.get_container('temporal-admin')
    assert tools.service_statuses['temporal-schema'] == pebble.ServiceStatus.INACTIVE
    assert _file(ctx, out, 'databases.json') is None


def test_given_a_follower_that_was_cut_off_as_the_leader_when_reconciled_then_it_forgets_passwords(ctx, tmp_path):
    (tmp_path / 'databases.json').write_text('{}')
    mounts = {'charm': testing.Mount(location='/etc/temporal-charm', source=tmp_path)}

    _changed(ctx, leader=False, containers={dataclasses.replace(container(), mounts=mounts)})

    assert not (tmp_path / 'databases.json').exists()


def _failing(reason: str = 'update-schema: ERROR: deadlock detected') -> testing.Exec:
    reports = ({'database': 'persistence', 'status': 'failed', 'reason': reason},)
    return run(*reports, {'database': 'visibility', 'status': 'done'}, status=1, messages='noise\nwhat the tool said')


def test_given_a_migration_that_fails_when_reconciled_then_both_sides_say_why_and_it_is_tried_again(ctx, databases):
    out = _changed(ctx, containers={container(_failing())})

    sentence = 'cannot migrate temporal: update-schema: ERROR: deadlock detected'
    answer = _answer(out)
    assert answer is not None
    assert (answer.status, answer.reason) == (admin.FAILED, sentence)
    assert out.unit_status == ops.BlockedStatus(f'{sentence}; see juju debug-log --include temporal-admin-k8s/0')
    assert [line for line in ctx.juju_log if 'what the tool said' in line.message]
    assert _known(ctx, out) == ('0.0', '0.0', 60)


def test_given_a_migration_that_failed_when_another_event_tries_nothing_then_the_status_still_says_why(ctx):
    told = admin.Schema(admin.FAILED, SchemaVersions('0.0', '0.0'), REQUEST.fingerprint, 'cannot migrate temporal: x')
    world = state(relations=[relation(local_app_data=told.dump())])

    with pytest.raises(testing.ActionFailed) as failure:
        ctx.run(ctx.on.action('preflight', params={'format': 'text'}), world)

    out = cast('testing.State', failure.value.state)
    assert out.unit_status.message.startswith('cannot migrate temporal: x; see juju debug-log')


@pytest.mark.parametrize('told', [{}, admin.Schema(admin.MIGRATING, of=REQUEST.fingerprint, reason='stop').dump()])
def test_given_a_schema_still_to_be_made_when_an_event_tries_nothing_then_the_status_says_so(ctx, told):
    world = state(relations=[relation(local_app_data=told)])

    out = ctx.run(ctx.on.action('preflight', params={'format': 'text'}), world)

    assert out.unit_status == ops.WaitingStatus(
        'waiting to migrate persistence from none to 1.19, visibility from none to 1.14'
    )


def test_given_a_tool_that_ends_without_a_word_when_reconciled_then_the_failure_is_told_all_the_same(ctx):
    broken = testing.Exec(TOOL, return_code=2, stdout='', stderr='user: unknown user temporal')

    out = _changed(ctx, containers={container(broken)})

    assert out.unit_status.message.startswith('cannot migrate user: unknown user temporal; see')


def test_given_a_failed_migration_when_it_succeeds_later_then_the_failure_is_forgotten(ctx, databases):
    out = _changed(ctx, admin.Schema(admin.FAILED, of=REQUEST.fingerprint, reason='y'))

    assert _answer(out) == READY


def test_given_another_job_that_began_meanwhile_when_reconciled_then_it_goes_on_soon(ctx, databases):
    databases.stuck = True

    out = _changed(ctx, containers={container(run(status=75))})

    assert out.unit_status.message.startswith('waiting to migrate')
    assert _known(ctx, out) == ('0.0', '0.0', 1)
    assert _answer(out) is None


@pytest.mark.parametrize('told', [None, dataclasses.replace(READY, versions=SchemaVersions('1.18', '1.14'))])
def test_given_somebody_who_works_on_a_schema_when_reconciled_then_it_waits_for_the_end(ctx, databases, told):
    databases.versions |= {'temporal': '1.18', 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'locked': True}}

    out = _changed(ctx, told)

    assert _migrated(ctx) == []
    assert out.unit_status == ops.WaitingStatus('another unit or an earlier hook is migrating the schema (persistence)')
    answer = _answer(out)
    assert answer is not None
    assert (answer.status, answer.versions) == (admin.MIGRATING, SchemaVersions('1.18', '1.14'))
    assert _known(ctx, out) == ('busy', '1.14', 0)


@pytest.mark.parametrize(('told', 'kept'), [(None, None), (READY, READY), (dataclasses.replace(READY, of='x'), None)])
def test_given_databases_that_do_not_answer_when_reconciled_then_the_status_says_so_and_nothing_is_taken_back(
    ctx, databases, told, kept
):
    databases.refuse('cannot log in to temporal on pg: no route')

    out = _changed(ctx, told)

    assert out.unit_status == ops.WaitingStatus('cannot log in to temporal on pg: no route')
    assert _answer(out) == kept
    assert _known(ctx, out) == ('!', '!', 0)


def test_given_a_login_that_is_refused_when_reconciled_then_the_watcher_knows_the_kind(ctx, databases):
    databases.refuse('cannot log in', '28P01', 'temporal')

    out = _changed(ctx)

    assert _known(ctx, out) == ('!28', '0.0', 0)


def test_given_databases_that_did_not_answer_when_the_watcher_wakes_the_charm_then_they_are_asked_again(ctx, databases):
    databases.refuse('cannot log in to temporal on pg: no route')
    first = _changed(ctx)
    databases.refusals = {}
    notice = testing.Notice('canonical.com/temporal-admin-k8s/schema')
    woken = dataclasses.replace(first.get_container('temporal-admin'), notices=[notice])

    out = ctx.run(ctx.on.pebble_custom_notice(woken, notice), dataclasses.replace(first, containers={woken}))

    assert _migrated(ctx) == [PERSISTENCE, VISIBILITY]
    assert _answer(out) == READY
    assert _known(ctx, out) == ('1.19', '1.14', 0)


@pytest.mark.parametrize('told', [None, READY])
def test_given_a_database_that_was_dropped_when_reconciled_then_both_sides_say_so(ctx, databases, told):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}
    databases.refuse('there is no database temporal on pg', '3D000', 'temporal')

    out = _changed(ctx, told)

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.unit_status.message.startswith('there is no database temporal on pg: restore it')
    answer = _answer(out)
    assert answer is not None
    assert (answer.status, answer.versions) == (admin.FAILED, SchemaVersions('0.0', '1.14'))
    assert _known(ctx, out) == ('!3D', '1.14', 0)


@pytest.mark.parametrize('persistence', ['1.18', None])
def test_given_a_schema_that_went_back_when_reconciled_then_the_server_stops_before_it_is_migrated(
    ctx, databases, persistence
):
    databases.versions |= {'temporal': persistence, 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'serving': 4}, 'temporal_visibility': {'serving': 3}}

    first = _changed(ctx, READY)

    assert _migrated(ctx) == []
    sentence = (
        f'the schema is older than it was (persistence {persistence or "0.0"}, visibility 1.14): '
        'waiting for temporal-k8s to stop (7 connections)'
    )
    assert first.unit_status == ops.WaitingStatus(sentence)
    answer = _answer(first)
    assert answer is not None
    assert (answer.status, answer.versions, answer.reason) == (
        admin.MIGRATING,
        SchemaVersions(persistence or '0.0', '1.14'),
        sentence,
    )
    known = _file(ctx, first, 'known.json')
    assert known
    assert (known['again'], known['unused']) == (60, True)

    second = ctx.run(ctx.on.update_status(), first)
    assert _migrated(ctx) == []
    assert second.unit_status == ops.WaitingStatus(sentence)

    databases.changes = {}
    out = ctx.run(ctx.on.update_status(), second)

    assert _migrated(ctx) == [PERSISTENCE]
    assert _answer(out) == READY


@pytest.mark.parametrize('status', [admin.READY, admin.MIGRATING])
def test_given_a_server_that_needs_more_than_before_when_reconciled_then_it_is_migrated_at_once(ctx, databases, status):
    databases.versions |= {'temporal': '1.18', 'temporal_visibility': '1.14'}
    # Units that still run the version before can work with either schema.
    databases.changes = {'temporal': {'serving': 4}}

    _changed(ctx, admin.Schema(status, SchemaVersions('1.18', '1.14'), REQUEST.fingerprint))

    assert _migrated(ctx) == [PERSISTENCE]


@pytest.mark.parametrize(
    ('version', 'found', 'changes', 'sentence'),
    [
        ('1.31.2', '1.20', {}, 'of a release more than one minor after 1.31.2'),
        ('1.32.2', '1.20', {'oldest': '1.20'}, 'serves nothing older than 1.20 and 0.1'),
    ],
)
def test_given_a_schema_that_is_too_new_when_reconciled_then_both_sides_say_so(
    ctx, databases, version, found, changes, sentence
):
    databases.versions |= {'temporal': found, 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': changes}

    out = _changed(ctx, relations=[relation(dataclasses.replace(REQUEST, server_version=version))])

    answer = _answer(out)
    assert answer is not None
    assert answer.status == admin.FAILED
    assert sentence in answer.reason
    assert out.unit_status == ops.BlockedStatus(answer.reason)


@pytest.mark.parametrize(
    ('database', 'flag', 'sentence'),
    [
        ('temporal', 'creates', 'the login may not create tables (persistence): GRANT CREATE'),
        ('temporal_visibility', 'extends', 'visibility needs the extension btree_gin'),
    ],
)
def test_given_a_login_without_rights_when_a_schema_is_to_be_made_then_both_sides_say_what_to_grant(
    ctx, databases, database, flag, sentence
):
    databases.changes = {database: {flag: False}}

    out = _changed(ctx)

    assert _migrated(ctx) == []
    answer = _answer(out)
    assert answer is not None
    assert answer.reason.startswith(sentence)
    assert out.unit_status == ops.BlockedStatus(answer.reason)
    assert _known(ctx, out)[2] == 60


def test_given_a_login_without_rights_when_nothing_is_to_be_made_then_it_does_not_matter(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'creates': False}}

    assert _changed(ctx).unit_status == ops.ActiveStatus()


def test_given_a_migration_then_the_watcher_knows_of_it_before_it_begins(ctx, databases, monkeypatch):
    databases.versions |= {'temporal': '1.18', 'temporal_visibility': '1.14'}
    written = []
    migrate, write = Workload.migrate, Workload.write
    monkeypatch.setattr(Workload, 'write', lambda self, files: (written.extend(files), write(self, files)))
    monkeypatch.setattr(Workload, 'migrate', lambda self, steps: (written.append('begins'), migrate(self, steps)))

    _changed(ctx)

    (known, begins) = written
    assert json.loads(known.content)['states'] == {'persistence': 'busy', 'visibility': '1.14'}
    assert begins == 'begins'


def test_given_a_container_that_goes_away_during_a_migration_then_the_charm_waits_for_it(ctx, monkeypatch):
    def gone(self, *_: object, **__: object) -> None:
        monkeypatch.setattr(ops.Container, 'can_connect', lambda _: False)
        raise pebble.ConnectionError('gone')

    monkeypatch.setattr(ops.Container, 'exec', gone)
    monkeypatch.setattr('facts.image_version', lambda *_: (1, 32, 2))
    monkeypatch.setattr('world.Databases.migrate', lambda *_: None)

    out = _changed(ctx)

    assert out.unit_status == ops.WaitingStatus('waiting for the container to start')
    assert _answer(out) is None


def test_given_a_leader_that_is_none_any_more_after_a_migration_then_it_writes_nothing(ctx, monkeypatch):
    migrate = Workload.migrate

    def deposed(self, steps) -> None:
        migrate(self, steps)
        monkeypatch.setattr(ops.Unit, 'is_leader', lambda _: False)

    monkeypatch.setattr(Workload, 'migrate', deposed)

    out = _changed(ctx)

    assert _answer(out) is None
    assert out.unit_status == ops.ActiveStatus()


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

    out = _changed(ctx, relations=[strange])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_a_secret_without_passwords_when_reconciled_then_it_waits(ctx):
    empty = testing.Secret({'something': 'else'}, id=SECRET.id)

    out = _changed(ctx, secrets=[empty])

    assert out.unit_status == ops.WaitingStatus('waiting for temporal-k8s to name its databases')


def test_given_a_new_password_when_the_secret_changes_then_it_is_used(ctx):
    new = {**SECRET.tracked_content, 'persistence-password': 'new'}
    changed = dataclasses.replace(SECRET, latest_content=new)

    out = ctx.run(ctx.on.secret_changed(changed), state(secrets=[changed]))

    login = _file(ctx, out, 'databases.json')
    assert login
    assert login['persistence']['password'] == 'new'
