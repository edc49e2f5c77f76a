"""Reads and writes relation data with as few hook commands as there are differences."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, MutableMapping
from typing import Any

import ops

_DIGITS = 15
_LAST_PORT = 65535


def publish(databag: MutableMapping[str, str], content: Mapping[str, str]) -> None:
    """Make a databag of our own say exactly `content`, but for what Juju itself keeps in it.

    Args:
        databag: the application's (leader only) or the unit's.
        content: key to raw string; an empty one is as good as none.
    """
    content = {key: value for key, value in content.items() if value}
    kept = {'egress-subnets', 'ingress-address', 'private-address'}
    stale = [key for key, value in databag.items() if value and key not in content and key not in kept]
    # An empty string is how Juju is told to drop a key.
    changes = {key: value for key, value in content.items() if databag.get(key) != value} | dict.fromkeys(stale, '')
    if changes:
        write(databag, changes)


def write(databag: MutableMapping[str, str], changes: Mapping[str, str]) -> None:
    """Write what is to change, unless nobody is there any more who could read it.

    Where an application is being removed, Juju may have taken a relation away whose relation-broken the unit has still
    to run: until then the relation is listed, and refuses to be written to.
    """
    with contextlib.suppress(ops.RelationNotFoundError):
        databag.update(changes)


def load_json(databag: Mapping[str, str], key: str) -> Any:
    """A value that the other side wrote as JSON; None if it is not there or no JSON.

    What another charm writes is not ours to be surprised by: it counts as not written yet.
    """
    try:
        return json.loads(databag[key])
    except (KeyError, RecursionError, ValueError):
        return None


def number(text: str) -> int | None:
    """A whole number as the other side wrote it, zero or more; None if it is none, or larger than anything here."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _DIGITS else None


def port(text: str) -> int | None:
    """A TCP port as the other side wrote it; None if it is none."""
    found = number(text)
    return found if found and found <= _LAST_PORT else None


def dump_json(value: Any) -> str:
    """JSON that is equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(',', ':'))
