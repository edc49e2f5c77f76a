"""The code's environment: env-file, Juju's secrets, which of them is stronger, and that nobody else can read them."""

from __future__ import annotations

import dataclasses
import json

import ops
import pytest
import world
from ops import testing
from temporalio.envconfig import ClientConfig
from temporalio.service import TLSConfig

import plan
from variables import Variables, Wish, wishes

LOGIN, TOKEN = 'secret:9m4e2mr0ui3e8a215n4g', 'secret:9m4e2mr0ui3e8a215n5h'
REMEDY = 'juju grant-secret 9m4e2mr0ui3e8a215n4g temporal-worker-k8s'
VALUE = "s3cr3t'&"


def _secret(uri: str = LOGIN, **content: str) -> testing.Secret:
    named = {key.replace('_', '-'): value for key, value in content.items()}
    return testing.Secret(named or {'user-name': 'me', 'password': VALUE}, id=uri)


def _state(disk, archive, option: str, *secrets: testing.Secret, **changes) -> testing.State:
    return world.state(
        disk, archive, config={'queue': 'q', 'environment-secrets': option}, secrets=set(secrets), **changes
    )


def _environment(disk) -> dict[str, str]:
    return json.loads((disk / 'environment.json').read_text())


def _given(disk) -> dict[str, str]:
    names = ('USER_NAME', 'PASSWORD', 'OS_PASSWORD', 'TOKEN', 'A')
    return {name: value for name, value in _environment(disk).items() if name in names}


def _configuration(state: testing.State) -> str:
    return state.get_container('temporal-worker').plan.services[plan.SERVICE].environment['CONFIGURATION']


@pytest.mark.parametrize(
    ('option', 'values'),
    [
        ('', {}),
        (LOGIN, {'USER_NAME': 'me', 'PASSWORD': VALUE}),
        (f'OS_PASSWORD={LOGIN}#password', {'OS_PASSWORD': VALUE}),
        (f'OS_PASSWORD={LOGIN}#password,\n {TOKEN}', {'OS_PASSWORD': VALUE, 'TOKEN': 't'}),
        (f'{LOGIN} PASSWORD={LOGIN}#password', {'USER_NAME': 'me', 'PASSWORD': VALUE}),
    ],
)
def test_given_secrets_then_their_keys_become_variables(run, disk, archive, option, values):
    run(_state(disk, archive, option, _secret(), _secret(TOKEN, token='t')))

    assert _given(disk) == values


def test_given_an_uri_with_a_model_then_the_remedy_names_its_last_part():
    uri = LOGIN.replace('secret:', 'secret://6f0e5a8c-3f0c-4a1e-9f7c-0b8c5d2e1a90/')

    assert wishes(uri, 'app') == ((Wish(uri, '9m4e2mr0ui3e8a215n4g'),), '')


def test_given_a_secret_and_an_env_file_then_the_secret_is_stronger(run, disk, archive, tmp_path):
    env = tmp_path / 'x.env'
    env.write_text('A=1\nPASSWORD=old\n')

    run(_state(disk, archive, LOGIN, _secret(), resources=world.resources(archive, env)))

    assert _given(disk) == {'A': '1', 'USER_NAME': 'me', 'PASSWORD': VALUE}


def test_given_a_secret_then_its_content_stands_where_only_the_code_and_root_can_read_it(ctx, run, disk, archive):
    out = run(_state(disk, archive, LOGIN, _secret()))

    assert (disk / 'environment.json').stat().st_mode & 0o777 == 0o600
    container = out.get_container('temporal-worker')
    memory = disk.with_name('memory') / 'secrets.json'
    assert VALUE in json.loads(memory.read_text())['9m4e2mr0ui3e8a215n4g'].values()
    assert memory.stat().st_mode & 0o777 == 0o600
    shown = f'{container.plan.to_yaml()} {ctx.exec_history} {(disk / "settings.json").read_text()} {out.unit_status}'
    assert VALUE not in shown + str([r.local_app_data for r in out.relations])
    assert not [line for line in ctx.juju_log if VALUE in line.message]


