"""The action show-integrations: what, by whom, since when, never the value."""

from __future__ import annotations

import dataclasses
import json

import pytest
import world
from neighbours import QUOTED, SECRETS, USER, VALUE, related, secrets, service, unit_state
from ops import testing

import integration_report

APP = world.APP


def _show(ctx, state: testing.State, form: str = 'json'):
    ctx.run(ctx.on.action('show-integrations', params={'format': form}), state)
    found = ctx.action_results['integrations']
    return json.loads(found) if form == 'json' else found


def test_given_integrations_when_shown_then_it_says_who_since_when_and_no_value(ctx, run, disk, archive, tmp_path):
    env = tmp_path / 'x.env'
    env.write_text('S3_BUCKET=mine\n')
    relations = [
        related('database'),
        related('s3'),
        related('kafka', {}),
        service(secret='secret:9m4e2mr0ui3e8a215n7k'),
    ]
    config = {'required-integrations': 'database,amqp,mail'}
    state = run(unit_state(disk, archive, *relations, config=config, resources=world.resources(archive, env)))

    found = _show(ctx, state)

    assert (found['unit'], found['required'], found['problem']) == (f'{APP}/0', ['database', 'amqp', 'mail'], '')
    rows = {row['name']: row for row in found['integrations']}
    assert [(row['name'], row['state'], row['application'], row['required']) for row in found['integrations']] == [
        ('database', 'ready', 'a-database', True),
        ('s3', 'ready', 'a-s3', False),
        ('kafka', 'waiting', 'a-kafka', False),
        ('sse', 'refused', 'events', False),
        ('amqp', 'missing', '', True),
        ('mail', 'missing', '', True),
    ]
    assert rows['mail']['endpoint'] == 'external-service'
    assert len(rows['database']['fingerprint']) == 12
    assert rows['database']['fingerprint'] != rows['s3']['fingerprint']
    assert rows['database']['since'] == rows['database']['changed'] is not None
    assert (rows['s3']['replaced'], rows['database']['replaced']) == (['S3_BUCKET'], [])
    assert 'POSTGRESQL_DB_PASSWORD' in rows['database']['variables']
    assert (rows['kafka']['since'], rows['kafka']['fingerprint'], rows['kafka']['variables']) == (None, None, [])
    text = _show(ctx, state, 'text')
    assert text.splitlines()[0] == f'{APP}/0: 2 of 6 integrations ready'
    assert 'database: ready by a-database' in text
    assert '\namqp: missing\n' in text
    for value in (VALUE, QUOTED, 'relation-7', 'pg-primary'):
        assert value not in text + str(found)


def test_given_an_integration_when_it_rotates_goes_and_comes_back_then_its_times_follow(
    ctx, run, disk, archive, monkeypatch
):
    clock = iter(f'2026-11-21T10:00:0{second}+00:00' for second in range(9))
    monkeypatch.setattr(integration_report, '_now', lambda: next(clock))
    first = run(unit_state(disk, archive, related('database')))
    begun = _show(ctx, first)['integrations'][0]
    rotated = testing.Secret(
        SECRETS[USER],
        latest_content={**SECRETS[USER], 'password': 'new'},
        id=USER,
    )
    second = ctx.run(
        ctx.on.secret_changed(rotated),
        dataclasses.replace(first, secrets={*secrets(USER), rotated}),
    )
    changed = _show(ctx, second)['integrations'][0]

    assert changed['since'] == begun['since'] == begun['changed'] < changed['changed']
    assert changed['fingerprint'] != begun['fingerprint']

    (relation,) = second.get_relations('database')
    gone = ctx.run(ctx.on.relation_broken(relation), second)
    again = _show(ctx, ctx.run(ctx.on.update_status(), gone))['integrations'][0]

    assert again['since'] == again['changed'] > changed['changed']


@pytest.mark.parametrize(
    ('relations', 'line'),
    [
        ([], 'no integrations'),
        ([service(app='one'), service(app='two')], 'one and two both give EXTERNAL_SSE_URL'),
    ],
)
def test_given_nothing_or_a_clash_when_shown_then_the_first_line_says_so(ctx, disk, archive, relations, line):
    assert _show(ctx, unit_state(disk, archive, *relations), 'text').startswith(f'{APP}/0: {line}')


def test_given_no_container_when_shown_then_what_is_related_is_told_without_times(ctx, disk, archive):
    away = {world.container(disk, can_connect=False)}

    found = _show(ctx, unit_state(disk, archive, related('database'), containers=away))

    assert [(row['state'], row['since']) for row in found['integrations']] == [('ready', None)]
