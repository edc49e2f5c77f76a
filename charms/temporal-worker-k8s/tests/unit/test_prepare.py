"""The loader's process that installs the code and looks into it, and the result that it leaves for the charm."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest
import world
from served import settings
from world import WORKFLOWS

from loader import layout, prepare
from loader.layout import Prepared, Settings
from loader.wheels import CodeProblem


@pytest.fixture
def home(tmp_path, monkeypatch) -> pathlib.Path:
    """The worker's folder, with settings and environment as the charm leaves them."""
    for name in ('SETTINGS', 'ENVIRONMENT', 'PREPARED'):
        path = tmp_path / pathlib.Path(getattr(layout, name)).name
        monkeypatch.setattr(layout, name, str(path))
    monkeypatch.setattr(layout, 'HOME', str(tmp_path))
    (tmp_path / 'environment.json').write_text(json.dumps({'TOKEN': 'x', 'PYTHONPATH': '/nowhere'}))
    return tmp_path


def _settings(home: pathlib.Path, **changes) -> Settings:
    wanted = settings(**changes)
    (home / 'settings.json').write_text(wanted.dump())
    return wanted


def _prepare(home: pathlib.Path, monkeypatch, key: str = 'k1') -> Prepared:
    monkeypatch.setattr(sys, 'argv', ['prepare', key])
    prepare.main()
    return Prepared.load((home / 'prepared.json').read_text())


def test_given_no_code_worth_the_name_when_prepared_then_the_result_says_so(home, monkeypatch):
    _settings(home)
    (home / 'code-1').mkdir()
    (home / 'code-1' / 'workflows-file').write_text('no wheel')

    result = _prepare(home, monkeypatch)

    assert result == Prepared(
        'k1', 'workflows-file is neither a wheel nor an archive of wheels: attach one', remedied=True
    )


def test_given_code_when_prepared_then_it_is_installed_once_and_looked_at_each_time(home, monkeypatch):
    _settings(home)
    (home / 'code-1').mkdir()
    world.wheel(home, 'hello').rename(home / 'code-1' / 'workflows-file')
    looked: list[str] = []

    def look(environment: pathlib.Path, distribution: str) -> Prepared:
        looked.append(f'{environment.name} {distribution}')
        return Prepared(workflows=('Hello',))

    monkeypatch.setattr(prepare, '_look_inside', look)

    first = _prepare(home, monkeypatch)
    marker = (home / 'code-1' / 'venv' / 'pyvenv.cfg').stat().st_mtime_ns
    second = _prepare(home, monkeypatch, 'k2')

    assert first == Prepared('k1', '', ('Hello',))
    assert second.key == 'k2'
    assert (home / 'code-1' / 'venv' / 'pyvenv.cfg').stat().st_mtime_ns == marker
    assert looked == ['venv hello'] * 2
    assert prepare.installed(home / 'code-1' / 'venv') == 'hello'


@pytest.mark.parametrize(
    ('script', 'expected'),
    [
        ('import os; print("noise"); print(os.environ["ANSWER"])', Prepared(workflows=('Hello',))),
        ('import sys; sys.exit("Fatal: boom")', 'workflows-file cannot be imported: Fatal: boom'),
        ('import os; os._exit(3)', 'workflows-file cannot be imported: no message'),
        (
            'import os, sys; print("no TOKEN", file=sys.stderr); print(os.environ["ENDED"])',
            Prepared(problem='workflows-file cannot be imported: a.b: SystemExit: 1 (no TOKEN)'),
        ),
        (
            'import os, sys; print("noise", file=sys.stderr); print(os.environ["FAILED"])',
            Prepared(problem='workflows-file cannot be imported: a.b: KeyError: 1'),
        ),
    ],
)
def test_given_an_environment_when_looked_into_then_its_answer_or_its_last_words_are_told(
    home, monkeypatch, script, expected
):
    (home / 'bin').mkdir()
    python = home / 'bin' / 'python'
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{script}'\n")
    python.chmod(0o755)
    monkeypatch.setenv('PYTHONPATH', '/loader')
    monkeypatch.setenv('ANSWER', Prepared(workflows=('Hello',)).dump())
    for name, error in (('ENDED', 'SystemExit'), ('FAILED', 'KeyError')):
        problem = f'workflows-file cannot be imported: a.b: {error}: 1'
        monkeypatch.setenv(name, Prepared(problem=problem).dump())

    if isinstance(expected, Prepared):
        assert prepare._look_inside(home, 'hello') == expected
    else:
        with pytest.raises(CodeProblem, match=expected):
            prepare._look_inside(home, 'hello')


def test_given_a_variable_that_is_too_long_for_linux_then_the_problem_names_where_it_may_come_from(home, monkeypatch):
    (home / 'environment.json').write_text(json.dumps({'CHAIN': 'x' * 200_000}))
    monkeypatch.setenv('PYTHONPATH', '/loader')

    with pytest.raises(CodeProblem, match=r'env-file, environment-secrets or an integration .* make it shorter'):
        prepare._look_inside(pathlib.Path(sys.prefix), 'hello')


