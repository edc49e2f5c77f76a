"""What `make bench` is asked for: which part of the figures, and how many rounds of it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from typing import NoReturn

PARTS = ('server', 'worker', 'events', 'rebuild')
ALL = 'all'


@dataclasses.dataclass(frozen=True)
class Wanted:
    """What to measure.

    Attributes:
        parts: in this order.
        rounds: of each part; medians of so many are printed.
    """

    parts: tuple[str, ...]
    rounds: int


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """A sentence, without the usage above it."""
        self.exit(2, f'error: {message}\n')


def read(arguments: Sequence[str]) -> Wanted:
    """Read the command line; what it cannot be ends the program with a sentence and status 2."""
    parser = _Parser(prog='bench', description='Prints figures of the suite on the lab.', allow_abbrev=False)
    parser.add_argument('--part', choices=(ALL, *PARTS), default=ALL, help='what to measure')
    parser.add_argument('--rounds', type=_rounds, default=5, help='how often; medians are printed')
    found = parser.parse_args(arguments)
    return Wanted(PARTS if found.part == ALL else (found.part,), found.rounds)


def _rounds(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no number from 1 up')
    return int(text)
