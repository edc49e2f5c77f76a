"""The loader: what counts as code, how it is installed, and what it says of what is in it."""

from __future__ import annotations

import json
import pathlib
import sys
import tarfile
import zipfile

import pytest
import world
from served import settings

from loader import discovery, layout, prepare, wheels
from loader.layout import Prepared, Settings
from loader.wheels import CodeProblem

WORKFLOWS = """
from temporalio import activity, workflow

def helper():
    pass

@activity.defn
def greet(name: str) -> str:
    return name

@activity.defn(name='renamed')
def other() -> None:
    pass

@workflow.defn
class Hello:
    @workflow.run
    async def run(self) -> None:
        pass

class Plain(Hello):
    pass
"""


def test_given_a_wheel_when_unpacked_then_it_gets_its_name_back(tmp_path):
    archive = tmp_path / 'workflows-file'
    tags = ('cp311-cp311-manylinux_2_17_x86_64', 'cp311-cp311-manylinux2014_x86_64')
    world.wheel(tmp_path, 'Some-Thing', tags=tags).rename(archive)

    (found,) = wheels.unpack(archive, tmp_path / 'out')

    assert found.name == 'Some_Thing-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl'


def test_given_archives_when_unpacked_then_the_wheels_come_out(tmp_path):
    both = [world.wheel(tmp_path, 'a'), world.wheel(tmp_path, 'b')]
    tar = world.tar(tmp_path / 'x.tar', *both)
    with tarfile.open(tmp_path / 'x.tar.gz', 'w:gz') as archive:
        archive.add(both[0], '../../a-1.0-py3-none-any.whl')
    with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as archive:
        archive.write(both[1], 'some/folder/b-1.0-py3-none-any.whl')

    names = [
        [wheel.name for wheel in wheels.unpack(path, tmp_path / f'out{i}')]
        for i, path in enumerate([tar, tmp_path / 'x.tar.gz', tmp_path / 'x.zip'])
    ]

    assert names == [
        ['a-1.0-py3-none-any.whl', 'b-1.0-py3-none-any.whl'],
        ['a-1.0-py3-none-any.whl'],
        ['b-1.0-py3-none-any.whl'],
    ]


def test_given_an_archive_with_requirements_when_unpacked_then_they_come_out_and_are_no_wheel(tmp_path):
    requirements = tmp_path / 'requirements.txt'
    requirements.write_text('x')
    tar = world.tar(tmp_path / 'x.tar', world.wheel(tmp_path), requirements)

    found = wheels.unpack(tar, tmp_path / 'out')

    assert [wheel.name for wheel in found] == ['hello-1.0-py3-none-any.whl']
    assert (tmp_path / 'out' / 'requirements.txt').read_text() == 'x'


def test_given_wheels_then_those_in_one_version_are_told(tmp_path):
    for version in ('1.0', '2.0'):
        world.wheel(tmp_path, 'Some_Lib', version=version)
    world.wheel(tmp_path, 'An.Other')

    assert wheels.versions(tmp_path) == ['an-other==1.0']


def _text(path: pathlib.Path) -> pathlib.Path:
    path.write_text('just text')
    return path


def _truncated(path: pathlib.Path) -> pathlib.Path:
    wheels = [world.wheel(path.parent, name) for name in ('a', 'b')]
    whole = world.tar(path.with_name('whole.tar'), *wheels).read_bytes()
    # In the middle of the second one.
    path.write_bytes(whole[: 512 + 1024 + 512 + 100])
    return path


def _zip_without_metadata(path: pathlib.Path) -> pathlib.Path:
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('x-1.0.dist-info/WHEEL', 'Tag: py3-none-any')
    return path


@pytest.mark.parametrize(
    ('make', 'sentence'),
    [
        (_text, 'workflows-file is neither a wheel nor an archive of wheels: attach one'),
        (
            lambda path: world.tar_of_bytes(path, 'readme.txt', b'x'),
            'workflows-file is neither a wheel nor an archive of wheels: attach one',
        ),
        (
            lambda path: world.tar_of_bytes(path, 'x-1.0-py3-none-any.whl', b'no zip'),
            'workflows-file holds x-1.0-py3-none-any.whl, which is no wheel: attach one',
        ),
        (_truncated, 'workflows-file cannot be read (unexpected end of data): attach it again'),
        (_zip_without_metadata, 'a wheel in workflows-file has no METADATA: build it again'),
    ],
)
def test_given_something_else_when_unpacked_then_the_problem_is_named(tmp_path, make, sentence):
    with pytest.raises(CodeProblem) as problem:
        wheels.unpack(make(tmp_path / 'workflows-file'), tmp_path / 'out')

    assert str(problem.value) == sentence


