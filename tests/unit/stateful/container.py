"""A workload container in memory: files, layers, services and checks, and what programs do; lost when it restarts."""

from __future__ import annotations

import dataclasses
from typing import Any


class Programs:
    """What programs in containers do."""

    def run(
        self, container: Container, command: list[str], environment: dict[str, str], given: str
    ) -> tuple[int, str, str] | None:
        """Run one to its end.

        Args:
            container: where.
            command: program and arguments.
            environment: variables.
            given: on its standard input.

        Returns:
            Exit status, output and messages; None where there is no such program.
        """
        del container, command, environment, given
        return None

    def lasts(self, container: Container, service: str) -> bool:
        """Whether a service that is started runs for longer than a second."""
        del container, service
        return True


@dataclasses.dataclass
class File:
    """A file.

    Attributes:
        content: as pushed.
        mode: permissions.
        owner: user id; None for the default, root.
    """

    content: bytes
    mode: int
    owner: int | None


@dataclasses.dataclass
class Check:
    """A check's state.

    Attributes:
        status: `up`, `down` or `inactive`.
        successes: since it was started.
        failures: in a row.
    """

    status: str = 'inactive'
    successes: int = 0
    failures: int = 0


@dataclasses.dataclass
class Container:
    """A container.

    Attributes:
        name: in the charm's metadata.
        image: the version of each program in the image.
        reachable: whether Pebble answers.
        files: by path.
        layers: by label, in their order.
        running: the services that run, each with the configuration that it was started with.
        retried: services that ended at once, and which Pebble starts again by itself, likewise.
        checks: by name.
        serving: whether the workload does its work; false from each start until the world says so.
        starts: how often a service was started.
        due: events that Pebble has for Juju, in order: `pebble-ready`, or kind and key.
        executed: the last commands, without their environment.
        told: what a watching service has last told the charm of.
    """

    name: str
    image: dict[str, str]
    reachable: bool = False
    files: dict[str, File] = dataclasses.field(default_factory=dict)
    layers: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    running: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    retried: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    checks: dict[str, Check] = dataclasses.field(default_factory=dict)
    serving: bool = False
    starts: int = 0
    due: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    executed: list[list[str]] = dataclasses.field(default_factory=list)
    told: str = ''

    def restart(self, image: dict[str, str] | None = None) -> None:
        """Come up anew from the image: without files, plan and services, and not reachable yet."""
        fresh = Container(self.name, image or self.image)
        self.__dict__.update(fresh.__dict__)

    def come_up(self) -> None:
        """Begin to answer."""
        self.reachable = True
        self.due.append(('pebble-ready', ''))

    @property
    def plan(self) -> dict[str, dict[str, Any]]:
        """The layers, combined; `services` and `checks` by name."""
        plan: dict[str, dict[str, Any]] = {'services': {}, 'checks': {}}
        for layer in self.layers.values():
            for kind, entries in plan.items():
                for name, entry in layer.get(kind, {}).items():
                    merged = {**entries.get(name, {}), **entry} if entry['override'] == 'merge' else entry
                    entries[name] = merged
        return plan

    def start(self, name: str, *, lasts: bool = True) -> None:
        """Start a service, with what the plan says now."""
        service = self.plan['services'][name]
        self.starts += 1
        self.serving = False
        self.running.pop(name, None)
        self.retried.pop(name, None)
        (self.running if lasts else self.retried)[name] = service

    def retry(self) -> None:
        """Let Pebble start again what had ended at once."""
        self.running |= self.retried
        self.retried = {}

    def serve(self) -> None:
        """The workload comes to do its work."""
        self.serving = True

    def fail(self) -> None:
        """The workload no longer does its work."""
        self.serving = False

    def examine(self, name: str) -> bool:
        """Let a check run until it is sure whether the workload does its work; whether that is news."""
        check, good = self.checks[name], self.serving
        if check.status == 'inactive' or (check.status == 'up') == good:
            return False
        self.announce('pebble-check-recovered' if good else 'pebble-check-failed', name)
        self.checks[name] = Check('up' if good else 'down', int(good), 0 if good else 2)
        return True

    def announce(self, kind: str, key: str) -> None:
        """Have an event for Juju; one that is due already is not due twice."""
        if (kind, key) not in self.due:
            self.due.append((kind, key))
