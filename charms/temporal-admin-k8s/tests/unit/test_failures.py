"""What goes wrong with schemas and databases is told to both sides, and put right when it can be."""

from __future__ import annotations

import dataclasses
import json
from typing import cast

import ops
import pytest
from ops import pebble, testing
from temporal_charms import admin
from temporal_charms.versions import SchemaVersions
from world import (
    PERSISTENCE,
    READY,
    REQUEST,
    TOOL,
    VISIBILITY,
    answer_of,
    container,
    file_of,
    known_to_watcher,
    migrations,
    relation,
    run,
    run_changed,
    state,
)

from workload import Workload


def _failing(reason: str = 'update-schema: ERROR: deadlock detected') -> testing.Exec:
    reports = ({'database': 'persistence', 'status': 'failed', 'reason': reason},)
    return run(*reports, {'database': 'visibility', 'status': 'done'}, status=1, messages='noise\nwhat the tool said')


def test_given_a_migration_that_fails_when_reconciled_then_both_sides_say_why_and_it_is_tried_again(ctx, databases):
    out = run_changed(ctx, containers={container(_failing())})

    sentence = 'cannot migrate temporal: update-schema: ERROR: deadlock detected'
    answer = answer_of(out)
    assert answer is not None
    assert (answer.status, answer.reason) == (admin.FAILED, sentence)
    assert out.unit_status == ops.BlockedStatus(f'{sentence}; see juju debug-log --include temporal-admin-k8s/0')
    assert [line for line in ctx.juju_log if 'what the tool said' in line.message]
    assert known_to_watcher(ctx, out) == ('0.0', '0.0', 60)


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

    out = run_changed(ctx, containers={container(broken)})

    assert out.unit_status.message.startswith('cannot migrate user: unknown user temporal; see')


def test_given_a_failed_migration_when_it_succeeds_later_then_the_failure_is_forgotten(ctx, databases):
    out = run_changed(ctx, admin.Schema(admin.FAILED, of=REQUEST.fingerprint, reason='y'))

    assert answer_of(out) == READY


def test_given_another_job_that_began_meanwhile_when_reconciled_then_it_goes_on_soon(ctx, databases):
    databases.stuck = True

    out = run_changed(ctx, containers={container(run(status=75))})

    assert out.unit_status.message.startswith('waiting to migrate')
    assert known_to_watcher(ctx, out) == ('0.0', '0.0', 1)
    assert answer_of(out) is None


@pytest.mark.parametrize('told', [None, dataclasses.replace(READY, versions=SchemaVersions('1.18', '1.14'))])
def test_given_somebody_who_works_on_a_schema_when_reconciled_then_it_waits_for_the_end(ctx, databases, told):
    databases.versions |= {'temporal': '1.18', 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'locked': True}}

    out = run_changed(ctx, told)

    assert migrations(ctx) == []
    assert out.unit_status == ops.WaitingStatus('another unit or an earlier hook is migrating the schema (persistence)')
    answer = answer_of(out)
    assert answer is not None
    assert (answer.status, answer.versions) == (admin.MIGRATING, SchemaVersions('1.18', '1.14'))
    assert known_to_watcher(ctx, out) == ('busy', '1.14', 0)


@pytest.mark.parametrize(('told', 'kept'), [(None, None), (READY, READY), (dataclasses.replace(READY, of='x'), None)])
def test_given_databases_that_do_not_answer_when_reconciled_then_the_status_says_so_and_nothing_is_taken_back(
    ctx, databases, told, kept
):
    databases.refuse('cannot log in to temporal on pg: no route')

    out = run_changed(ctx, told)

    assert out.unit_status == ops.WaitingStatus('cannot log in to temporal on pg: no route')
    assert answer_of(out) == kept
    assert known_to_watcher(ctx, out) == ('!', '!', 0)


def test_given_a_login_that_is_refused_when_reconciled_then_the_watcher_knows_the_kind(ctx, databases):
    databases.refuse('cannot log in', '28P01', 'temporal')

    out = run_changed(ctx)

    assert known_to_watcher(ctx, out) == ('!28', '0.0', 0)