def test_given_several_wheels_then_the_one_that_nobody_needs_is_meant(tmp_path):
    main = world.wheel(tmp_path, 'main', requires=('Some.Lib>=1; python_version > "3"', 'other[extra]'))
    needed = [world.wheel(tmp_path, 'some-lib', requires=('other',)), world.wheel(tmp_path, 'other')]

    assert wheels.main_wheel([*needed, main], '') == main


def test_given_a_name_then_that_wheel_is_meant(tmp_path):
    both = [world.wheel(tmp_path, 'a'), world.wheel(tmp_path, 'b')]

    assert wheels.main_wheel(both, both[1].name) == both[1]


@pytest.mark.parametrize(
    ('file_name', 'sentence'),
    [
        (
            '',
            'workflows-file holds several wheels that could be meant (a-1.0-py3-none-any.whl, b-1.0-py3-none-any.whl): '
            'set workflows-file-name',
        ),
        (
            'c.whl',
            'workflows-file-name is c.whl, but workflows-file holds a-1.0-py3-none-any.whl, b-1.0-py3-none-any.whl: '
            'set it to one of them',
        ),
    ],
)
def test_given_wheels_among_which_none_can_be_told_then_the_option_is_named(tmp_path, file_name, sentence):
    with pytest.raises(CodeProblem) as problem:
        wheels.main_wheel([world.wheel(tmp_path, 'a'), world.wheel(tmp_path, 'b')], file_name)

    assert str(problem.value) == sentence


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Installs a package for this process, and takes it away again."""
    before = set(sys.modules)

    def _install(files: dict[str, str], name: str = 'hello') -> str:
        with zipfile.ZipFile(world.wheel(tmp_path, name, files)) as archive:
            archive.extractall(tmp_path / 'site')
        monkeypatch.syspath_prepend(tmp_path / 'site')
        return name

    yield _install
    for module in set(sys.modules) - before:
        del sys.modules[module]


def test_given_installed_code_then_all_that_is_decorated_is_found_and_nothing_else(installed):
    name = installed(
        {
            'hello/__init__.py': '',
            'hello/work.py': WORKFLOWS,
            'hello/again.py': 'from hello.work import Hello, greet',
            'hello/__main__.py': 'raise SystemExit(1)',
            'hello/data-1/not_a_module.py': 'raise SystemExit(1)',
        }
    )

    code = discovery.find(name, (), ())

    assert set(code.workflows) == {'Hello'}
    assert set(code.activities) == {'greet', 'renamed'}


def test_given_names_then_only_these_are_taken_by_the_name_of_temporal_or_of_python(installed):
    name = installed({'hello/__init__.py': WORKFLOWS})

    code = discovery.find(name, ('Hello',), ('other',))

    assert (list(code.workflows), list(code.activities)) == (['Hello'], ['other'])


@pytest.mark.parametrize(
    ('files', 'workflows', 'activities', 'sentence'),
    [
        (
            {'hello/__init__.py': WORKFLOWS},
            ('Bye',),
            (),
            'workflows-file has no workflow named Bye (there is: Hello): change supported-workflows',
        ),
        (
            {'hello/__init__.py': WORKFLOWS},
            (),
            ('bye',),
            'workflows-file has no activity named bye (there is: greet, other, renamed): change supported-activities',
        ),
        (
            {'hello/__init__.py': ''},
            ('Hello',),
            (),
            'workflows-file has no workflow named Hello (there is: none): change supported-workflows',
        ),
        (
            {'hello/__init__.py': WORKFLOWS, 'hello/more.py': WORKFLOWS},
            (),
            (),
            'workflows-file has two workflows named Hello: rename one',
        ),
        (
            {'hello/__init__.py': 'x = 1'},
            (),
            (),
            'workflows-file has neither workflows nor activities: nothing in hello is decorated',
        ),
        (
            {'hello/__init__.py': 'import no_such_module'},
            (),
            (),
            "workflows-file cannot be imported: hello: ModuleNotFoundError: No module named 'no_such_module'",
        ),
        (
            {'hello/__init__.py': 'import sys; sys.exit(1)'},
            (),
            (),
            'workflows-file cannot be imported: hello: SystemExit: 1',
        ),
        (
            {'hello/__init__.py': 'raise ValueError'},
            (),
            (),
            'workflows-file cannot be imported: hello: ValueError: ',
        ),
    ],
)
def test_given_code_that_cannot_run_then_the_problem_is_named(installed, files, workflows, activities, sentence):
    name = installed(files)

    with pytest.raises(CodeProblem) as problem:
        discovery.find(name, workflows, activities)

    assert str(problem.value) == sentence


DYNAMIC = """
from collections.abc import Sequence
from temporalio import activity, workflow
from temporalio.common import RawValue

