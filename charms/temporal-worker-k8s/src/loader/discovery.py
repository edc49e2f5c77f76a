"""Finds workflows and activities in installed code: what is decorated, by importing its modules."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
import pathlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from loader.wheels import CodeProblem

# Where the SDK's decorators keep what they were told.
_WORKFLOW, _ACTIVITY = '__temporal_workflow_definition', '__temporal_activity_definition'


@dataclasses.dataclass(frozen=True)
class Code:
    """What a worker runs.

    Attributes:
        workflows: name to class.
        activities: name to function.
    """

    workflows: dict[str, type]
    activities: dict[str, Callable[..., Any]]


def modules(distribution: str) -> list[str]:
    """The names of a distribution's modules."""
    names = []
    for file in importlib.metadata.files(distribution) or []:
        path = pathlib.PurePosixPath(file)
        if path.suffix != '.py' or path.parts[0].endswith(('.dist-info', '.data')) or path.stem == '__main__':
            continue
        parts = path.parent.parts if path.stem == '__init__' else (*path.parent.parts, path.stem)
        if parts and all(part.isidentifier() for part in parts):
            names.append('.'.join(parts))
    return sorted(names)


def find(distribution: str, workflows: Iterable[str], activities: Iterable[str]) -> Code:
    """Import a distribution and pick what is wanted.

    Args:
        distribution: name of an installed distribution.
        workflows: names of the wanted workflows; none for all.
        activities: names of the wanted activities; none for all.

    Raises:
        CodeProblem: when an import fails, a name does not exist or exists twice, or there is nothing to run.
    """
    objects: dict[int, Any] = {}
    for name in modules(distribution):
        for thing in vars(_import(name)).values():
            objects[id(thing)] = thing
    found = Code(
        _pick('workflow', _decorated(objects.values(), _WORKFLOW), tuple(workflows)),
        _pick('activity', _decorated(objects.values(), _ACTIVITY), tuple(activities)),
    )
    if not found.workflows and not found.activities:
        raise CodeProblem(
            f'workflows-file has neither workflows nor activities: nothing in {distribution} is decorated'
        )
    return found


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        first = str(error).splitlines()[0] if str(error) else ''
        raise CodeProblem(
            f'workflows-file cannot be imported: {name}: {type(error).__name__}: {first[:160]}'
        ) from error


def _decorated(objects: Iterable[Any], mark: str) -> Iterator[tuple[str, Any]]:
    for thing in objects:
        # Not inherited: a subclass of a workflow is none until it is decorated itself.
        definition = getattr(thing, '__dict__', {}).get(mark)
        if definition is not None and definition.name:
            yield definition.name, thing


def _pick(kind: str, found: Iterable[tuple[str, Any]], wanted: tuple[str, ...]) -> dict[str, Any]:
    by_name: dict[str, Any] = {}
    for name, thing in found:
        if name in by_name and by_name[name] is not thing:
            raise CodeProblem(f'workflows-file has two {_plural(kind)} named {name}: rename one')
        by_name[name] = thing
    if not wanted:
        return by_name
    by_name |= {thing.__name__: thing for thing in list(by_name.values()) if thing.__name__ not in by_name}
    for name in wanted:
        if name not in by_name:
            there = ', '.join(sorted(by_name)) or 'none'
            raise CodeProblem(
                f'workflows-file has no {kind} named {name} (there is: {there[:120]}): change supported-{_plural(kind)}'
            )
    return {name: by_name[name] for name in wanted}


def _plural(kind: str) -> str:
    return {'workflow': 'workflows', 'activity': 'activities'}[kind]