@pytest.mark.parametrize(
    ('code', 'remedy'),
    [
        ('42501', 'in this database REASSIGN OWNED BY the former role TO u2, or GRANT it what it lacks'),
        ('28000', 'let u2 log in, in pg_hba.conf from the addresses of the pods'),
    ],
)
def test_given_a_refusal_that_only_a_person_ends_when_reconciled_then_both_sides_say_how(ctx, databases, code, remedy):
    databases.refuse('cannot ask temporal_visibility on pg: no', code, 'temporal_visibility')

    out = run_changed(ctx)

    assert migrations(ctx) == []
    assert out.unit_status == ops.BlockedStatus(f'cannot ask temporal_visibility on pg: no: {remedy}')
    answer = answer_of(out)
    assert answer is not None
    assert (answer.status, answer.reason) == (admin.FAILED, out.unit_status.message)


def test_given_databases_that_did_not_answer_when_the_watcher_wakes_the_charm_then_they_are_asked_again(ctx, databases):
    databases.refuse('cannot log in to temporal on pg: no route')
    first = run_changed(ctx)
    databases.refusals = {}
    notice = testing.Notice('canonical.com/temporal-admin-k8s/schema')
    woken = dataclasses.replace(first.get_container('temporal-admin'), notices=[notice])

    out = ctx.run(ctx.on.pebble_custom_notice(woken, notice), dataclasses.replace(first, containers={woken}))

    assert migrations(ctx) == [PERSISTENCE, VISIBILITY]
    assert answer_of(out) == READY
    assert known_to_watcher(ctx, out) == ('1.19', '1.14', 0)


def test_given_a_certificate_of_another_authority_when_reconciled_then_blocked_says_what_to_do(ctx, databases):
    databases.refuse('pg is refused: its certificate is not by the authority', untrusted=True)

    out = run_changed(ctx, READY)

    assert out.unit_status == ops.BlockedStatus(
        'pg is refused: its certificate is not by the authority: '
        'give PostgreSQL one, or name its authority in the relation'
    )
    assert answer_of(out) == READY


@pytest.mark.parametrize('told', [None, READY])
def test_given_a_database_that_was_dropped_when_reconciled_then_both_sides_say_so(ctx, databases, told):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}
    databases.refuse('there is no database temporal on pg', '3D000', 'temporal')

    out = run_changed(ctx, told)

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.unit_status.message.startswith('there is no database temporal on pg: restore it')
    answer = answer_of(out)
    assert answer is not None
    assert (answer.status, answer.versions) == (admin.FAILED, SchemaVersions('0.0', '1.14'))
    assert known_to_watcher(ctx, out) == ('!3D', '1.14', 0)


@pytest.mark.parametrize('persistence', ['1.18', None])
def test_given_a_schema_that_went_back_when_reconciled_then_the_server_stops_before_it_is_migrated(
    ctx, databases, persistence
):
    databases.versions |= {'temporal': persistence, 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'serving': 4}, 'temporal_visibility': {'serving': 3}}

    first = run_changed(ctx, READY)

    assert migrations(ctx) == []
    sentence = (
        f'the schema is older than it was (persistence {persistence or "0.0"}, visibility 1.14): '
        'waiting for temporal-k8s to stop (7 connections)'
    )
    assert first.unit_status == ops.WaitingStatus(sentence)
    answer = answer_of(first)
    assert answer is not None
    assert (answer.status, answer.versions, answer.reason) == (
        admin.MIGRATING,
        SchemaVersions(persistence or '0.0', '1.14'),
        sentence,
    )
    known = file_of(ctx, first, 'known.json')
    assert known
    assert (known['again'], known['unused']) == (60, True)

    second = ctx.run(ctx.on.update_status(), first)
    assert migrations(ctx) == []
    assert second.unit_status == ops.WaitingStatus(sentence)

    databases.changes = {}
    out = ctx.run(ctx.on.update_status(), second)

    assert migrations(ctx) == [PERSISTENCE]
    assert answer_of(out) == READY