@activity.defn(dynamic=True)
async def anything(args: Sequence[RawValue]) -> None:
    pass

@workflow.defn(dynamic=True)
class Any:
    @workflow.run
    async def run(self, args: Sequence[RawValue]) -> None:
        pass
"""

METHOD = """
from temporalio import activity

class Greeter:
    @activity.defn
    def greet(self) -> None:
        pass
"""


def test_given_dynamic_code_then_it_is_found_by_the_name_of_python(installed):
    code = discovery.find(installed({'hello/__init__.py': DYNAMIC}), (), ())

    assert (list(code.workflows), list(code.activities)) == (['Any'], ['anything'])


def test_given_both_names_of_one_activity_then_it_is_taken_once(installed):
    code = discovery.find(installed({'hello/__init__.py': WORKFLOWS}), (), ('other', 'renamed'))

    assert list(code.activities) == ['other']


def test_given_several_dynamic_ones_then_one_has_to_be_chosen(installed):
    name = installed({'hello/__init__.py': DYNAMIC, 'hello/more.py': DYNAMIC.replace('Any', 'Every')})

    with pytest.raises(CodeProblem) as problem:
        discovery.find(name, (), ('anything',))

    assert str(problem.value) == (
        'workflows-file has several dynamic workflows (Any, Every): keep one, or name one in supported-workflows'
    )


def test_given_an_activity_that_is_a_method_then_the_problem_says_why_it_cannot_run(installed):
    name = installed({'hello/__init__.py': WORKFLOWS.replace('def greet', 'def welcome'), 'hello/more.py': METHOD})

    with pytest.raises(CodeProblem) as problem:
        discovery.find(name, (), ('greet',))

    assert str(problem.value) == (
        'workflows-file has activity greet only as a method of Greeter, which cannot be run: '
        'change supported-activities'
    )


@pytest.mark.parametrize(
    ('decorator', 'module', 'sentence'),
    [
        (
            '@workflow.defn',
            'import random; random.random()',
            'sandbox refuses workflow Hello: RestrictedWorkflowAccessError',
        ),
        ('@workflow.defn(sandboxed=False)', 'import random; random.random()', ''),
        ('@workflow.defn', '', ''),
    ],
)
def test_given_a_workflow_when_validated_then_what_its_module_does_is_judged_by_the_sdk(
    installed, decorator, module, sentence
):
    text = f'{module}\n{WORKFLOWS}'.replace('@workflow.defn', decorator)
    code = discovery.find(installed({'hello/__init__.py': text}), (), ())

    if sentence:
        with pytest.raises(CodeProblem, match=sentence):
            discovery.validate(code.workflows)
    else:
        discovery.validate(code.workflows)


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

    assert result == Prepared('k1', 'workflows-file is neither a wheel nor an archive of wheels: attach one')


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


@pytest.mark.parametrize(
    ('script', 'expected'),
    [
        ('import os; print("noise"); print(os.environ["ANSWER"])', Prepared(workflows=('Hello',))),
        ('import sys; sys.exit("Fatal: boom")', 'workflows-file cannot be imported: Fatal: boom'),
        ('import os; os._exit(3)', 'workflows-file cannot be imported: no message'),
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

    if isinstance(expected, Prepared):
        assert prepare._look_inside(home, 'hello') == expected
    else:
        with pytest.raises(CodeProblem, match=expected):
            prepare._look_inside(home, 'hello')


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
