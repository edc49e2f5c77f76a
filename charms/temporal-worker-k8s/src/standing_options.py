"""The options `consume` and `schedules`, checked: what the server is to keep running."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from temporal_charms import results

from loader.standing import OVERLAPS, Consumer, Schedule

_CONSUMER = re.compile(r'(?P<topic>[A-Za-z0-9._-]{1,249})@(?P<group>[^\s,@]{1,255})')
"""Kafka's rule for topics. A group's name may be nearly anything; what separates entries here it may not have."""

_INTERVAL = re.compile(r'([0-9]{1,6})([mhd])')
_SECONDS = {'m': 60, 'h': 3600, 'd': 86400}

_KEYS = ('workflow', 'arguments', 'every', 'offset', 'cron', 'time-zone', 'overlap', 'queue')
_LONGEST_NAME = 900
"""Temporal's `limit.maxIDLength` is 1000, and a workflow's identifier is the schedule's with a time."""


class _Wrong(Exception):
    """An option cannot be; says why."""


@dataclasses.dataclass(frozen=True)
class Options:
    """Both options, valid or with a problem.

    Attributes:
        consumers: of `consume`, each once.
        schedules: of `schedules`; an empty queue is the application's first.
        owner: the application, as no other one is called.
        problem: what is wrong with the options.
    """

    consumers: tuple[Consumer, ...] = ()
    schedules: tuple[Schedule, ...] = ()
    owner: str = ''
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str, model: str) -> Options:
        """Read and check the options.

        Args:
            raw: all options.
            app: this application's name.
            model: the UUID of its model.
        """
        owner = f'{model}/{app}'
        try:
            return cls(_consumers(str(raw['consume'])), _schedules(str(raw['schedules'])), owner)
        except _Wrong as wrong:
            option = 'consume' if str(wrong).startswith('consume') else 'schedules'
            return cls(owner=owner, problem=results.sentence(f'{wrong}: juju config {app} {option}=...'))
        except ValueError:
            # Python prints no number of thousands of digits.
            return cls(owner=owner, problem=f'schedules: a number is too long: juju config {app} schedules=...')


def _consumers(text: str) -> tuple[Consumer, ...]:
    found = []
    for entry in text.replace(',', ' ').split():
        match = _CONSUMER.fullmatch(entry)
        if not match:
            raise _Wrong(f'consume: {entry[:60]} is not TOPIC@GROUP')
        found.append(Consumer(match['topic'], match['group']))
    return tuple(dict.fromkeys(found))


def _schedules(text: str) -> tuple[Schedule, ...]:
    if not text.strip():
        return ()
    # Most units have none, and each hook would pay for it.
    import yaml

    import strict_yaml

    try:
        described = strict_yaml.load(text)
    except (yaml.YAMLError, RecursionError) as error:
        line = getattr(getattr(error, 'problem_mark', None), 'line', 0) + 1
        what = getattr(error, 'problem', None) or 'cannot be read'
        raise _Wrong(f'schedules is no YAML: line {line}: {what}') from None
    if not isinstance(described, dict):
        raise _Wrong('schedules must have a name for each schedule, like NAME: {workflow: TYPE, every: 2d}')
    return tuple(_schedule(str(name), content) for name, content in described.items())


def _schedule(name: str, content: Any) -> Schedule:
    if not name or len(name) > _LONGEST_NAME or not name.isprintable():
        raise _Wrong(f'schedules: a name has 1 to {_LONGEST_NAME} characters and no control characters')
    where = f'schedules: {name[:60]}'
    if not isinstance(content, dict) or not content.get('workflow'):
        raise _Wrong(f'{where} says no workflow, like {{workflow: TYPE, every: 2d}}')
    unknown = next((key for key in content if key not in _KEYS), None)
    if unknown is not None:
        raise _Wrong(f'{where} has {str(unknown)[:60]}, which is none of {", ".join(_KEYS)}')
    workflow, queue, time_zone = (_text(where, key, content) for key in ('workflow', 'queue', 'time-zone'))
    overlap = content.get('overlap', 'skip')
    if overlap not in OVERLAPS:
        raise _Wrong(f'{where}: overlap must be one of {", ".join(OVERLAPS)}')
    arguments = _arguments(where, content.get('arguments', []))
    if ('every' in content) == ('cron' in content):
        raise _Wrong(f'{where} must have either every, like 2d, or cron, like "0 2 * * 1"')
    if 'cron' in content:
        cron = _cron(where, content)
        return Schedule(name, workflow, arguments, queue, overlap, cron=cron, time_zone=time_zone)
    every, offset = _interval(where, content)
    return Schedule(name, workflow, arguments, queue, overlap, every, offset)


def _text(where: str, key: str, content: Mapping[str, Any]) -> str:
    value = content.get(key, '')
    if not isinstance(value, str):
        raise _Wrong(f'{where}: {key} must be text')
    if not value.isprintable():
        raise _Wrong(f'{where}: {key} must have no control characters')
    return value


def _arguments(where: str, value: object) -> tuple[Any, ...]:
    if not isinstance(value, list) or not _is_json(value):
        raise _Wrong(f'{where}: arguments must be a list of what JSON knows; put dates into quotes')
    return tuple(value)


def _interval(where: str, content: Mapping[str, Any]) -> tuple[int, int]:
    every = _seconds(where, 'every', content['every'])
    offset = _seconds(where, 'offset', content.get('offset', '0m'))
    if offset >= every:
        raise _Wrong(f'{where}: every must be at least 1m, and offset less than every')
    if 'time-zone' in content:
        raise _Wrong(f'{where}: time-zone is for cron; every counts from 1970 in UTC, and offset moves it')
    return every, offset


def _cron(where: str, content: Mapping[str, Any]) -> tuple[str, ...]:
    lines = content['cron'] if isinstance(content['cron'], list) else [content['cron']]
    if not lines or not all(isinstance(line, str) and line.strip() for line in lines):
        raise _Wrong(f'{where}: cron must be text like "0 2 * * 1", or a list of such')
    if 'offset' in content:
        raise _Wrong(f'{where}: offset is for every; cron says the time itself')
    return tuple(line.strip() for line in lines)


def _seconds(where: str, key: str, value: object) -> int:
    match = _INTERVAL.fullmatch(str(value))
    if not match:
        raise _Wrong(f'{where}: {key} must be like 2d, 12h or 90m')
    return int(match[1]) * _SECONDS[match[2]]


def _is_json(value: object) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
