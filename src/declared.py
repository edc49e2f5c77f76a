"""Namespaces as people describe them, in the option `declared-namespaces` and to actions: reads and checks.

A namespace is described by a mapping; every key may be absent, and what is absent is left as it is::

    orders:
      retention: 30d          # or 72h; how long closed workflows are kept; 3d for a new namespace
      description: Orders     # for people
      owner: shop@example.com
      data: {cost-centre: "4711"}
      search-attributes: {CustomerId: Keyword, Amount: Double}
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

OPTION = 'declared-namespaces'
SYSTEM = 'temporal-system'
"""Where Temporal keeps its own workflows; not ours to touch."""

RETENTION = '3d'
"""Of a namespace that is made without one."""

TYPES = ('Keyword', 'Text', 'Int', 'Double', 'Bool', 'Datetime', 'KeywordList')
_SETTINGS = ('retention', 'description', 'owner', 'data', 'search-attributes')
_HOUR, _DAY = 3600, 24 * 3600
_LEAST, _MOST = _HOUR, 36500 * _DAY
_LONGEST_NAME = 255
"""Bytes: what the charm's dynamic configuration allows for identifiers."""


class Wrong(Exception):
    """A description makes no sense; one sentence, without the place where it stands."""


@dataclasses.dataclass(frozen=True)
class Wanted:
    """A namespace as it should be.

    Attributes:
        name: what it is called.
        retention: seconds; None where that is left as it is.
        description: for people; empty where it is left as it is.
        owner: likewise.
        data: keys to set.
        search_attributes: name to type; to be there, besides others.
        managed: whether an existing namespace is to be changed; otherwise it only has to be there.
    """

    name: str
    retention: int | None = None
    description: str = ''
    owner: str = ''
    data: Mapping[str, str] = dataclasses.field(default_factory=dict)
    search_attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)
    managed: bool = True


def load(text: str) -> tuple[tuple[Wanted, ...], str]:
    """Read the option.

    Returns:
        The namespaces in order of their names, and what is wrong with the option: one sentence that names it, or
        nothing. They are not to be used if something is.
    """
    if not text.strip():
        return (), ''
    # Imported here: most deployments never set it.
    import yaml_text

    try:
        content = yaml_text.load(text)
    except yaml_text.Unreadable as wrong:
        return (), f'{OPTION} {wrong}'
    if content is None:
        return (), ''
    if not isinstance(content, dict):
        return (), f'{OPTION} must be a mapping from names to settings, like "orders: {{retention: 3d}}"'
    found = []
    for name, settings in content.items():
        try:
            found.append(wanted(name, {} if settings is None else settings))
        except Wrong as wrong:
            return (), f'{OPTION}: {str(name)[:60]}: {wrong}'
    return tuple(sorted(found, key=lambda each: each.name)), ''


def wanted(name: Any, settings: Any) -> Wanted:
    """Check a description.

    Raises:
        Wrong: when it makes no sense.
    """
    check_name(name)
    if not isinstance(settings, Mapping):
        raise Wrong(f'the settings must be a mapping of {", ".join(_SETTINGS)}')
    for key in settings:
        if key not in _SETTINGS:
            raise Wrong(f'there is no setting {str(key)[:40]}; it takes {", ".join(_SETTINGS)}')
    given = {key: value for key, value in settings.items() if value is not None}
    return Wanted(
        name=name,
        retention=seconds(given['retention']) if 'retention' in given else None,
        description=_replacing('description', given),
        owner=_replacing('owner', given),
        data={key: _text(f'data {key}', value) for key, value in _mapping('data', given).items()},
        search_attributes=_attributes(_mapping('search-attributes', given)),
    )


def remember(before: Mapping[str, bool], now: Iterable[Wanted]) -> dict[str, bool]:
    """Names that are or were declared, to whether they still are."""
    return dict.fromkeys(before, False) | dict.fromkeys((wanted.name for wanted in now), True)


def check_name(name: Any) -> None:
    """Check the name of a namespace that is to be made.

    Raises:
        Wrong: when it makes no sense.
    """
    if not isinstance(name, str):
        raise Wrong('the name must be text: put it into quotes')
    if name == SYSTEM:
        raise Wrong(f'{SYSTEM} is where Temporal keeps its own workflows')
    if not name or re.search(r'\s|[^\x20-\x7e]', name):
        raise Wrong('the name must have no spaces, and no letters outside ASCII')
    if len(name) > _LONGEST_NAME:
        raise Wrong(f'the name must not be longer than {_LONGEST_NAME} characters')


def seconds(retention: Any) -> int:
    """A retention like `72h` or `30d` in seconds.

    Raises:
        Wrong: when it is none, or one that the server does not take.
    """
    match = re.fullmatch(r'(\d{1,9})([hd])', retention, re.ASCII) if isinstance(retention, str) else None
    if not match:
        raise Wrong(f'retention must be hours or days, like 72h or 3d, not {str(retention)[:40] or "empty"}')
    found = int(match[1]) * {'h': _HOUR, 'd': _DAY}[match[2]]
    if not _LEAST <= found <= _MOST:
        raise Wrong(f'retention must be between {period(_LEAST)} and {period(_MOST)}, not {retention}')
    return found


def period(seconds: int) -> str:
    """The reverse of `seconds`, as short as can be; other tools may have set odd ones."""
    for unit, length in (('d', _DAY), ('h', _HOUR), ('m', 60)):
        if seconds and not seconds % length:
            return f'{seconds // length}{unit}'
    return f'{seconds}s'


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        raise Wrong(f'{what} must be text: put it into quotes')
    return value


def _replacing(what: str, given: Mapping[str, Any]) -> str:
    if given.get(what) == '':
        raise Wrong(f'{what} is empty, and the server can only replace it: leave it out')
    return _text(what, given.get(what, ''))


def pairs(what: str, value: str) -> Any:
    """A mapping as people can type it to an action: `a=b,c=d`, or JSON, whose content is not looked at here.

    Raises:
        Wrong: when it is neither.
    """
    if value.lstrip().startswith('{'):
        try:
            return json.loads(value)
        except (ValueError, RecursionError) as error:
            raise Wrong(f'{what} is no JSON: {error}') from error
    parts = [part.partition('=') for part in value.split(',')]
    if not all(name.strip() and equals for name, equals, _ in parts):
        raise Wrong(
            f'{what} must be like NAME={"TYPE" if what == "search-attributes" else "TEXT"},..., not {value[:60]}'
        )
    return {name.strip(): text.strip() for name, _, text in parts}


def _mapping(what: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
    value = given.get(what, {})
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise Wrong(f'{what} must be a mapping from names to {"types" if what == "search-attributes" else "text"}')
    return value


def _attributes(content: Mapping[str, Any]) -> dict[str, str]:
    for name, kind in content.items():
        if not re.fullmatch(r'[A-Za-z][A-Za-z0-9_-]{0,199}', name):
            raise Wrong(f'the search attribute {name[:40]} must have a name of letters, digits, "_" and "-"')
        if kind not in TYPES:
            raise Wrong(f'the search attribute {name[:40]} must be one of {", ".join(TYPES)}, not {str(kind)[:40]}')
    return dict(content)
