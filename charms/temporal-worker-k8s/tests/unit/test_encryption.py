"""What the charm makes of the secrets that hold the keys of payloads."""

from __future__ import annotations

import base64
import dataclasses
import json
from typing import Any

import ops
import pytest
import world
from ops import testing

import plan

KEYS = [base64.b64encode(bytes([byte]) * 32).decode() for byte in range(3)]
AUTH, URI = 'secret:9m4e2mr0ui3e8a215n4g', 'secret:9m4e2mr0ui3e8a215n5h'


def _state(disk, archive, content: dict[str, str] | None, auth: dict[str, str] | None = None, **options: Any):
    secrets = {testing.Secret(held, id=uri) for uri, held in ((URI, content), (AUTH, auth)) if held}
    named = {name.replace('_', '-'): value for name, value in options.items()}
    config = {'queue': 'q', **({'encryption-secret-id': URI} if content else {}), **named}
    return world.state(disk, archive, config=config | ({'auth-secret-id': AUTH} if auth else {}), secrets=secrets)


def _keys(disk) -> list[str]:
    return json.loads((disk / 'keys.json').read_text())['encryption']


def _configuration(state: testing.State) -> str:
    return state.get_container('temporal-worker').plan.services[plan.SERVICE].environment['CONFIGURATION']


@pytest.mark.parametrize(
    ('content', 'auth', 'keys'),
    [
        (None, None, []),
        ({'encryption-key': f' {KEYS[0]}\n'}, None, KEYS[:1]),
        ({'encryption-key-3': KEYS[2], 'encryption-key-2': KEYS[1], 'encryption-key': KEYS[0]}, None, KEYS),
        (None, {'encryption-key': KEYS[0]}, KEYS[:1]),
        ({'encryption-key': KEYS[1]}, {'encryption-key': KEYS[0]}, KEYS[1:2]),
    ],
)
def test_given_keys_then_the_loader_has_them_the_one_in_use_first(run, disk, archive, content, auth, keys):
    run(_state(disk, archive, content, auth))

    assert _keys(disk) == keys
    environment = json.loads((disk / 'environment.json').read_text())
    assert environment['TWC_ENCRYPTION_KEY'] == (keys[0] if keys else '')
    assert json.loads((disk / 'settings.json').read_text())['cipher'] == 'aes-gcm'


@pytest.mark.parametrize(
    ('content', 'sentence'),
    [
        ({'other-key': 'x'}, f'encryption-secret-id: {URI} has no key encryption-key: juju update-secret takes it'),
        (
            {'encryption-key': KEYS[0][:-8]},
            f'encryption-secret-id: {URI} has under encryption-key a key of 27 bytes, and AES takes 16, 24 or 32: '
            'openssl rand -base64 32 makes a key',
        ),
        (
            {'encryption-key': KEYS[0], 'encryption-key-2': 'hunter2!'},
            f'encryption-secret-id: {URI} has under encryption-key-2 what is no base64: '
            'openssl rand -base64 32 makes a key',
        ),
        (None, f'encryption-secret-id: {URI} is not there: mend encryption-secret-id, or juju grant-secret '),
    ],
)
def test_given_keys_that_cannot_be_then_the_status_says_which(run, disk, archive, content, sentence):
    out = run(_state(disk, archive, content, encryption_secret_id=URI))

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.unit_status.message.startswith(sentence)


def test_given_older_keys_only_beside_the_credentials_then_the_status_says_what_is_missing(run, disk, archive):
    auth = {'encryption-key-2': KEYS[0], 'auth-provider': 'token', 'token': 't'}

    assert run(_state(disk, archive, None, auth)).unit_status == ops.BlockedStatus(
        f'auth-secret-id: {AUTH} has encryption-key-2, but no encryption-key that encrypts: juju update-secret takes it'
    )


def test_given_a_running_worker_when_keys_are_rotated_then_it_restarts_with_them(ctx, run, disk, archive):
    first = run(_state(disk, archive, {'encryption-key': KEYS[0]}))
    after = {'encryption-key': KEYS[1], 'encryption-key-2': KEYS[0]}
    secret = testing.Secret({'encryption-key': KEYS[0]}, latest_content=after, id=URI)

    out = ctx.run(ctx.on.secret_changed(secret), dataclasses.replace(first, secrets={secret}))

    assert _keys(disk) == [KEYS[1], KEYS[0]]
    assert _configuration(out) != _configuration(first)


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (
            {'sentry-dsn': 'sentry.example'},
            'sentry-dsn must be like https://KEY@HOST/PROJECT: juju config temporal-worker-k8s --reset sentry-dsn',
        ),
        (
            {'sentry-sample-rate': 1.5},
            'sentry-sample-rate must be 0 to 1: juju config temporal-worker-k8s sentry-sample-rate=1',
        ),
    ],
)
def test_given_options_for_sentry_that_cannot_be_then_the_status_says_so(run, disk, archive, options, sentence):
    state = world.state(disk, archive, config={'queue': 'q', **options})

    assert run(state).unit_status == ops.BlockedStatus(sentence)


def test_given_options_for_sentry_then_loader_and_code_have_them(run, disk, archive):
    dsn = 'https://k@sentry.example/7'
    options = {'sentry-dsn': dsn, 'sentry-release': '1', 'sentry-sample-rate': 0.5, 'sentry-redact-params': True}
    run(world.state(disk, archive, config={'queue': 'q', **options}))

    assert json.loads((disk / 'settings.json').read_text())['sentry'] == {
        'dsn': dsn,
        'environment': '',
        'redact': True,
        'release': '1',
        'sample_rate': 0.5,
    }
    environment = json.loads((disk / 'environment.json').read_text())
    assert environment['TEMPORAL_SENTRY_DSN'] == dsn
    assert environment['TWC_SENTRY_REDACT_PARAMS'] == 'true'
