"""What several tests of the lab need: what is locked, and what is packed."""

from __future__ import annotations

import fcntl
import pathlib
from collections.abc import Callable

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from lab import commands, settings


@pytest.fixture(scope='session')
def locked() -> Callable[[str], dict[str, str]]:
    """Distribution to version: what uv.lock wants for a member of the workspace on this Python, without the members."""

    def ask(package: str) -> dict[str, str]:
        export = [settings.LAB / 'bin/uv', 'export', '--quiet', '--frozen', '--no-dev', '--no-emit-workspace',
                  '--no-hashes', '--no-annotate', '--no-header', '--package', package,
                  '--project', settings.ROOT]  # fmt: skip
        wanted = [Requirement(line) for line in commands.output(export).splitlines()]
        here = [r for r in wanted if r.marker is None or r.marker.evaluate()]
        return {canonicalize_name(r.name): str(r.specifier).removeprefix('==') for r in here}

    return ask


@pytest.fixture(scope='session')
def dist(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder with what `lab pack` makes of the tree as it is now."""
    # Each process of the tests comes here, and has a folder beside those of the others.
    with (tmp_path_factory.getbasetemp().parent / 'pack.lock').open('w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        commands.output([settings.LAB / 'bin/lab', 'pack'], seconds=1800)
    return settings.DIST