@pytest.mark.parametrize(
    ('option', 'status'),
    [
        (LOGIN, f'secret:9m4e2mr0ui3e8a215n4g is not there: mend environment-secrets, or {REMEDY}'),
        (
            f'X={TOKEN}#password',
            'secret:9m4e2mr0ui3e8a215n5h has no key password: mend the secret or environment-secrets',
        ),
        (
            'BINARY=secret:9m4e2mr0ui3e8a215n6i#bin',
            'secret:9m4e2mr0ui3e8a215n6i has binary data under bin: mend the secret',
        ),
        (
            'secret:9m4e2mr0ui3e8a215n7j',
            'secret:9m4e2mr0ui3e8a215n7j has a key a=b, no variable: name it, as VARIABLE=secret:ID#KEY does, or mend '
            'the secret',
        ),
    ],
)
def test_given_a_secret_that_cannot_be_used_then_the_status_names_it(run, disk, archive, option, status):
    others = [
        _secret(TOKEN, token='t'),
        _secret('secret:9m4e2mr0ui3e8a215n6i', bin='a\0b'),
        _secret('secret:9m4e2mr0ui3e8a215n7j', **{'a=b': 'x'}),
    ]

    out = run(_state(disk, archive, option, *others))

    assert out.unit_status == ops.BlockedStatus(f'environment-secrets: {status}')


@pytest.mark.parametrize(
    ('option', 'number'),
    [
        ('login', 1),
        (f'{LOGIN},hunter2', 2),
        (f'X={LOGIN}', 1),
        (f'{LOGIN}#password', 1),
        (f'1X={LOGIN}#password', 1),
        ('secret:short', 1),
    ],
)
def test_given_an_entry_that_is_none_then_the_status_names_its_number_and_not_what_stands_in_it(
    run, disk, archive, option, number
):
    out = run(_state(disk, archive, option, _secret()))

    assert out.unit_status == ops.BlockedStatus(
        f'environment-secrets: entry {number} is neither secret:ID nor VARIABLE=secret:ID#KEY: juju secrets tells the '
        'IDs, juju config temporal-worker-k8s environment-secrets=...'
    )


def test_given_two_secrets_for_one_variable_then_the_status_names_it(run, disk, archive):
    out = run(_state(disk, archive, f'{LOGIN} {TOKEN}', _secret(), _secret(TOKEN, password='x')))

    assert out.unit_status == ops.BlockedStatus('environment-secrets gives PASSWORD twice: take one of them away')


def test_given_a_secret_that_is_not_granted_then_the_status_says_how_and_the_charm_looks_again(
    ctx, run, disk, archive, monkeypatch
):
    real = ops.Model.get_secret

    def refuse(*_: object, **__: object) -> None:
        raise ops.ModelError('ERROR permission denied')

    monkeypatch.setattr(ops.Model, 'get_secret', refuse)
    blocked = run(_state(disk, archive, LOGIN, _secret()))

    assert blocked.unit_status == ops.BlockedStatus(
        f'environment-secrets: secret:9m4e2mr0ui3e8a215n4g is not granted to temporal-worker-k8s: {REMEDY}'
    )
    container = blocked.get_container('temporal-worker')
    assert container.service_statuses == {plan.WAKER: ops.pebble.ServiceStatus.ACTIVE}
    assert plan.layout.NOTICE in container.plan.services[plan.WAKER].command

    monkeypatch.setattr(ops.Model, 'get_secret', real)
    notice = testing.Notice(plan.layout.NOTICE)
    container = dataclasses.replace(container, notices=[notice])
    out = ctx.run(
        ctx.on.pebble_custom_notice(container, notice=notice), dataclasses.replace(blocked, containers={container})
    )

    assert out.unit_status == ops.WaitingStatus('waiting for the worker to start')
    assert _given(disk)['PASSWORD'] == VALUE


def _count_reads(monkeypatch) -> list[str]:
    reads: list[str] = []
    real = ops.Model.get_secret

    def count(self: ops.Model, **which: str) -> ops.Secret:
        reads.append(str(which))
        return real(self, **which)

    monkeypatch.setattr(ops.Model, 'get_secret', count)
    return reads


@pytest.mark.parametrize(('event', 'number'), [('config_changed', 1), ('update_status', 1), ('leader_elected', 0)])
def test_given_a_running_worker_then_juju_is_asked_anew_where_it_would_not_tell_that_a_secret_is_gone(
    ctx, run, disk, archive, monkeypatch, event, number
):
    first = run(_state(disk, archive, LOGIN, _secret()))
    reads = _count_reads(monkeypatch)

    out = ctx.run(getattr(ctx.on, event)(), first)

    assert len(reads) == number
    assert _configuration(out) == _configuration(first)


