"""Runs one event on one unit through ops.testing, some five times as fast as its own `run`, and lets it die halfway.

ops.testing writes the charm's metadata to disk and parses it again for each event, copies the state, makes a new type
of the charm, a database for StoredState and the containers' file systems on disk. Here the metadata and the type are
kept, the state is the caller's to lose, the charms keep no StoredState, and a container is an object in memory.
What is left is ops.testing's: the state, the mocked hook commands with their checks, ops itself.

Each hook command and each Pebble call is counted; a number given, the event dies when it comes to that one: nothing
after it happens, no exception handler of the charm sees it.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import logging
import os
import pathlib
import sys
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ops
import ops._main
import ops.framework
import yaml
from ops import testing
from ops.storage import NoSnapshotError
from scenario import _ops_main_mock, _runtime, mocking
from scenario import state as state_module

from stateful.rooms import Room

JUJU = '3.6.14'


class Died(BaseException):
    """The unit's process was killed; no handler of the charm may catch it."""


@dataclasses.dataclass
class Counter:
    """Counts the commands of one event.

    Attributes:
        die_at: the number of the command that is not carried out any more; 0 for none.
        commands: those carried out, by name.
    """

    die_at: int = 0
    commands: list[str] = dataclasses.field(default_factory=list)

    def __call__(self, name: str) -> None:
        """Count one, or die."""
        if len(self.commands) + 1 == self.die_at:
            raise Died(name)
        self.commands.append(name)


@dataclasses.dataclass
class Outcome:
    """What an event left.

    Attributes:
        state: with what the charm wrote, whether it died or not.
        observed: whether the charm has a handler for the event.
        died: the command at which it died; empty if it did not.
        commands: that were carried out.
        log: lines of the log.
        read: the secrets that were read at the revision which the unit follows.
        removed: revisions of a secret that the charm removed.
        results: of an action.
        failure: of an action.
    """

    state: testing.State
    observed: bool
    died: str
    commands: list[str]
    log: list[str]
    read: set[str]
    removed: list[int]
    results: dict[str, Any]
    failure: str


