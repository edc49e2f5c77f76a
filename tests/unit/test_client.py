"""The client of the server: one conversation with a program, which here is a script."""

from __future__ import annotations

import json
import pathlib
import sys
from collections.abc import Callable

import pytest
from temporal_charms.admin import Frontend

import client
from client import Client, Cluster, Execution, Member, Namespace, Refused, Running

Answers = Callable[..., pathlib.Path]
FRONTEND = Frontend('127.0.0.1', 7233)
ORDERS = {'name': 'orders', 'id': 'o', 'state': 'registered', 'retention': 86400, 'description': '', 'owner': '',
          'data': {}, 'search_attributes': {'A': 'Int'}}  # fmt: skip
EXECUTION = {'workflow_id': 'w', 'run_id': 'r', 'type': 'T', 'queue': 'q', 'started': '2026-11-21T12:00:00Z'}


@pytest.fixture
def answers(monkeypatch, tmp_path) -> Answers:
    """Has the program give these answers, one for each question; the questions stand in the file that is returned."""

    def prepare(*results: object, after: str = '') -> pathlib.Path:
        asked, program = tmp_path / 'asked', tmp_path / 'temporal-client'
        lines = [result if isinstance(result, str) else json.dumps(result) for result in results]
        program.write_text(f"""#!{sys.executable}
import sys, time
for answer in {lines!r}:
    open({str(asked)!r}, 'a').write(sys.stdin.readline())
    print(answer, flush=True)
{after}
""")
        program.chmod(0o755)
        monkeypatch.setattr(client, '_PROGRAM', program)
        return asked

    return prepare


def test_given_several_questions_then_one_program_answers_them_all(answers):
    asked = answers({'result': [ORDERS]}, {'result': ORDERS})

    with Client(Frontend('host', 7233, tls=True, ca='PEM'), timeout=3) as server:
        found = server.namespaces(), server.describe('orders')

    assert found == ((Namespace(**ORDERS),), Namespace(**ORDERS))
    first, second = (json.loads(line) for line in asked.read_text().splitlines())
    assert first == {'command': 'namespace-list', 'address': 'host:7233', 'timeout': 3, 'tls': {'ca': 'PEM'},
                     'arguments': {}}  # fmt: skip
    assert (second['command'], second['arguments']) == ('namespace-describe', {'name': 'orders'})


@pytest.mark.parametrize(
    ('question', 'result', 'arguments', 'found'),
    [
        (lambda s: s.register('orders', retention=86400), ORDERS, {'name': 'orders', 'retention': 86400}, None),
        (lambda s: s.update('orders', owner='me'), ORDERS, {'name': 'orders', 'owner': 'me'}, None),
        (
            lambda s: s.add_search_attributes('orders', {'A': 'Int'}),
            ORDERS,
            {'namespace': 'orders', 'attributes': {'A': 'Int'}},
            None,
        ),
        (
            lambda s: s.search_attributes('orders'),
            {'custom': {'A': 'Int'}, 'system': {}},
            {'namespace': 'orders'},
            {'A': 'Int'},
        ),
        (lambda s: s.delete('orders'), {'name': 'orders-deleted-1'}, {'name': 'orders'}, 'orders-deleted-1'),
        (
            lambda s: s.health({'history': ('127.0.0.1:7234', 'h')}),
            {'history': 'serving'},
            {'services': {'history': {'address': '127.0.0.1:7234', 'service': 'h'}}, 'timeout': 1.0},
            {'history': 'serving'},
        ),
        (
            lambda s: s.cluster(),
            {'name': 'active', 'id': 'c', 'version': '1.32.2', 'shards': 4, 'persistence': 'p', 'visibility': 'v',
             'members': [{'role': 'history', 'address': '10.1.2.3:7234'}]},
            {},
            Cluster('active', 'c', '1.32.2', 4, 'p', 'v', (Member('history', '10.1.2.3:7234'),)),
        ),
        (
            lambda s: s.running(3),
            [{'namespace': 'orders', 'running': 7, 'executions': [EXECUTION]}],
            {'limit': 3},
            (Running('orders', 7, (Execution(**EXECUTION),)),),
        ),
    ],
)  # fmt: skip
def test_given_a_question_then_it_is_asked_and_its_answer_read(answers, question, result, arguments, found):
    asked = answers({'result': result})

    with Client(FRONTEND) as server:
        given = question(server)

    assert given == (Namespace(**ORDERS) if found is None else found)
    assert json.loads(asked.read_text())['arguments'] == arguments


@pytest.mark.parametrize(('code', 'passing'), [('NotFound', False), ('Unavailable', True)])
def test_given_a_server_that_refuses_then_its_sentence_and_code_are_told(answers, code, passing):
    answers({'error': 'No.', 'code': code})

    with Client(FRONTEND) as server, pytest.raises(Refused, match=r'^No\.$') as refused:
        server.describe('orders')

    assert (refused.value.sentence, refused.value.code, refused.value.passing) == ('No.', code, passing)


@pytest.mark.parametrize('answer', ['no JSON', ''])
def test_given_a_program_that_fails_then_it_is_told_without_a_traceback(answers, answer):
    answers(answer)

    with Client(FRONTEND) as server, pytest.raises(Refused, match='temporal-client ended without an answer'):
        server.namespaces()


def test_given_no_program_then_it_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr(client, '_PROGRAM', tmp_path / 'none')

    with Client(FRONTEND) as server, pytest.raises(Refused, match='temporal-client cannot be run: No such file'):
        server.namespaces()


def test_given_a_program_that_hangs_then_it_is_killed(answers, monkeypatch):
    monkeypatch.setattr(client, '_GRACE', 0.2)
    answers(after='time.sleep(60)')

    with Client(FRONTEND, timeout=0.1) as server, pytest.raises(Refused, match='ended without an answer'):
        server.namespaces()


def test_given_a_program_that_does_not_end_with_its_input_then_it_is_killed(answers, monkeypatch):
    monkeypatch.setattr(client, '_GRACE', 0.5)
    answers({'result': []}, after='time.sleep(60)')

    with Client(FRONTEND) as server:
        assert server.namespaces() == ()


def test_given_a_client_that_asks_nothing_then_nothing_is_started(monkeypatch, tmp_path):
    monkeypatch.setattr(client, '_PROGRAM', tmp_path / 'none')

    with Client(FRONTEND):
        pass
