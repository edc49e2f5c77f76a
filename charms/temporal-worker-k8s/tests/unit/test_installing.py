"""How code is installed: from the archive, from an index where it lacks something, and only what its hashes say."""

from __future__ import annotations

import functools
import hashlib
import http.server
import pathlib
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
import world

from loader import installing
from loader.wheels import CodeProblem


def test_given_complete_wheels_when_installed_then_they_can_be_imported_without_an_index(tmp_path):
    folder = tmp_path / 'wheels'
    folder.mkdir()
    main = world.wheel(folder, 'main', {'main/__init__.py': 'import lib\nvalue = lib.value'}, requires=('lib',))
    world.wheel(folder, 'lib', {'lib/__init__.py': 'value = 7'})

    installing.install(main, folder, tmp_path / 'venv')

    command = [tmp_path / 'venv/bin/python', '-c', 'import main; print(main.value)']
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == '7\n'


@pytest.mark.parametrize(
    ('requires', 'tags', 'sentence'),
    [
        (('no-such-lib>=2',), ('py3-none-any',), 'workflows-file lacks a wheel for no-such-lib'),
        (
            (),
            ('cp27-cp27m-win32',),
            'workflows-file cannot be installed: main-1.0-cp27-cp27m-win32.whl is not a supported',
        ),
    ],
)
def test_given_wheels_that_cannot_be_installed_then_the_problem_is_named(tmp_path, requires, tags, sentence):
    main = world.wheel(tmp_path, 'main', requires=requires, tags=tags)

    with pytest.raises(CodeProblem) as problem:
        installing.install(main, tmp_path, tmp_path / 'venv')

    assert str(problem.value).startswith(sentence)


@pytest.mark.parametrize(
    ('program', 'number', 'sentence'),
    [
        ('pip', 9, 'pip was killed by signal 9, mostly for want of memory: it is tried again'),
        ('venv', 15, 'venv was killed by signal 15: it is tried again'),
    ],
)
def test_given_a_program_that_is_killed_when_installed_then_it_may_go_well_another_time(
    tmp_path, monkeypatch, program, number, sentence
):
    def run(command, check=False, **_):
        code = -number if program in command else 0
        if check and code:
            raise subprocess.CalledProcessError(code, command)
        return subprocess.CompletedProcess(command, code, '', '')

    monkeypatch.setattr(installing.subprocess, 'run', run)

    with pytest.raises(CodeProblem) as found:
        installing.install(world.wheel(tmp_path), tmp_path, tmp_path / 'venv')

    assert str(found.value) == sentence
    assert found.value.passing


def test_given_an_image_without_pip_when_installed_then_the_image_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(
        installing.subprocess,
        'run',
        lambda *_, **__: subprocess.CompletedProcess([], 1, '', f'{sys.executable}: No module named pip'),
    )
    with pytest.raises(CodeProblem, match='temporal-worker-image has no pip'):
        installing.install(tmp_path / 'x', tmp_path, tmp_path / 'venv')


class _Handler(http.server.SimpleHTTPRequestHandler):
    """Serves an index, also to those who take it for a proxy."""

    def do_GET(self) -> None:
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.server.status:  # type: ignore[attr-defined]
            self.send_error(self.server.status)  # type: ignore[attr-defined]
            return
        if self.path.startswith('http://'):
            self.path = '/' + self.path.split('/', 3)[3]
        super().do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


class Index(http.server.ThreadingHTTPServer):
    """A package index.

    Attributes:
        asked: the paths that were asked for; whole URLs where it is taken for a proxy.
        status: with which everything is refused; 0 for none.
    """

    def __init__(self, root: pathlib.Path):
        super().__init__(('127.0.0.1', 0), functools.partial(_Handler, directory=str(root)))
        self.asked: list[str] = []
        self.status = 0
        self._root = root

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self.server_port}/simple'

    def add(self, name: str, version: str = '1.0', **options: dict[str, str]) -> pathlib.Path:
        folder = self._root / 'simple' / name
        folder.mkdir(parents=True, exist_ok=True)
        return world.wheel(folder, name, version=version, **options)  # type: ignore[arg-type]


@pytest.fixture
def index(tmp_path: pathlib.Path) -> Iterator[Index]:
    """An index with the library `lib`, newer than any archive has it."""
    server = Index(tmp_path / 'index')
    server.add('lib', '2.0', files={'lib.py': 'value = 2'})
    thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    """The folder of unpacked wheels."""
    path = tmp_path / 'wheels'
    path.mkdir()
    return path


def _value(tmp_path: pathlib.Path) -> str:
    command = [tmp_path / 'venv/bin/python', '-c', 'import lib; print(lib.value)']
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _install(folder: pathlib.Path, main: pathlib.Path, **options) -> None:
    installing.install(main, folder, folder.parent / 'venv', **options)


def test_given_an_index_when_the_archive_lacks_a_wheel_then_it_comes_from_there(tmp_path, folder, index):
    main = world.wheel(folder, 'main', requires=('lib',))

    _install(folder, main, index=index.url)

    assert _value(tmp_path) == '2'


