"""A Temporal server as the client shows it, for tests of what the charm asks of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from temporal_charms.admin import Frontend

from client import ALREADY_EXISTS, NOT_FOUND, Client, Cluster, Execution, Member, Namespace, Refused, Running

EXECUTION = Execution('order-1', 'r1', 'Order', 'shop', '2026-11-21T12:00:00Z')


class FakeServer(Client):
    """Keeps namespaces; counts conversations and notes what was asked for.

    Attributes:
        known: the namespaces, by name.
        conversations: with whom, one for each that was begun.
        asked: commands that change something, with the namespace.
        refusals: command to how it is refused.
        found: what runs.
    """

    def __init__(self, *known: Namespace):
        super().__init__(Frontend('fake', 1))
        self.known = {namespace.name: namespace for namespace in known}
        self.conversations: list[tuple[Frontend, float]] = []
        self.asked: list[tuple[str, str]] = []
        self.refusals: dict[str, Refused] = {}
        self.found: tuple[Running, ...] = ()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
        """Have the charm speak to this one."""

        def begin(frontend: Frontend, *, timeout: float = 10.0) -> FakeServer:
            self.conversations.append((frontend, timeout))
            return self

        monkeypatch.setattr('client.Client', begin)
        return self

    def cluster(self) -> Cluster:
        self._may('cluster')
        members = (Member('frontend', '10.1.2.3:7233'), Member('history', '10.1.2.4:7234'))
        return Cluster('active', 'c1', '1.32.2', 512, 'postgres12_pgx', 'postgres12_pgx', members)

    def health(self, services: Mapping[str, tuple[str, str]], timeout: float = 1.0) -> dict[str, str]:
        self._may('health')
        return dict.fromkeys(services, 'serving')

    def namespaces(self) -> tuple[Namespace, ...]:
        self._may('namespaces')
        return tuple(self.known.values())

    def describe(self, name: str) -> Namespace:
        self._may('describe')
        if name not in self.known:
            raise Refused(f'Namespace {name} is not found.', NOT_FOUND)
        return self.known[name]

    def register(self, name: str, **settings: Any) -> Namespace:
        self._do('register', name)
        if name in self.known:
            raise Refused(f'Namespace "{name}" already exists', ALREADY_EXISTS)
        self.known[name] = Namespace(name, 'id', **settings)
        return self.known[name]

    def update(self, name: str, **settings: Any) -> Namespace:
        self._do('update', name)
        found = self.known[name]
        data = {**found.data, **settings.pop('data', {})}
        self.known[name] = dataclasses.replace(found, data=data, **settings)
        return self.known[name]

    def delete(self, name: str) -> str:
        self._do('delete', name)
        del self.known[name]
        return f'{name}-deleted-1234'

    def add_search_attributes(self, name: str, attributes: Mapping[str, str]) -> Namespace:
        self._do('add-search-attributes', name)
        found = self.known[name]
        self.known[name] = dataclasses.replace(found, search_attributes={**attributes, **found.search_attributes})
        return self.known[name]

    def search_attributes(self, name: str) -> dict[str, str]:
        self._may('search-attributes')
        return dict(self.known[name].search_attributes)

    def running(self, limit: int) -> tuple[Running, ...]:
        self._may('running')
        return self.found

    def _may(self, command: str) -> None:
        if command in self.refusals:
            raise self.refusals[command]

    def _do(self, command: str, name: str) -> None:
        self._may(command)
        self.asked.append((command, name))


def fits(results: dict[str, str]) -> bool:
    """Whether Juju's command takes each of an action's results as an argument, of which Linux allows 128 KiB."""
    return all(len(value.encode()) < 128 * 1024 for value in results.values())
