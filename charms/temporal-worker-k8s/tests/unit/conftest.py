"""A worker charm in a world that each test changes: server related, code attached, loader content with it."""

from __future__ import annotations

import pathlib
import sys
import zipfile
from collections.abc import Callable, Iterator

import ops
import pytest
import world
from ops import testing

from charm import TemporalWorkerCharm
from loader.layout import Prepared
from workload import Health, Workload


class FakeWorker:
    """What the worker answers, and what the loader says of the code."""

    def __init__(self, disk: pathlib.Path):
        self.health = Health(False, 'the worker to start')
        self.problem = ''
        self.passing = self.remedied = False
        self._disk = disk

    def prepare(self, container: ops.Container, key: str) -> None:
        """Do as the loader would."""
        found = Prepared(key, self.problem, ('Hello',), ('greet',), self.passing, remedied=self.remedied)
        world.prepared(self._disk, found)


@pytest.fixture
def disk(tmp_path: pathlib.Path) -> pathlib.Path:
    """The worker's folder in the container."""
    path = tmp_path / 'disk'
    path.mkdir()
    return path


@pytest.fixture
def archive(tmp_path: pathlib.Path) -> pathlib.Path:
    """The content of `workflows-file`."""
    return world.tar(tmp_path / 'code.tar', world.wheel(tmp_path))


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch, disk: pathlib.Path) -> FakeWorker:
    """A worker that starts; ops.testing runs neither loader nor worker."""
    fake = FakeWorker(disk)
    real = Workload.prepare

    def prepare(self: Workload, wanted, path, code) -> None:
        real(self, wanted, path, code)
        if not (disk / 'prepared.json').exists() or 'temporal-worker-image' not in (disk / 'prepared.json').read_text():
            fake.prepare(self._container, wanted.prepare)

    monkeypatch.setattr(Workload, 'prepare', prepare)
    monkeypatch.setattr(Workload, 'health', lambda _: fake.health)
    attendant = disk.with_name('temporal-attendant')
    attendant.write_text('a program')
    monkeypatch.setattr('workload._PROGRAM', attendant)
    return fake


class Clock:
    """The time as the charm sees it.

    Attributes:
        now: in seconds since 1970.
        took: seconds that whatever is measured takes.
    """

    def __init__(self) -> None:
        self.now, self.took = 1000.0, 0.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        self.now += self.took
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that goes on only when it is told to."""
    clock = Clock()
    for module in ('charm', 'facts', 'workload'):
        monkeypatch.setattr(f'{module}.time', clock)
    return clock


@pytest.fixture
def ctx(worker: FakeWorker) -> testing.Context[TemporalWorkerCharm]:
    """Runs events on the charm."""
    return testing.Context(TemporalWorkerCharm, app_name=world.APP)


@pytest.fixture
def run(ctx: testing.Context[TemporalWorkerCharm]):
    """Runs `pebble-ready`, after which everything must look like the plan."""

    def _run(state: testing.State) -> testing.State:
        container = state.get_container('temporal-worker')
        if not container.can_connect:
            return ctx.run(ctx.on.config_changed(), state)
        return ctx.run(ctx.on.pebble_ready(container), state)

    return _run


@pytest.fixture
def installed(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., str]]:
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