@pytest.mark.parametrize('event', ['config_changed', 'update_status'])
def test_given_a_running_worker_when_its_secret_is_gone_then_it_goes_on_and_the_status_says_so(
    ctx, run, disk, archive, event
):
    first = run(_state(disk, archive, LOGIN, _secret()))

    out = ctx.run(getattr(ctx.on, event)(), dataclasses.replace(first, secrets=set()))

    assert 'is not there' in out.unit_status.message
    assert out.get_container('temporal-worker').service_statuses[plan.SERVICE] == ops.pebble.ServiceStatus.ACTIVE
    assert _given(disk)['PASSWORD'] == VALUE


@pytest.mark.parametrize(
    ('option', 'restarts'),
    [
        (LOGIN, True),
        (f'X={LOGIN}#password', True),
        (f'X={LOGIN}#user-name', False),
        (f'{TOKEN}', False),
        ('no entry', False),
    ],
)
def test_given_a_running_worker_when_a_secret_rotates_then_only_what_reads_it_is_restarted(
    ctx, run, disk, archive, option, restarts
):
    first = run(_state(disk, archive, option, _secret(), _secret(TOKEN, token='t')))
    rotated = testing.Secret(
        {'user-name': 'me', 'password': VALUE}, latest_content={'user-name': 'me', 'password': 'new'}, id=LOGIN
    )
    secrets = {rotated, _secret(TOKEN, token='t')}

    out = ctx.run(ctx.on.secret_changed(rotated), dataclasses.replace(first, secrets=secrets))

    if option != 'no entry':
        assert (_configuration(out) != _configuration(first)) is restarts
        assert ('new' in _environment(disk).values()) is restarts
        # What the code does with a variable while it is imported may have changed with it.
        assert len(ctx.exec_history['temporal-worker']) == (2 if restarts else 1)


def test_given_a_secret_that_rotates_while_no_option_names_it_when_it_is_named_again_then_the_new_one_holds(
    ctx, run, disk, archive
):
    first = run(_state(disk, archive, LOGIN, _secret()))
    rotated = testing.Secret({'password': VALUE}, latest_content={'password': 'new'}, id=LOGIN)
    unnamed = dataclasses.replace(first, config={**first.config, 'environment-secrets': ''}, secrets={rotated})

    taken_up = ctx.run(ctx.on.secret_changed(rotated), unnamed)
    ctx.run(ctx.on.config_changed(), dataclasses.replace(taken_up, config=first.config))

    assert _given(disk)['PASSWORD'] == 'new'


def test_given_code_for_the_charm_of_canonical_then_it_finds_the_same_names(run, disk, archive):
    config = {'queue': 'q', 'namespace': 'n', 'log-level': 'Debug', 'supported-workflows': 'B, A'}
    relation = world.server({'host': 'h', 'port': '7233', 'tls': 'true', 'ca': 'PEM'})

    run(world.state(disk, archive, config=config, relations=[relation]))

    found = _environment(disk)
    for prefix in ('TWC_', 'TEMPORAL_'):
        expected = {'HOST': 'h:7233', 'NAMESPACE': 'n', 'QUEUE': 'q', 'LOG_LEVEL': 'debug', 'TLS_ROOT_CAS': 'PEM'}
        assert {name: found[prefix + name] for name in expected} == expected
        # That charm sets all its options, and code calls methods of what it gets.
        assert (found[f'{prefix}AUTH_PROVIDER'], found[f'{prefix}SENTRY_SAMPLE_RATE']) == ('', '1.0')
    assert (found['TWC_SUPPORTED_WORKFLOWS'], found['TWC_SUPPORTED_ACTIVITIES']) == ('A,B', 'all')


@pytest.mark.parametrize('tls', [True, False])
def test_given_code_that_makes_a_client_of_its_own_then_the_sdk_finds_the_server(run, disk, archive, monkeypatch, tls):
    data = {'host': 'h', 'port': '7233', **({'tls': 'true', 'ca': 'PEM'} if tls else {})}

    run(world.state(disk, archive, relations=[world.server(data)]))

    found = {name: value for name, value in _environment(disk).items() if name.startswith('TEMPORAL_')}
    connect = ClientConfig.load_client_connect_config(override_env_vars=found, disable_file=True)
    assert (connect.get('target_host'), connect.get('namespace')) == ('h:7233', 'default')
    told = connect.get('tls')
    assert (told.server_root_ca_cert if isinstance(told, TLSConfig) else told) == (b'PEM' if tls else False)