def test_given_an_environment_that_cannot_be_run_then_that_is_no_problem_of_the_code(home, monkeypatch):
    monkeypatch.setenv('PYTHONPATH', '/loader')

    with pytest.raises(FileNotFoundError):
        prepare._look_inside(home, 'hello')


@pytest.mark.parametrize('error', [UnicodeDecodeError('utf-8', b'\xff', 0, 1, 'invalid'), RuntimeError('encrypted')])
def test_given_code_that_cannot_be_read_when_prepared_then_the_image_is_not_blamed(home, monkeypatch, error):
    _settings(home)

    def fail(_: object) -> None:
        raise error

    monkeypatch.setattr(prepare, 'install', fail)

    found = _prepare(home, monkeypatch).problem

    assert found.startswith(f'workflows-file cannot be read ({type(error).__name__}: ')


def test_given_an_import_that_is_killed_then_the_problem_may_pass(home, monkeypatch):
    _settings(home)
    (home / 'bin').mkdir()
    python = home / 'bin' / 'python'
    python.write_text('#!/bin/sh\necho noise\nkill -KILL $$\n')
    python.chmod(0o755)
    monkeypatch.setenv('PYTHONPATH', '/loader')
    monkeypatch.setattr(prepare, 'install', lambda _: ('hello', home))

    result = _prepare(home, monkeypatch)

    killed = 'the process that imports workflows-file was killed by signal 9, mostly for want of memory'
    assert result == Prepared('k1', f'{killed}: it is tried again', passing=True, remedied=True)


@pytest.mark.parametrize(
    ('given', 'path'),
    [({}, '/venv/bin:/image/bin'), ({'PATH': '/operator/bin'}, '/venv/bin:/operator/bin')],
)
def test_given_a_virtual_environment_then_the_code_finds_its_programs_first(home, monkeypatch, given, path):
    (home / 'environment.json').write_text(json.dumps({'TOKEN': 'x', **given}))
    monkeypatch.setenv('PATH', '/image/bin')

    found = prepare.surroundings(pathlib.Path('/venv'))

    assert (found['PATH'], found['TOKEN']) == (path, 'x')


def test_given_code_whose_import_does_not_end_then_it_is_given_up(home, monkeypatch):
    (home / 'bin').mkdir()
    python = home / 'bin' / 'python'
    python.write_text('#!/bin/sh\nexec sleep 60\n')
    python.chmod(0o755)
    monkeypatch.setenv('PYTHONPATH', '/loader')
    monkeypatch.setattr(prepare, '_IMPORT', 0.2)

    with pytest.raises(CodeProblem, match='its import has not ended after'):
        prepare._look_inside(home, 'hello')


@pytest.mark.parametrize(
    ('value', 'raised', 'told'),
    [
        ('hunter22', 'bad token hunter22!', 'bad token ***!'),
        ('first\nsecond', 'no first', 'no ***'),
        ('y' * 400, f'bad {"y" * 400}', 'bad ***'),
        ('1', 'attempt 1', 'attempt 1'),
        ('ok', 'z' * 400, 'z' * 300 + '...'),
    ],
)
def test_given_an_error_that_quotes_a_variable_when_prepared_then_the_value_is_not_told(
    home, monkeypatch, value, raised, told
):
    _settings(home)
    given = {'TOKEN': value, 'TWC_NAMESPACE': 'attempt'}
    (home / 'environment.json').write_text(json.dumps(given))

    def fail(_: Settings) -> None:
        raise CodeProblem(raised)

    monkeypatch.setattr(prepare, 'install', fail)

    assert _prepare(home, monkeypatch).problem == told


@pytest.mark.parametrize(('wrong', 'remedied'), [('short', True), ('z' * 400, False)])
def test_given_a_problem_that_says_what_is_to_be_done_then_that_is_told_unless_it_is_cut_off(
    home, monkeypatch, wrong, remedied
):
    _settings(home)

    def fail(_: Settings) -> None:
        raise CodeProblem(wrong, 'change supported-workflows')

    monkeypatch.setattr(prepare, 'install', fail)

    assert _prepare(home, monkeypatch).remedied is remedied


@pytest.mark.parametrize('content', [WORKFLOWS, 'x = 1'])
def test_given_the_environment_itself_when_it_looks_then_it_prints_what_it_found(
    home, monkeypatch, installed, capsys, content
):
    _settings(home)
    monkeypatch.setattr(sys, 'argv', ['prepare', '--look', installed({'hello/__init__.py': content})])

    prepare.main()

    found = Prepared.load(capsys.readouterr().out.splitlines()[-1])
    assert (found.workflows == ('Hello',)) is ('workflow' in content)
    assert bool(found.problem) is ('workflow' not in content)


def test_given_an_image_without_pip_when_prepared_then_the_result_says_so(home, monkeypatch):
    _settings(home)
    monkeypatch.setattr(prepare.importlib.util, 'find_spec', lambda _: None)

    assert _prepare(home, monkeypatch).problem.startswith('temporal-worker-image has no pip')
