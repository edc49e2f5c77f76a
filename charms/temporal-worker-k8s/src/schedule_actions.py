"""The actions that pause, resume, start or show a schedule: a program of the loader does it, on the worker's authority.

Imported where it is used: hooks that run no action do not pay for it.
"""

from __future__ import annotations

import json

import ops
from ops import pebble
from temporal_charms.workload import USER_ID

from facts import Facts
from loader import layout

_TIMEOUT = 30.0


class _Failed(Exception):
    """The action fails; one sentence."""


def run(event: ops.ActionEvent, facts: Facts, container: ops.Container, python: str) -> None:
    """Do what the action is called after.

    Args:
        event: of the action.
        facts: what the charm knows.
        container: the worker's.
        python: the one of the code's virtual environment.
    """
    try:
        if not container.can_connect():
            raise _Failed('the container has not started yet: try again')
        if not facts.code.prepared.key or facts.code.prepared.problem:
            raise _Failed('the worker does not run: juju status tells why')
        what = event.handle.kind.removesuffix('_schedule_action')
        event.set_results(_ask(container, [python, '-m', 'loader.one_schedule', what, _name(event, facts)]))
    except _Failed as failed:
        event.fail(str(failed))


def _name(event: ops.ActionEvent, facts: Facts) -> str:
    """The schedule that is meant."""
    names = [one.id for one in facts.standing.schedules]
    name = str(event.params.get('name') or '')
    if not names:
        raise _Failed('the option schedules names none')
    if not name and len(names) > 1:
        raise _Failed(f'which one? name={"|".join(names)[:200]}')
    if name and name not in names:
        raise _Failed(f'the option schedules has no {name[:60]} (there is: {", ".join(names)[:200]})')
    return name or names[0]


def _ask(container: ops.Container, command: list[str]) -> dict[str, str]:
    try:
        output, _ = container.exec(
            command,
            environment={'PYTHONPATH': layout.PROGRAMS, 'HOME': layout.HOME},
            working_dir=layout.HOME,
            user_id=USER_ID,
            group_id=USER_ID,
            timeout=_TIMEOUT,
        ).wait_output()
        answer = json.loads(output.splitlines()[-1])
    except (pebble.Error, TimeoutError, ValueError, IndexError) as error:
        lines = (getattr(error, 'stderr', '') or str(error)).strip().splitlines()
        raise _Failed(f'the loader could not do it: {lines[-1][:200] if lines else "no answer"}') from error
    if 'error' in answer:
        raise _Failed(answer['error'])
    return answer
