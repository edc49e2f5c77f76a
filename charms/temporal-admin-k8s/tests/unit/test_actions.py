"""`tctl` and `cli` run against the related server; whatever goes wrong is one sentence."""

from __future__ import annotations

import dataclasses

import pytest
from ops import pebble, testing
from temporal_charms.admin import Frontend
from temporal_charms.results import MOST
from world import PASSWORD, REQUEST, container, relation, state

from workload import NotEnded, NotRun, Workload

ADDRESS = 'temporal-k8s.m.svc.cluster.local:7233'


def _run(ctx, action: str, arguments: str, world: testing.State, timeout: int = 60) -> dict:
    ctx.run(ctx.on.action(action, params={'args': arguments, 'timeout': timeout}), world)
    return ctx.action_results or {}


@pytest.mark.parametrize(
    ('action', 'program', 'variable'),
    [('tctl', 'tctl', 'TEMPORAL_CLI_ADDRESS'), ('cli', 'temporal', 'TEMPORAL_ADDRESS')],
)
def test_given_arguments_then_the_tool_gets_them_as_a_shell_would_give_them(ctx, action, program, variable):
    tool = testing.Exec([program], stdout='done', stderr='note')
    arguments = '--ns default namespace register -rd 3 --input \'{"a": "b c"}\''

    results = _run(ctx, action, arguments, state(containers={container(tool)}), timeout=5)

    ran = ctx.exec_history['temporal-admin'][-1]
    assert ran.command == [
        program, '--ns', 'default', 'namespace', 'register', '-rd', '3', '--input', '{"a": "b c"}',
    ]  # fmt: skip
    assert ran.environment == {variable: ADDRESS}
    assert (ran.user, ran.timeout, ran.stdin) == ('temporal', 5, b'')
    assert results == {'output': 'done', 'messages': 'note', 'status': 0}


@pytest.mark.parametrize('ca', ['', 'PEM'])
@pytest.mark.parametrize(
    ('action', 'program', 'expected', 'authority'),
    [
        (
            'tctl',
            'tctl',
            {'TEMPORAL_CLI_ADDRESS': 'f:7', 'TEMPORAL_CLI_TLS_SERVER_NAME': 'f'},
            'TEMPORAL_CLI_TLS_CA',
        ),
        (
            'cli',
            'temporal',
            {'TEMPORAL_ADDRESS': 'f:7', 'TEMPORAL_TLS': 'true'},
            'TEMPORAL_TLS_SERVER_CA_CERT_PATH',
        ),
    ],
)
def test_given_a_frontend_with_tls_then_the_tool_verifies_it(ctx, action, program, expected, authority, ca):
    request = dataclasses.replace(REQUEST, frontend=Frontend('f', 7, tls=True, ca=ca))
    world = state(containers={container(testing.Exec([program]))}, relations=[relation(request)])

    out = ctx.run(ctx.on.action(action, params={'args': 'x', 'timeout': 60}), world)

    file = '/etc/temporal-charm/frontend-ca.pem'
    assert ctx.exec_history['temporal-admin'][-1].environment == expected | ({authority: file} if ca else {})
    if ca:
        assert (out.get_container('temporal-admin').get_filesystem(ctx) / file[1:]).read_text() == ca


def test_given_much_output_then_it_is_cut_with_a_note(ctx):
    tool = testing.Exec(['temporal'], stdout='é' * 40_000, stderr='x' * 60_000 + '\nlast', return_code=1)

    with pytest.raises(testing.ActionFailed, match='last'):
        _run(ctx, 'cli', 'x', state(containers={container(tool)}))

    results = ctx.action_results or {}
    assert results['status'] == 1
    assert results['output'] == 'é' * 30_000
    assert results['output-note'].startswith('cut: the first 60000 of 80000 bytes')
    assert len(results['messages']) == MOST
    assert results['messages'].endswith('last')
    assert results['messages-note'].startswith('cut: the last 60000 of 60005 bytes')


