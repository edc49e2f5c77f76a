"""Makes results of actions no larger than Juju can take: each is one argument of a command, at most 128 KiB on Linux.

What does not fit is left out with a note beside it, under the result's key and `-note`. JSON that lacks something is
still JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MOST = 60_000
"""Bytes of one result, with room for an encoding that takes two bytes for one."""

_SENTENCE = 2_000
"""Characters of the sentence with which an action fails."""


def flat(results: Mapping[str, object]) -> dict[str, str]:
    """Results as Juju takes them, with notes on what is left out.

    Args:
        results: text stays text; all else becomes JSON.
    """
    found: dict[str, str] = {}
    for key, value in results.items():
        if isinstance(value, str):
            found[key] = ''
            found |= cut(key, value)
        elif isinstance(value, list):
            kept = value[: fitting(value)]
            found |= {key: json.dumps(kept)} | _note(key, len(kept), len(value))
        elif isinstance(value, dict):
            kept = dict(list(value.items())[: fitting([{k: v} for k, v in value.items()])])
            found |= {key: json.dumps(kept)} | _note(key, len(kept), len(value))
        else:
            found[key] = json.dumps(value)
    return found


def joined(key: str, words: Sequence[str]) -> dict[str, str]:
    """Words as one result, comma-separated: none of them is cut.

    Args:
        key: of the result.
        words: any number of them.
    """
    kept = words[: fitting(words)]
    return {key: ','.join(kept)} | _note(key, len(kept), len(words))


def cut(key: str, text: str, *, end: bool = False, remedy: str = 'ask for less') -> dict[str, str]:
    """A text as a result, with a note where it is too long for one; nothing where it is empty.

    Args:
        key: of the result.
        text: of any length.
        end: whether the end is worth more than the beginning.
        remedy: how to have the rest.
    """
    whole = _plain(text).encode(errors='replace')
    if not whole:
        return {}
    if len(whole) <= MOST:
        return {key: whole.decode()}
    kept = whole[-MOST:] if end else whole[:MOST]
    which = 'last' if end else 'first'
    note = f'cut: the {which} {MOST} of {len(whole)} bytes; {remedy}'
    return {key: kept.decode(errors='ignore'), f'{key}-note': note}


def shortened(key: str, content: Mapping[str, Any]) -> dict[str, str]:
    """An object as a result in JSON; where it is too long, its longest list has only its first elements.

    Args:
        key: of the result.
        content: the object; whatever else it has must fit.
    """
    kept, notes = dict(content), {}
    while len(text := json.dumps(kept)) > MOST:
        lists = [name for name, value in kept.items() if isinstance(value, list) and value]
        if not lists:
            return cut(key, text)
        longest = max(lists, key=lambda name: len(json.dumps(kept[name])))
        spare = MOST - len(text) + len(json.dumps(kept[longest]))
        shorter = kept[longest][: min(fitting(kept[longest], spare), len(kept[longest]) - 1)]
        kept[longest] = shorter
        notes[longest] = f'the first {len(shorter)} of {len(content[longest])} {longest}'
    return {key: text} | ({f'{key}-note': f'too many to be shown: {"; ".join(notes.values())}'} if notes else {})


def sentence(text: str) -> str:
    """A sentence with which an action may fail, whatever stands in it."""
    text = _plain(text)
    return text if len(text) <= _SENTENCE else f'{text[: _SENTENCE - 3]}...'


def fitting(values: Sequence[object], most: int = MOST) -> int:
    """How many of the values fit into one result, as JSON."""
    size = 2
    for count, value in enumerate(values):
        size += len(json.dumps(value)) + 2
        if size > most:
            return count
    return len(values)


def _note(key: str, kept: int, found: int) -> dict[str, str]:
    return {f'{key}-note': f'the first {kept} of {found}: more cannot be shown'} if kept < found else {}


def _plain(text: str) -> str:
    """Without what cannot stand in an argument."""
    return text.replace('\0', '\N{REPLACEMENT CHARACTER}').encode(errors='replace').decode()
