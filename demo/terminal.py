"""What the demo shows: commands as they are typed, how long they took, and a table at the end."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence


class DemoError(Exception):
    """The demo cannot go on; a sentence for the person at the keyboard."""


class Terminal:
    """Types commands and remembers how long the parts of the story took."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, float]] = []
        self._began = time.monotonic()

    def say(self, text: str) -> None:
        """Print a remark."""
        print(f'\n# {text}', flush=True)

    def type(self, line: str) -> str:
        """Show a command line, run it, and show what it says.

        Args:
            line: as a person would type it.

        Returns:
            Its standard output.

        Raises:
            DemoError: when it fails.
        """
        print(f'$ {line}', flush=True)
        process = subprocess.Popen(
            shlex.split(line), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=os.environ
        )
        assert process.stdout is not None
        output = []
        for text in process.stdout:
            output.append(text)
            sys.stdout.write(f'  {text}')
            sys.stdout.flush()
        if process.wait() != 0:
            raise DemoError(f'`{line.split(" --resource")[0]}` failed with status {process.returncode}')
        return ''.join(output)

    def done(self, part: str) -> None:
        """Say that a part of the story is finished; it began where the one before ended."""
        now = time.monotonic()
        self.parts.append((part, now - self._began))
        self._began = now


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table with columns as wide as they need."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for number, line in enumerate(lines):
        print('  '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
        if number == 0:
            print('  '.join('-' * width for width in widths))