@pytest.mark.parametrize(
    ('arguments', 'secret'),
    [
        ('x', PASSWORD),
        ('--api-key hush-hush list', 'hush-hush'),
        ('--api-key=hush-hush list', 'hush-hush'),
        ('--grpc-meta "authorization=Bearer hush-hush" list', 'hush-hush'),
        ('--auth hush-hush', 'hush-hush'),
        ('--codec-header Authorization=hush-hush list', 'hush-hush'),
        ('env set --key prod.api-key --value hush-hush', 'hush-hush'),
        ('config set -v=hush-hush -p codec_auth', 'hush-hush'),
    ],
)
def test_given_a_tool_that_repeats_a_secret_then_no_result_holds_it(ctx, arguments, secret):
    tool = testing.Exec(['tctl'], stdout=f'a {secret} b', stderr=f'Error: {secret}', return_code=1)

    with pytest.raises(testing.ActionFailed) as failure:
        _run(ctx, 'tctl', arguments, state(containers={container(tool)}))

    assert secret not in str(ctx.action_results)
    assert failure.value.message == 'tctl ended with status 1: Error: ***'


@pytest.mark.parametrize(
    'arguments',
    [
        'workflow start --input-meta encoding=json/plain',
        'env set --key encoding --value json/plain',
        'env get --key encoding',
    ],
)
def test_given_an_argument_that_is_no_secret_then_the_results_hold_it(ctx, arguments):
    tool = testing.Exec(['temporal'], stdout='encoding json/plain')

    assert _run(ctx, 'cli', arguments, state(containers={container(tool)}))['output'] == 'encoding json/plain'


@pytest.mark.parametrize(
    ('arguments', 'changes', 'sentence'),
    [
        (
            'x',
            {'containers': {container(can_connect=False)}},
            'the container has not started yet: try again in a moment',
        ),
        ('x', {'relations': []}, 'no server: juju integrate temporal-admin-k8s:admin temporal-k8s:admin'),
        (
            'x',
            {'relations': [relation(dataclasses.replace(REQUEST, frontend=None))]},
            'temporal-k8s has not said yet where it answers: try again when it is active',
        ),
        ("namespace 'x", {}, 'args cannot be split as a shell would: No closing quotation'),
        (
            'x',
            {'containers': {container(testing.Exec(['tctl'], return_code=1, stderr='a\nError: no such command'))}},
            'tctl ended with status 1: Error: no such command',
        ),
        (
            'x',
            {'containers': {container(testing.Exec(['tctl'], return_code=2))}},
            'tctl ended with status 2: no message',
        ),
    ],
)
def test_given_something_wrong_then_the_action_fails_with_one_sentence(ctx, arguments, changes, sentence):
    with pytest.raises(testing.ActionFailed) as failure:
        _run(ctx, 'tctl', arguments, state(**changes))

    assert failure.value.message == sentence


@pytest.mark.parametrize('timeout', [0, 601])
def test_given_a_timeout_out_of_bounds_then_the_action_names_them(ctx, timeout):
    with pytest.raises(testing.ActionFailed) as failure:
        _run(ctx, 'tctl', 'x', state(), timeout)

    assert failure.value.message == f'timeout must be between 1 and 600 seconds, not {timeout}'


def test_given_an_image_without_tctl_then_the_action_says_so(ctx, monkeypatch):
    def missing(*_: object, **__: object) -> None:
        raise NotRun('the image has no tctl')

    monkeypatch.setattr(Workload, 'run', missing)
    with pytest.raises(testing.ActionFailed) as failure:
        _run(ctx, 'tctl', 'x', state())

    assert failure.value.message == 'the image has no tctl'


def test_given_a_tool_that_does_not_end_then_the_action_fails_and_shows_what_it_said(ctx, monkeypatch):
    def asks(*_: object, **__: object) -> None:
        raise NotEnded('temporal did not end within 60 s', f'Continue? {PASSWORD}', 'wait')

    monkeypatch.setattr(Workload, 'run', asks)
    with pytest.raises(testing.ActionFailed) as failure:
        _run(ctx, 'cli', 'x', state())

    assert failure.value.message == (
        'temporal did not end within 60 s: take a longer timeout, or --yes if it asks for a confirmation'
    )
    assert ctx.action_results == {'output': 'Continue? ***', 'messages': 'wait'}


@pytest.mark.parametrize('method', ['run', 'write'])
def test_given_a_container_that_goes_away_then_the_action_fails_with_one_sentence(ctx, monkeypatch, method):
    def gone(*_: object, **__: object) -> None:
        raise pebble.ConnectionError('no socket')

    monkeypatch.setattr(Workload, method, gone)
    request = dataclasses.replace(REQUEST, frontend=Frontend('f', 7, tls=True, ca='PEM'))
    with pytest.raises(testing.ActionFailed) as failure:
        _run(ctx, 'tctl', 'x', state(relations=[relation(request)]))

    assert failure.value.message == 'the container has gone away: try again'
