"""What operators can touch of each charm, read from its own files, to compare modules and pages with."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Mapping
from typing import Any

import yaml

ROOT = pathlib.Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Surface:
    """A charm's own files, joined: most charms have one file, the server charm has four.

    Attributes:
        folder: where the charm is.
        charm: what charmcraft.yaml says, with what metadata.yaml says beside it.
        options: name to type, default and description.
        actions: name to description and parameters.
    """

    folder: pathlib.Path
    charm: Mapping[str, Any]
    options: Mapping[str, Mapping[str, Any]]
    actions: Mapping[str, Mapping[str, Any]]

    @property
    def name(self) -> str:
        """The charm's name."""
        return self.charm['name']

    @property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """Name to type, file name and description."""
        return self.charm.get('resources', {})

    def endpoints(self, side: str) -> Mapping[str, Mapping[str, Any]]:
        """Those of a side (`provides`, `requires` or `peers`) by their names."""
        return self.charm.get(side, {})

    def parameters(self, action: str) -> Mapping[str, Mapping[str, Any]]:
        """What an action takes, by name."""
        return self.actions[action].get('params', {})


def _read(path: pathlib.Path) -> dict[str, Any]:
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def _load(folder: pathlib.Path) -> Surface:
    charm = {**_read(folder / 'charmcraft.yaml'), **_read(folder / 'metadata.yaml')}
    config = charm.pop('config', {}) or _read(folder / 'config.yaml')
    actions = charm.pop('actions', {}) or _read(folder / 'actions.yaml')
    return Surface(folder, charm, config.get('options', {}), actions)


@functools.cache
def charms() -> Mapping[str, Surface]:
    """The suite's charms by their names, the server's first."""
    folders = [ROOT, *sorted(path.parent for path in ROOT.glob('charms/*/charmcraft.yaml'))]
    return {surface.name: surface for surface in map(_load, folders)}