class Runner:
    """Runs events on one charm.

    Args:
        room: the charm's modules.
        source: the charm's directory, with its metadata.
        app: the application's name.
    """

    def __init__(self, room: Room, source: pathlib.Path, app: str):
        self._room = room
        with room.entered():
            charm = _charm(room)
            self.context = _Context(charm, app_name=app, juju_version=JUJU)
        spec = self.context._charm_spec
        self.meta: Mapping[str, Any] = spec.meta
        self.options: Mapping[str, Any] = (spec.config or {}).get('options', {})
        self.actions: Mapping[str, Any] = spec.actions or {}
        self.context.meta = ops.CharmMeta.from_yaml(
            yaml.safe_dump(spec.meta), yaml.safe_dump(spec.actions or {}), yaml.safe_dump(spec.config or {})
        )
        self._spec = dataclasses.replace(spec, charm_type=_lasting(charm))
        self._root = source

    def observed(self) -> set[str]:
        """The names of the events for which the charm has a handler."""
        context = self.context
        context.forget()
        context.count = Counter()
        state, event = testing.State(), context.on.update_status()
        env = _runtime.Runtime(context.app_name, self._spec, self._root, JUJU, 0)._get_event_env(
            state, event, self._root
        )
        with self._room.entered():
            manager = _Ops(state, event, context, self._spec, ops.JujuContext.from_environ(env))
            os.environ.pop('OPERATOR_DISPATCH', None)
            manager.destroy()
        return {kind for *_, kind in manager.framework._observers if kind}

    def run(
        self,
        event: Any,
        state: testing.State,
        unit: int,
        pebble: Callable[[str, Counter], Any],
        new_secret_id: Callable[[], str],
        refused: set[str],
        dying: bool = False,
        die_at: int = 0,
    ) -> Outcome:
        """Run an event.

        Args:
            event: from `context.on`.
            state: what the unit finds; it is changed in place.
            unit: the unit's number.
            pebble: makes the client of a container from the container's name and the counter.
            new_secret_id: names a secret that the charm adds.
            refused: secrets that there are, and that the unit may not read.
            dying: whether the unit goes; else it is the others that depart.
            die_at: the number of the command to die at.

        Raises:
            Exception: whatever the charm did not catch.
        """
        context = self.context
        context.forget()
        context.count = count = Counter(die_at)
        # A state's new secrets are named as the world names them: ops.testing's names are random.
        state_module._generate_secret_id = new_secret_id
        context.refused = refused
        context.pebble = lambda name: pebble(name, count)
        runtime = _runtime.Runtime(context.app_name, self._spec, self._root, JUJU, unit)
        env = runtime._get_event_env(state, event, self._root)
        if event.relation is not None and event.relation_remote_unit_id is None:
            # Of the application: Juju names no unit, where ops.testing takes the first.
            env['JUJU_REMOTE_UNIT'] = ''
        if 'JUJU_DEPARTING_UNIT' in env and dying:
            env['JUJU_DEPARTING_UNIT'] = env['JUJU_UNIT_NAME']
        died, observed = '', False
        # Without pytest's own handlers of logs, which keep every line of every event.
        root = logging.getLogger()
        handlers, root.handlers = root.handlers, []
        with self._room.entered():
            manager = None
            try:
                manager = _Ops(state, event, context, self._spec, ops.JujuContext.from_environ(env))
                observed = any(kind == event.name for *_, kind in manager.framework._observers)
                manager.run()
                state = manager.state
            except Died as death:
                died = str(death)
            finally:
                if manager:
                    manager.destroy()
                _forget(self._spec.charm_type)
                root.handlers = handlers
                # By this ops tells a hook from one that it starts itself.
                os.environ.pop('OPERATOR_DISPATCH', None)
        log = [line.message for line in context.juju_log]
        return Outcome(
            state,
            observed,
            died,
            count.commands,
            log,
            set(context.read),
            list(context.removed_secret_revisions),
            dict(context.action_results or {}),
            context._action_failure_message or '',
        )


def _charm(room: Room) -> type[ops.CharmBase]:
    """The charm that a room's module `charm` defines."""
    found = [
        value
        for value in vars(room.modules['charm']).values()
        if isinstance(value, type) and issubclass(value, ops.CharmBase) and value.__module__ == 'charm'
    ]
    (charm,) = found
    return charm


def _lasting(charm: type[ops.CharmBase]) -> type[ops.CharmBase]:
    """The charm as a type that can be used again: ops keeps events on the type and refuses to define them twice."""

    class Events(type(charm.on)):
        @classmethod
        def define_event(cls, event_kind: str, event_type: type[ops.EventBase]) -> None:
            if not hasattr(cls, event_kind):
                super().define_event(event_kind, event_type)

    return type(charm.__name__, (charm,), {'on': Events(), '__module__': charm.__module__})


def _forget(charm: type[ops.CharmBase]) -> None:
    """Let go of the framework and the charm: ops keeps the events of each, which refer to it, as long as the types."""
    for kind in (ops.Framework, charm):
        vars(kind)['on']._cache.clear()


class _Context(testing.Context[ops.CharmBase]):
    meta: ops.CharmMeta
    count: Counter
    pebble: Callable[[str], Any]
    read: set[str]
    refused: set[str]

    def forget(self) -> None:
        """What was recorded of the last event."""
        for record in (
            self.juju_log,
            self.unit_status_history,
            self.app_status_history,
            self.workload_version_history,
            self.removed_secret_revisions,
            self.emitted_events,
            self.action_logs,
        ):
            record.clear()
        self.action_results = None
        self.read = set()
        self._action_failure_message = None


class _Ops(_ops_main_mock.Ops[ops.CharmBase]):
    """ops.testing's, without files."""

    def _load_charm_meta(self) -> ops.CharmMeta:
        return typing.cast('_Context', self.context).meta

    def _make_storage(self, _: Any) -> Any:
        return _Memory()

    def _close(self) -> None:
        pass


