"""The Go programs that charms push into containers: their own tests, by the compiler of the lab."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sysconfig

import pytest

from lab import packing, programs, settings

MODULES = sorted(
    path.parent.relative_to(settings.ROOT)
    for path in packing.tracked(settings.ROOT)
    if path.name == 'go.mod' and not path.is_relative_to(settings.LAB)
)


@pytest.mark.parametrize('module', MODULES, ids=str)
@pytest.mark.parametrize('command', ['vet', 'test'])
def test_given_a_module_then_the_compiler_finds_nothing_wrong_and_its_tests_pass(module: pathlib.Path, command: str):
    go = pathlib.Path(sysconfig.get_path('purelib'), 'go', 'bin', 'go')
    environment = {**os.environ, **programs.go_environment()}

    result = subprocess.run(
        [go, command, './...'], cwd=settings.ROOT / module, env=environment, capture_output=True, text=True
    )

    assert result.returncode == 0, result.stdout + result.stderr
