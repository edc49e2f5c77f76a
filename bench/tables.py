"""Prints figures as tables."""

from __future__ import annotations

from collections.abc import Sequence

from bench import figures
from demo.terminal import table


def show(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """A table, apart from what is above it."""
    print()
    table(head, rows)


def beside(title: str, rounds: Sequence[figures.Round]) -> None:
    """Figures of the charm's worker beside those of a plain one, and what limited them.

    Args:
        title: what they are about.
        rounds: at least one.
    """
    show((f'{title} (medians of {len(rounds)})', 'charm', 'plain SDK', 'ratio'), figures.compared(rounds))
    show((f'{title}: what limits it', 'whose', 'processors meanwhile'), figures.limited(rounds))
