"""The demo tells its story any number of times in a row."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator

import pytest
import suite


@pytest.fixture
def model() -> Iterator[str]:
    """A name of its own, and nothing left of it."""
    name = f'demo-{uuid.uuid4().hex[:6]}'
    yield name
    subprocess.run(
        ['juju', 'destroy-model', name, '--no-prompt', '--force', '--no-wait', '--destroy-storage'], check=True
    )


@pytest.mark.soak
def test_given_a_demo_when_run_again_and_again_then_each_run_ends_with_its_table(model):
    environment = {**os.environ, 'MODEL': model}
    for _ in range(3):
        result = subprocess.run(
            [sys.executable, '-m', 'demo'], cwd=suite.ROOT, env=environment, capture_output=True, text=True
        )

        assert result.returncode == 0, result.stderr
        assert 'Rebuilds for Ubuntu 24.04' in result.stdout
        assert result.stdout.count(' dispatched ') >= 8