class _Memory:
    """Where ops keeps an event while it is being handled. What is still there afterwards, a charm has stored."""

    def __init__(self):
        self._snapshots: dict[str, Any] = {}
        self._notices: list[tuple[str, str, str]] = []

    def save_snapshot(self, path: str, data: Any) -> None:
        self._snapshots[path] = data

    def load_snapshot(self, path: str) -> Any:
        if path not in self._snapshots:
            raise NoSnapshotError(path)
        return self._snapshots[path]

    def drop_snapshot(self, path: str) -> None:
        self._snapshots.pop(path, None)

    def list_snapshots(self) -> list[str]:
        return list(self._snapshots)

    def save_notice(self, *notice: str) -> None:
        self._notices.append(typing.cast('tuple[str, str, str]', notice))

    def drop_notice(self, *notice: str) -> None:
        self._notices.remove(typing.cast('tuple[str, str, str]', notice))

    def notices(self, path: str | None = None) -> Iterator[tuple[str, str, str]]:
        return iter([notice for notice in self._notices if path in (None, notice[0])])

    def commit(self) -> None:
        assert not self._notices, f'deferred, which no charm of the suite does: {self._notices}'
        stored = [path for path in self._snapshots if not path.startswith('StoredStateData')]
        assert not stored, f'stored, which no charm of the suite does: {stored}'

    def close(self) -> None:
        pass


class _Backend(mocking._MockModelBackend):
    """ops.testing's hook commands, counted, with containers in memory."""

    def get_pebble(self, socket_path: str) -> Any:
        return typing.cast('_Context', self._context).pebble(socket_path.split('/')[3])

    def secret_get(
        self, *, id: str | None = None, label: str | None = None, refresh: bool = False, peek: bool = False
    ) -> dict[str, str]:
        context = typing.cast('_Context', self._context)
        context.count('secret_get')
        if id in context.refused:
            raise ops.ModelError('ERROR permission denied')
        content = super().secret_get(id=id, label=label, refresh=refresh, peek=peek)
        if not peek:
            context.read.add(self._get_secret(id, label).id)
        return content


_NOT_COUNTED = {'is_leader', 'relation_remote_app_name', *vars(_Backend)}
"""What asks nothing of Juju, what ops remembers for half a minute, and what counts itself."""


def _counted(name: str) -> Callable[..., Any]:
    original = getattr(mocking._MockModelBackend, name)

    @functools.wraps(original)
    def command(self: Any, *args: Any, **kwargs: Any) -> Any:
        self._context.count(name)
        return original(self, *args, **kwargs)

    return command


class _Accepted:
    """A handler's signature that ops has once found fit."""

    def bind(self, *_: Any) -> None:
        pass


class _Inspect(types.ModuleType):
    """`inspect` for ops, which looks at the signature of every handler in every event."""

    @staticmethod
    def signature(handler: Any, **options: Any) -> Any:
        """Look at each function once."""
        return _looked_at(handler.__func__)


@functools.cache
def _looked_at(function: Any) -> _Accepted:
    assert len(inspect.signature(function).parameters) == 2, f'{function} is no handler'
    return _Accepted()


_inspect = _Inspect('inspect')
_inspect.__dict__.update({name: value for name, value in vars(inspect).items() if name != 'signature'})
setattr(ops.framework, 'inspect', _inspect)  # noqa: B010
logging.getLogger('ops-scenario').setLevel(logging.ERROR)
# Not installed, and looked for in every event.
sys.modules.setdefault('ops_tracing', typing.cast('Any', None))
for _name, _method in vars(mocking._MockModelBackend).items():
    if callable(_method) and not _name.startswith('_') and _name not in _NOT_COUNTED:
        setattr(_Backend, _name, _counted(_name))
setattr(_ops_main_mock, '_MockModelBackend', _Backend)  # noqa: B010
