"""Whether what a user's secret holds is text, and can be given to a program as it is."""

from __future__ import annotations


def is_binary(value: str) -> bool:
    """Whether a value was binary data, which nobody can be given.

    Juju hands secrets over as JSON, where bytes that are no UTF-8 have become U+FFFD already; NUL no variable can have.
    """
    return '\0' in value or '\ufffd' in value