@pytest.mark.parametrize('status', [admin.READY, admin.MIGRATING])
def test_given_a_server_that_needs_more_than_before_when_reconciled_then_it_is_migrated_at_once(ctx, databases, status):
    databases.versions |= {'temporal': '1.18', 'temporal_visibility': '1.14'}
    # Units that still run the version before can work with either schema.
    databases.changes = {'temporal': {'serving': 4}}

    run_changed(ctx, admin.Schema(status, SchemaVersions('1.18', '1.14'), REQUEST.fingerprint))

    assert migrations(ctx) == [PERSISTENCE]


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

    out = run_changed(ctx, relations=[relation(dataclasses.replace(REQUEST, server_version=version))])

    answer = answer_of(out)
    assert answer is not None
    assert answer.status == admin.FAILED
    assert sentence in answer.reason
    assert out.unit_status == ops.BlockedStatus(answer.reason)


@pytest.mark.parametrize('told', [None, READY])
def test_given_a_database_restored_under_another_name_when_reconciled_then_nothing_is_made_and_both_sides_say_why(
    ctx, databases, told
):
    databases.versions |= {'temporal': None, 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'former': "o'ld", 'serving': 2}}

    out = run_changed(ctx, told)

    assert migrations(ctx) == []
    assert out.unit_status == ops.BlockedStatus(
        "persistence holds the schema of a database that was called o'ld: "
        "in temporal UPDATE schema_version SET db_name = 'temporal' WHERE db_name = 'o''ld'"
    )
    answer = answer_of(out)
    assert answer is not None
    assert (answer.status, answer.versions, answer.reason) == (
        admin.FAILED,
        SchemaVersions('0.0', '1.14'),
        out.unit_status.message,
    )
    # The watcher sees no version either, and tells when there is one.
    assert known_to_watcher(ctx, out) == ('0.0', '1.14', 0)


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

    out = run_changed(ctx)

    assert migrations(ctx) == []
    answer = answer_of(out)
    assert answer is not None
    assert answer.reason.startswith(sentence)
    assert out.unit_status == ops.BlockedStatus(answer.reason)
    assert known_to_watcher(ctx, out)[2] == 60


def test_given_a_login_without_rights_when_nothing_is_to_be_made_then_it_does_not_matter(ctx, databases):
    databases.versions |= {'temporal': '1.19', 'temporal_visibility': '1.14'}
    databases.changes = {'temporal': {'creates': False}}

    assert run_changed(ctx).unit_status == ops.ActiveStatus()


def test_given_a_migration_then_the_watcher_knows_of_it_before_it_begins(ctx, databases, monkeypatch):
    databases.versions |= {'temporal': '1.18', 'temporal_visibility': '1.14'}
    written = []
    migrate, write = Workload.migrate, Workload.write
    monkeypatch.setattr(Workload, 'write', lambda self, files: (written.extend(files), write(self, files)))
    monkeypatch.setattr(Workload, 'migrate', lambda self, steps: (written.append('begins'), migrate(self, steps)))

    run_changed(ctx)

    (known, begins) = written
    assert json.loads(known.content)['states'] == {'persistence': 'busy', 'visibility': '1.14@97'}
    assert begins == 'begins'


def test_given_a_container_that_goes_away_during_a_migration_then_the_charm_waits_for_it(ctx, monkeypatch):
    def gone(self, *_: object, **__: object) -> None:
        monkeypatch.setattr(ops.Container, 'can_connect', lambda _: False)
        raise pebble.ConnectionError('gone')

    monkeypatch.setattr(ops.Container, 'exec', gone)
    monkeypatch.setattr('facts.image_version', lambda *_: (1, 32, 2))
    monkeypatch.setattr('world.Databases.migrate', lambda *_: None)

    out = run_changed(ctx)

    assert out.unit_status == ops.WaitingStatus('waiting for the container to start')
    assert answer_of(out) is None


def test_given_a_leader_that_is_none_any_more_after_a_migration_then_it_writes_nothing(ctx, monkeypatch):
    migrate = Workload.migrate

    def deposed(self, steps) -> None:
        migrate(self, steps)
        monkeypatch.setattr(ops.Unit, 'is_leader', lambda _: False)

    monkeypatch.setattr(Workload, 'migrate', deposed)

    out = run_changed(ctx)

    assert answer_of(out) is None
    assert out.unit_status == ops.ActiveStatus()
