"""Loads several charms into one process: their modules share names ("charm", "facts", "plan"), so each has a room."""

from __future__ import annotations

import contextlib
import importlib
import pathlib
import sys
import types
from collections.abc import Iterator

REPOSITORY = pathlib.Path(__file__).parents[3]


class Room:
    """The modules of one charm.

    Args:
        source: the charm's `src/`. Every module there is imported at once, so that those which the charm imports only
            when it needs them are its own, too.
    """

    def __init__(self, source: pathlib.Path):
        names = ['.'.join(path.relative_to(source).with_suffix('').parts) for path in source.rglob('*.py')]
        names = [name.removesuffix('.__init__') for name in names]
        self.modules: dict[str, types.ModuleType | None] = dict.fromkeys(names)
        with self.entered():
            sys.path.insert(0, str(source))
            try:
                for name in names:
                    self.modules[name] = importlib.import_module(name)
            finally:
                sys.path.remove(str(source))

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """While this lasts, imports find this charm's modules."""
        before = {name: sys.modules.pop(name, None) for name in self.modules}
        _install(self.modules)
        try:
            yield
        finally:
            for name in self.modules:
                sys.modules.pop(name, None)
            _install(before)


def _install(modules: dict[str, types.ModuleType | None]) -> None:
    sys.modules.update({name: module for name, module in modules.items() if module})