def test_given_variables_of_the_operator_then_they_replace_defaults_and_not_what_the_charm_knows(
    run, disk, archive, tmp_path
):
    env = tmp_path / 'x.env'
    env.write_text('TWC_HOST=elsewhere:1\nTWC_SENTRY_DSN=x\n')

    run(world.state(disk, archive, resources=world.resources(archive, env)))

    found = _environment(disk)
    assert (found['TWC_HOST'], found['TWC_SENTRY_DSN']) == ('temporal-k8s.m.svc.cluster.local:7233', 'x')


def test_given_proxies_of_the_model_then_the_code_gets_them_unless_the_operator_has_others(
    ctx, run, disk, archive, tmp_path, monkeypatch
):
    monkeypatch.setenv('JUJU_CHARM_HTTP_PROXY', 'http://proxy:3128')
    monkeypatch.setenv('JUJU_CHARM_HTTPS_PROXY', f'http://me:{VALUE}@proxy:3128')
    monkeypatch.setenv('JUJU_CHARM_NO_PROXY', '')
    env = tmp_path / 'x.env'
    env.write_text('http_proxy=http://other:1\n')

    out = run(world.state(disk, archive, resources=world.resources(archive, env)))

    found = {name: value for name, value in _environment(disk).items() if name.lower().endswith('_proxy')}
    secure = f'http://me:{VALUE}@proxy:3128'
    assert found == {'http_proxy': 'http://other:1', 'HTTPS_PROXY': secure, 'https_proxy': secure}
    assert VALUE not in f'{out.get_container("temporal-worker").plan.to_yaml()} {ctx.exec_history}'


@pytest.mark.parametrize('gone', [False, True])
def test_given_two_secrets_that_rotate_when_the_first_event_comes_then_both_are_taken_up_with_one_restart(
    ctx, run, disk, archive, gone
):
    first = run(_state(disk, archive, f'{LOGIN} {TOKEN}', _secret(), _secret(TOKEN, token='t')))
    login = testing.Secret({'password': VALUE}, latest_content={'password': 'new'}, id=LOGIN)
    token = testing.Secret({'token': 't'}, latest_content={'token': 'newer'}, id=TOKEN)

    out = ctx.run(ctx.on.secret_changed(login), dataclasses.replace(first, secrets={login} if gone else {login, token}))

    assert _given(disk) == {'PASSWORD': 'new', 'TOKEN': 't' if gone else 'newer'}
    assert _configuration(out) != _configuration(first)


@pytest.mark.parametrize(
    ('text', 'values'),
    [
        ("A='it''s'\n", None),
        ('A="two\nlines"\nB=3', {'A': 'two\nlines', 'B': '3'}),
        ("A='single # no comment'", {'A': 'single # no comment'}),
        ('A=plain # comment', {'A': 'plain'}),
        ('export A="x\\ty"', {'A': 'x\ty'}),
        ('A=1\nB=${A}2${C:-d}${E}', {'A': '1', 'B': '12d'}),
        ('\ufeffA=1\r\nB=2\r\n', {'A': '1', 'B': '2'}),
        ('A=1\nA=2', {'A': '2'}),
        ('# nothing\n\n', {}),
    ],
)
def test_given_an_env_file_of_odd_forms_then_it_is_read_as_dotenv_defines_it(tmp_path, text, values):
    path = tmp_path / 'x.env'
    path.write_bytes(text.encode())

    found = Variables.load(path, 'app')

    assert dict(found.values) == (values or {})
    assert bool(found.problem) is (values is None)


def test_given_variables_of_the_charm_itself_then_env_file_cannot_refer_to_them(tmp_path, monkeypatch):
    monkeypatch.setenv('JUJU_AGENT_TOKEN', VALUE)
    path = tmp_path / 'x.env'
    path.write_text('A=${JUJU_AGENT_TOKEN}')

    assert Variables.load(path, 'app').values == {'A': ''}
