"""Finds workflows and activities in installed code: what is decorated, by importing its modules."""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import importlib.metadata
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from temporalio.worker import UnsandboxedWorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from loader.wheels import CodeProblem

# Where the SDK's decorators keep what they were told.
_MARKS = {'workflow': '__temporal_workflow_definition', 'activity': '__temporal_activity_definition'}


@dataclasses.dataclass(frozen=True)
class Code:
    """What a worker runs.

    Attributes:
        workflows: name to class.
        activities: name to function.
    """

    workflows: dict[str, type]
    activities: dict[str, Callable[..., Any]]

    @property
    def dynamic(self) -> bool:
        """Whether one of the workflows takes every name."""
        return any(thing.__dict__[_MARKS['workflow']].name is None for thing in self.workflows.values())


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
    things = list(objects.values())
    found = Code(_pick('workflow', things, tuple(workflows)), _pick('activity', things, tuple(activities)))
    if not found.workflows and not found.activities:
        raise CodeProblem(
            f'workflows-file has neither workflows nor activities: nothing in {distribution} is decorated'
        )
    return found


def validate(workflows: Mapping[str, type]) -> None:
    """Let the SDK load workflows as a worker would: it refuses code whose import alone cannot be deterministic.

    Raises:
        CodeProblem: when it refuses one.
    """
    # The SDK makes an instance of each, which wants a loop.
    asyncio.run(_validate(workflows))


async def _validate(workflows: Mapping[str, type]) -> None:
    sandboxed, plain = SandboxedWorkflowRunner(), UnsandboxedWorkflowRunner()
    for name, thing in workflows.items():
        definition = thing.__dict__[_MARKS['workflow']]
        try:
            (sandboxed if definition.sandboxed else plain).prepare_workflow(definition)
        except Exception as error:
            reason = _first_line(error)
            raise CodeProblem(f"workflows-file: Temporal's sandbox refuses workflow {name}: {reason}") from error


def _import(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise CodeProblem(f'workflows-file cannot be imported: {name}: {_first_line(error)}') from error


def _first_line(error: BaseException) -> str:
    first = str(error).splitlines()[0] if str(error) else ''
    return f'{type(error).__name__}: {first}'


def _decorated(kind: str, objects: Iterable[Any]) -> Iterator[tuple[str, Any]]:
    """What is decorated, and its name; a dynamic one has none for Temporal, and goes by Python's."""
    for thing in objects:
        # Not inherited: a subclass of a workflow is none until it is decorated itself.
        definition = getattr(thing, '__dict__', {}).get(_MARKS[kind])
        if definition is not None:
            yield definition.name or thing.__name__, thing


def _pick(kind: str, objects: Iterable[Any], wanted: tuple[str, ...]) -> dict[str, Any]:
    by_name: dict[str, Any] = {}
    for name, thing in _decorated(kind, objects):
        if name in by_name and by_name[name] is not thing:
            places = _places(by_name[name], thing)
            raise CodeProblem(f'workflows-file has two {_plural(kind)} named {name} ({places}): rename one')
        by_name[name] = thing
    if wanted:
        by_name = {name: _wanted(kind, name, by_name, objects) for name in wanted}
    # The same one may be wanted by both of its names; the SDK takes each once.
    picked = {name: thing for name, thing in by_name.items() if _first_name(by_name, thing) == name}
    dynamic = [name for name, thing in picked.items() if thing.__dict__[_MARKS[kind]].name is None]
    if len(dynamic) > 1:
        raise CodeProblem(
            f'workflows-file has several dynamic {_plural(kind)} ({", ".join(sorted(dynamic)[:3])})',
            f'keep one, or name one in supported-{_plural(kind)}',
        )
    return picked


def _wanted(kind: str, name: str, by_name: Mapping[str, Any], objects: Iterable[Any]) -> Any:
    """What a name means: Temporal's go first; several may have one of Python's."""
    if name in by_name:
        return by_name[name]
    called = {known: thing for known, thing in by_name.items() if thing.__name__ == name}
    if not called:
        there = {*by_name, *(thing.__name__ for thing in by_name.values())}
        raise CodeProblem(_missing(kind, name, there, objects), f'change supported-{_plural(kind)}')
    if len(called) > 1:
        raise CodeProblem(
            f'workflows-file has several {_plural(kind)} that Python calls {name} ({_places(*called.values())})',
            f'use the names of Temporal ({", ".join(called)}) in supported-{_plural(kind)}',
        )
    return next(iter(called.values()))


def _places(*things: Any) -> str:
    return ', '.join(sorted(thing.__module__ for thing in things))


def _first_name(by_name: Mapping[str, Any], thing: Any) -> str:
    return next(name for name, other in by_name.items() if other is thing)


def _missing(kind: str, name: str, there: Iterable[str], objects: Iterable[Any]) -> str:
    """Why a name is not there; a method would need an object, which nobody makes."""
    for owner in (thing for thing in objects if isinstance(thing, type)):
        if name in dict(_decorated(kind, vars(owner).values())):
            return f'workflows-file has {kind} {name} only as a method of {owner.__name__}, which cannot be run'
    names = ', '.join(sorted(there)) or 'none'
    return f'workflows-file has no {kind} named {name} (there is: {names[:120]})'


def _plural(kind: str) -> str:
    return {'workflow': 'workflows', 'activity': 'activities'}[kind]