def test_given_an_index_when_it_has_a_newer_one_then_the_archives_is_taken(tmp_path, folder, index):
    main = world.wheel(folder, 'main', requires=('lib',))
    world.wheel(folder, 'lib', {'lib.py': 'value = 1'})

    _install(folder, main, index=index.url)

    assert _value(tmp_path) == '1'


def test_given_an_index_among_the_variables_then_it_is_asked_and_stands_in_no_argument(
    tmp_path, folder, index, monkeypatch
):
    main = world.wheel(folder, 'main', requires=('lib',))
    real = subprocess.run
    commands: list[str] = []

    def run(command, **options):
        commands.append(str(command))
        return real(command, **options)

    monkeypatch.setattr(installing.subprocess, 'run', run)
    url = index.url.replace('http://', 'http://me:hunter2@')

    _install(folder, main, index='http://127.0.0.1:1/simple', variables={'PIP_INDEX_URL': url, 'PYTHONPATH': '/x'})

    assert _value(tmp_path) == '2'
    assert 'hunter2' not in str(commands)


def test_given_a_proxy_then_the_index_is_asked_through_it(tmp_path, folder, index):
    main = world.wheel(folder, 'main', requires=('lib',))
    proxy = f'http://127.0.0.1:{index.server_port}'
    variables = {'HTTP_PROXY': proxy, 'http_proxy': proxy, 'PIP_TRUSTED_HOST': 'index.invalid'}

    _install(folder, main, index='http://index.invalid/simple', variables=variables)

    assert 'http://index.invalid/simple/lib/' in index.asked
    assert _value(tmp_path) == '2'


@pytest.mark.parametrize(
    ('status', 'url', 'problem'),
    [
        (0, '', 'neither workflows-file nor the index has a wheel for other: add it to the archive'),
        (
            401,
            '',
            'the index refuses the user and password of PIP_INDEX_URL, and workflows-file lacks other: '
            'add it to the archive',
        ),
        (
            0,
            'http://127.0.0.1:1/simple',
            'the index does not answer (see index-url and the proxies of juju model-config), and workflows-file lacks '
            'other: add it to the archive',
        ),
        (
            0,
            'http://index.invalid/simple',
            'the index has no https (PIP_TRUSTED_HOST in env-file trusts it all the same), and workflows-file lacks '
            'other: add it to the archive',
        ),
    ],
)
def test_given_an_index_that_does_not_help_then_the_problem_says_why(folder, index, status, url, problem):
    index.status = status
    main = world.wheel(folder, 'main', requires=('other',))

    with_password = index.url.replace('http://', 'http://me:hunter2@')

    with pytest.raises(CodeProblem) as found:
        _install(folder, main, index=url, variables={} if url else {'PIP_INDEX_URL': with_password})

    assert str(found.value) == problem
    assert found.value.passing is ('does not answer' in problem)


def _hash(wheel: pathlib.Path) -> str:
    return f'--hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}'


def test_given_hashes_that_match_when_installed_then_the_code_runs(tmp_path, folder, index):
    main = world.wheel(folder, 'main', requires=('lib',))
    wheel = index.add('lib', '3.0', files={'lib.py': 'value = 3'})
    (folder / 'requirements.txt').write_text(f'lib==3.0 {_hash(wheel)}\nmain==1.0 {_hash(main)}\n')

    _install(folder, main, index=index.url)

    assert _value(tmp_path) == '3'


@pytest.mark.parametrize(
    ('requirements', 'problem'),
    [
        (
            f'lib==1.0 --hash=sha256:{"0" * 64}',
            'lib does not match its hash in requirements.txt in workflows-file: attach the right one',
        ),
        ('lib==1.0\nmain==1.0 {main}', 'requirements.txt in workflows-file has no hash for lib: add it'),
        ('main==1.0 {main}', 'requirements.txt in workflows-file has no version and hash for lib: add them'),
        ('other==1.0 {lib}', 'workflows-file lacks a wheel for other==1.0: add it to the archive'),
    ],
)
def test_given_hashes_that_do_not_fit_then_the_problem_names_what_they_are_of(folder, requirements, problem):
    main = world.wheel(folder, 'main', requires=('lib',))
    lib = world.wheel(folder, 'lib')
    (folder / 'requirements.txt').write_text(requirements.format(main=_hash(main), lib=_hash(lib)))

    with pytest.raises(CodeProblem) as found:
        _install(folder, main)

    assert str(found.value) == problem


def test_given_only_the_dependencies_hashes_then_everything_else_is_left_out(folder):
    main = world.wheel(folder, 'main', requires=('lib', 'more'))
    lib = world.wheel(folder, 'lib')
    world.wheel(folder, 'more')
    (folder / 'requirements.txt').write_text(f'lib==1.0 {_hash(lib)}')

    with pytest.raises(CodeProblem) as found:
        _install(folder, main)

    assert str(found.value) == 'requirements.txt in workflows-file has no hash for more: add it to the archive'


def test_given_requirements_without_hashes_then_they_say_nothing(tmp_path, folder):
    main = world.wheel(folder, 'main', requires=('lib',))
    world.wheel(folder, 'lib', {'lib.py': 'value = 1'})
    (folder / 'requirements.txt').write_text('nothing==1.0\n')

    _install(folder, main)

    assert _value(tmp_path) == '1'
