"""What the charm makes of options and secrets that say who the worker is, and how its server is spoken to."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import ops
import pytest
import trustme
import world
from ops import testing

import plan
from workload import Health

IDENTIFIER = '9m4e2mr0ui3e8a215n4g'
URI = f'secret:{IDENTIFIER}'
APP = world.APP
PEM = trustme.CA().cert_pem.bytes().decode()


def _state(disk, archive, content: dict[str, str] | None = None, **options: Any) -> testing.State:
    secrets = {testing.Secret(content, id=URI)} if content else set()
    named = {name.replace('_', '-'): value for name, value in options.items()}
    relations = [] if 'host' in named else [world.server()]
    return world.state(disk, archive, config={'queue': 'q', **named}, secrets=secrets, relations=relations)


def _file(disk, name: str) -> dict[str, Any]:
    return json.loads((disk / name).read_text())


def _configuration(state: testing.State) -> str:
    return state.get_container('temporal-worker').plan.services[plan.SERVICE].environment['CONFIGURATION']


def _variables(disk, *names: str) -> dict[str, str]:
    environment = _file(disk, 'environment.json')
    return {name: environment[name] for name in names}


OIDC = {'oidc-client-email': 'me', 'oidc-private-key': 'a\\nb', 'oidc-project-id': 'p'}
CANDID = {'candid-url': 'https://c/m', 'candid-username': 'me', 'candid-private-key': 'abcd'}
CERTIFIED = {'tls-client-certificate': 'C', 'tls-client-key': 'K'}


@pytest.mark.parametrize(
    ('provider', 'content', 'credentials'),
    [
        ('token', {'token': ' t0ken\n'}, {'token': 't0ken'}),
        ('', {'auth-provider': 'token', 'token': 't0ken'}, {'token': 't0ken'}),
        (
            'google',
            OIDC,
            {
                'type': 'service_account',
                'client_email': 'me',
                'private_key': 'a\nb\n',
                'project_id': 'p',
                'token_uri': 'https://oauth2.googleapis.com/token',
            },
        ),
        (
            'google',
            {'service-account': '{"client_email": "me", "private_key": "a\\nb", "token_uri": "https://t:1/x"}'},
            {'type': 'service_account', 'client_email': 'me', 'private_key': 'a\nb\n', 'token_uri': 'https://t:1/x'},
        ),
        ('candid', CANDID, {'url': 'https://c/m', 'username': 'me', 'private_key': 'abcd'}),
        ('mtls', CERTIFIED, {}),
    ],
)
def test_given_a_secret_then_the_loader_finds_the_credentials_where_only_it_can_read_them(
    ctx, run, disk, archive, provider, content, credentials
):
    out = run(_state(disk, archive, content, auth_provider=provider, auth_secret_id=URI))

    assert _file(disk, 'credentials.json') == credentials
    assert _file(disk, 'settings.json')['secret'] == IDENTIFIER
    for name in ('credentials.json', 'keys.json'):
        path = out.get_container('temporal-worker').get_filesystem(ctx) / 'srv/temporal-worker' / name
        assert path.stat().st_mode & 0o777 == 0o600
    layers = json.dumps([layer.to_dict() for layer in out.get_container('temporal-worker').layers.values()])
    shown = layers + ''.join(log.message for log in ctx.juju_log) + (disk / 'settings.json').read_text()
    assert not any(value in shown for value in ('t0ken', 'a\\nb', 'abcd'))


def test_given_a_certificate_beside_a_token_then_both_are_used_and_the_server_is_spoken_to_with_tls(run, disk, archive):
    run(_state(disk, archive, {**CERTIFIED, 'token': 't'}, auth_provider='token', auth_secret_id=URI))

    assert _file(disk, 'keys.json') == {'certificate': 'C\n', 'key': 'K\n', 'encryption': []}
    assert _file(disk, 'credentials.json') == {'token': 't'}
    assert _file(disk, 'settings.json')['tls'] is True
    assert _variables(disk, 'TEMPORAL_TLS_CLIENT_CERT_DATA', 'TEMPORAL_TLS') == {
        'TEMPORAL_TLS_CLIENT_CERT_DATA': 'C\n',
        'TEMPORAL_TLS': 'true',
    }


@pytest.mark.parametrize(
    ('provider', 'content', 'variables'),
    [
        ('candid', CANDID, {'TWC_AUTH_PROVIDER': 'candid', 'TWC_CANDID_URL': 'https://c/m', 'TWC_OIDC_PROJECT_ID': ''}),
        ('google', OIDC, {'TEMPORAL_AUTH_PROVIDER': 'google', 'TWC_OIDC_PRIVATE_KEY': 'a\nb\n', 'TWC_CANDID_URL': ''}),
        ('token', {'token': 't'}, {'TWC_AUTH_PROVIDER': 'token'}),
        ('mtls', CERTIFIED, {'TWC_AUTH_PROVIDER': ''}),
    ],
)
def test_given_a_secret_then_the_code_has_it_by_the_names_of_canonicals_charm(
    run, disk, archive, provider, content, variables
):
    run(_state(disk, archive, content, auth_provider=provider, auth_secret_id=URI))

    assert _variables(disk, *variables) == variables


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        (
            {'auth-provider': 'kerberos'},
            'auth-provider must be token, google, candid or mtls, or empty for none: '
            f'juju config {APP} auth-provider=token',
        ),
        (
            {'auth-provider': 'token'},
            f'auth-provider is token, and no secret has the credentials: juju config {APP} auth-secret-id=secret:ID',
        ),
        (
            {'auth-secret-id': 'hunter2'},
            f'auth-secret-id is no secret:ID: juju secrets tells the IDs, juju config {APP} auth-secret-id=secret:ID',
        ),
        (
            {'encryption-secret-id': 'hunter2'},
            'encryption-secret-id is no secret:ID: juju secrets tells the IDs, '
            f'juju config {APP} encryption-secret-id=secret:ID',
        ),
        (
            {'encryption-cipher': 'rot13'},
            f'encryption-cipher must be aes-gcm or aes-eax: juju config {APP} encryption-cipher=aes-gcm',
        ),
        (
            {'tls-root-cas': '# tanúsítvány'},
            f'tls-root-cas is no certificate in PEM: juju config {APP} tls-root-cas=@FILE.pem',
        ),
        (
            {'tls-root-cas': 'nonsense'},
            f'tls-root-cas is no certificate in PEM: juju config {APP} tls-root-cas=@FILE.pem',
        ),
        (
            {'tls-root-cas': PEM * (120 * 1024 // len(PEM) + 1)},
            'tls-root-cas has more than 120 KiB, which no environment variable can hold: name the authority of the '
            f"server's certificate alone: juju config {APP} tls-root-cas=@FILE.pem",
        ),
    ],
)
def test_given_an_option_that_cannot_be_then_the_status_says_what_it_takes(run, disk, archive, options, sentence):
    state = world.state(disk, archive, config={'queue': 'q', **options})

    assert run(state).unit_status == ops.BlockedStatus(sentence)


@pytest.mark.parametrize(
    ('provider', 'content', 'sentence'),
    [
        ('', {'token': 't'}, f'does not say who is to believe it: juju config {APP} auth-provider='),
        ('', {'auth-provider': 'x'}, 'has an auth-provider that is none of token, google, candid, mtls: juju update-'),
        ('token', {'x-y': 'z'}, 'has no key token, which token needs: juju update-secret takes it'),
        ('token', {'token': 'a\0b'}, 'has binary data under token: juju update-secret takes text'),
        ('token', {'token': 'a b'}, 'has a token that is not one line of ASCII without blanks: juju update-secret'),
        ('google', {'x-y': 'z'}, 'has no key oidc-client-email or service-account, which google needs: juju update-'),
        ('google', {'service-account': '!'}, 'has a service-account that is no JSON: juju update-secret takes Google'),
        (
            'google',
            {'service-account': '[' * 100_000},
            'has a service-account that is no JSON: juju update-secret takes Google',
        ),
        ('google', {'service-account': '[]'}, 'has a service-account without client_email: juju update-secret takes'),
        (
            'google',
            {'service-account': '{"client_email": "x"}'},
            'has a service-account without private_key: juju update-secret takes',
        ),
        *(
            (
                'google',
                {'service-account': json.dumps({'client_email': 'x', 'private_key': 'x', 'token_uri': where})},
                'has a service-account whose token_uri is no https URL: juju update-secret takes Google',
            )
            for where in (
                'oauth2.googleapis.com/token',
                'http://oauth2.googleapis.com/token',
                'https://',
                'https://a b',
                1,
            )
        ),
        (
            'google',
            {**OIDC, 'oidc-token-uri': 'oauth2.googleapis.com/token'},
            'has an oidc-token-uri that is no https URL: juju update-secret takes another, or none for Google',
        ),
        ('candid', {'candid-url': 'x'}, 'has no key candid-private-key, which candid needs: juju update-secret takes'),
        ('candid', {**CANDID, 'candid-url': 'ftp://x'}, 'has a candid-url that is no http or https URL: juju update-'),
        ('mtls', {'tls-client-certificate': 'C'}, 'has no key tls-client-key, which mtls needs: juju update-secret'),
        ('', {'tls-client-key': 'K'}, 'has no key tls-client-certificate, which mtls needs: juju update-secret'),
    ],
)
def test_given_a_secret_that_lacks_something_then_the_status_says_what(run, disk, archive, provider, content, sentence):
    out = run(_state(disk, archive, content, auth_provider=provider, auth_secret_id=URI))

    assert isinstance(out.unit_status, ops.BlockedStatus)
    assert out.unit_status.message.startswith(f'auth-secret-id: {URI} {sentence}')


def test_given_a_secret_that_is_not_there_then_the_status_says_so_and_the_charm_looks_again(run, disk, archive):
    out = run(_state(disk, archive, auth_provider='token', auth_secret_id=URI))

    assert out.unit_status == ops.BlockedStatus(
        f'auth-secret-id: {URI} is not there: mend auth-secret-id, or juju grant-secret {IDENTIFIER} {APP}'
    )
    assert plan.WAKER in out.get_container('temporal-worker').service_statuses


@pytest.mark.parametrize(
    ('provider', 'before', 'after', 'restarts'),
    [
        ('token', {'token': 'one'}, {'token': 'two'}, False),
        ('token', {'token': 'one'}, {'token': 'one', **CERTIFIED}, True),
        ('candid', CANDID, {**CANDID, 'candid-username': 'you'}, True),
    ],
)
def test_given_a_running_worker_when_its_secret_changes_then_it_restarts_only_if_it_reads_what_changed_at_its_start(
    ctx, run, disk, archive, provider, before, after, restarts
):
    first = run(_state(disk, archive, before, auth_provider=provider, auth_secret_id=URI))
    secret = testing.Secret(before, latest_content=after, id=URI)

    out = ctx.run(ctx.on.secret_changed(secret), dataclasses.replace(first, secrets={secret}))

    assert (_configuration(out) != _configuration(first)) is restarts
    if provider == 'token':
        assert _file(disk, 'credentials.json') == {'token': after['token']}


@pytest.mark.parametrize(
    ('options', 'told', 'tls', 'ca'),
    [
        ({}, {}, False, ''),
        ({'tls': True}, {}, True, ''),
        ({'tls_root_cas': PEM}, {}, True, PEM.strip()),
        ({'tls_root_cas': PEM}, {'tls': 'true', 'ca': 'THEIRS'}, True, f'THEIRS\n{PEM.strip()}'),
        ({'tls_root_cas': PEM, 'host': 'h:1'}, {}, True, PEM.strip()),
    ],
)
def test_given_options_about_tls_then_they_hold_beside_what_the_relation_says(
    run, disk, archive, options, told, tls, ca
):
    state = _state(disk, archive, **options)
    if 'host' not in options:
        state = dataclasses.replace(state, relations=[world.server({'host': 'h', 'port': '1', **told})])

    run(state)

    settings = _file(disk, 'settings.json')
    assert (settings['address'], settings['tls'], settings['ca']) == ('h:1', tls, ca)


def test_given_a_server_that_says_nothing_yet_then_tls_changes_nothing(run, disk, archive):
    state = dataclasses.replace(_state(disk, archive, tls=True), relations=[world.server({})])

    assert run(state).unit_status == ops.WaitingStatus('waiting for temporal-k8s to say where it answers')


def test_given_a_worker_that_polls_with_a_token_that_cannot_be_renewed_then_the_status_warns(
    run, disk, archive, worker
):
    worker.health = Health(True, '', warning='auth-secret-id: secret:x is refused')

    assert run(world.state(disk, archive)).unit_status == ops.ActiveStatus('auth-secret-id: secret:x is refused')
