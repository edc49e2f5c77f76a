"""Models to measure in: each has the machine to itself."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator

import jubilant

from bench import deployment

SERVER = 'temporal-k8s'


@contextlib.contextmanager
def empty() -> Iterator[jubilant.Juju]:
    """A model, destroyed at the end; one in which something fails is left to be looked at."""
    juju = jubilant.Juju()
    juju.add_model(f'bench-{uuid.uuid4().hex[:6]}')
    yield juju
    juju.cli('destroy-model', '--no-prompt', '--force', '--destroy-storage', juju.model or '', include_model=False)


@contextlib.contextmanager
def with_server() -> Iterator[tuple[jubilant.Juju, str]]:
    """A model with a server that has the namespace default, and HOST:PORT of its frontend."""
    with empty() as juju:
        deployment.measure(juju)
        yield juju, opened(juju)


def opened(juju: jubilant.Juju) -> str:
    """Register the namespace default; HOST:PORT of the frontend."""
    juju.run(f'{SERVER}/0', 'register-namespace', {'name': 'default'})
    return f'{juju.status().apps[SERVER].address}:7233'
