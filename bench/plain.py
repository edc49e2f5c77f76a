"""A worker without the charm: a process on this machine, which is started again when it is told to end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping
from types import TracebackType

from bench import polls
from bench.deployment import DIST

_END = 30.0


class Plain:
    """The worker, from the start to the end of a `with`.

    Args:
        program: the module.
        address: HOST:PORT of the server's frontend.
        queue: what it polls.
        environ: variables besides.
    """

    def __init__(self, program: str, address: str, queue: str, environ: Mapping[str, str] | None = None) -> None:
        self._program, self._address, self.queue = program, address, queue
        self._environ = {**os.environ, **(environ or {}), 'TEMPORAL_ADDRESS': address, 'TWC_QUEUE': queue}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Plain:
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def first_poll(self) -> float:
        """Start it anew; seconds from the start of the process until it polls."""
        self._end()
        began = time.time()
        self._begin()
        return polls.first(self._address, self.queue, began) - began

    def restart(self) -> None:
        """What a supervisor does: have it end, and start it again as soon as it has."""
        self._end()
        self._begin()

    def _begin(self) -> None:
        # Where the checkout is: the module is one of it.
        self._process = subprocess.Popen([sys.executable, '-m', self._program], cwd=DIST.parent, env=self._environ)

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
