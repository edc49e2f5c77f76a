"""The option `worker-command`: which program of `temporal-worker-image` is the worker.

Nothing but an option can tell: Juju starts Pebble instead of what an image is built to start, and an image from which
wheels are run has a command as well.
"""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class Command:
    """The option.

    Attributes:
        words: the program and its arguments; none for a worker that comes as a wheel.
        problem: what is wrong with the option.
    """

    words: tuple[str, ...] = ()
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Command:
        """Read it as a shell would, which there need not be."""
        try:
            return cls(tuple(shlex.split(str(raw['worker-command']))))
        except ValueError as error:
            return cls(problem=f'worker-command: {str(error).lower()}: juju config {app} worker-command=...')
