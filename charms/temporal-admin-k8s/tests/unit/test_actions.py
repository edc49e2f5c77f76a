"""`tctl` and `cli` run against the related server; whatever goes wrong is one sentence."""

from __future__ import annotations

import dataclasses

import pytest
from ops import testing
from world import REQUEST, container, relation, state

from workload import Workload


def _run(ctx, action: str, arguments: str, world: testing.State) -> dict:
    ctx.run(ctx.on.action(action, params={'args': arguments}), world)
    return ctx.action_results or {}


@pytest.mark.parametrize(
    ('action', 'program', 'variable'),
    [('tctl', 'tctl', 'TEMPORAL_CLI_ADDRESS'), ('cli', 'temporal', 'TEMPORAL_ADDRESS')],
)
def test_given_arguments_then_the_tool_gets_them_as_a_shell_would_give_them(ctx, action, program, variable):
    tool = testing.Exec([program], stdout='done', stderr='note')
    arguments = '--ns default namespace register -rd 3 --input \'{"a": "b c"}\''

    results = _run(ctx, action, arguments, state(containers={container(tool)}))

    ran = ctx.exec_history['temporal-admin'][-1]
    assert ran.command == [
        program, '--ns', 'default', 'namespace', 'register', '-rd', '3', '--input', '{"a": "b c"}',
    ]  # fmt: skip
    assert ran.environment == {variable: 'temporal-k8s.m.svc.cluster.local:7233'}
    assert results == {'output': 'done', 'messages': 'note'}


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


def test_given_an_image_without_tctl_then_the_action_says_so(ctx, monkeypatch):
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError('the image has no tctl')

    monkeypatch.setattr(Workload, 'run', missing)
    with pytest.raises(testing.ActionFailed) as failure:
        _run(ctx, 'tctl', 'x', state())

    assert failure.value.message == 'the image has no tctl'
