"""What the lab says while it works, and how it fails: one sentence and the place of the log."""

from __future__ import annotations

import contextlib
import pathlib
import sys
import time
from collections.abc import Iterator

_START = time.monotonic()


class LabError(Exception):
    """Something the lab cannot do, in one sentence for the person at the keyboard.

    Args:
        sentence: what failed and, where there is one, the remedy.
        log: the file with the details.
    """

    def __init__(self, sentence: str, log: pathlib.Path | None = None):
        super().__init__(f'{sentence}; log: {log}' if log else sentence)


def say(message: str) -> None:
    """Print a line with the seconds since the start; to standard error, since `env` owns the output."""
    print(f'{time.monotonic() - _START:7.1f}s  {message}', file=sys.stderr, flush=True)


class Meter:
    """Shows how far a long step is: in place on a terminal, every 15 seconds elsewhere."""

    def __init__(self, label: str):
        self._label = label
        self._began = self._last = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def show(self, text: str) -> None:
        """Say how far the step is, if it is time to."""
        now = time.monotonic()
        if now - self._last < (0.2 if self._terminal else 15):
            return
        self._last = now
        if self._terminal:
            print(f'\r\033[K         {self._label}: {text}', end='', file=sys.stderr, flush=True)
        else:
            say(f'{self._label}: {text}')

    def clear(self) -> None:
        """Take the line away again."""
        if self._terminal:
            print('\r\033[K', end='', file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(label: str) -> Iterator[Meter]:
    """Time a step: yields the meter that tells how far it is, says at the end how long it took."""
    meter = Meter(label)
    began = time.monotonic()
    try:
        yield meter
    finally:
        meter.clear()
    say(f'{label} ({time.monotonic() - began:.1f} s)')
