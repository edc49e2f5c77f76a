"""Installs the code and looks into it, in a process of its own: `python -m loader.prepare KEY`.

What came of it stands in `layout.PREPARED` afterwards, success or not: that file is how the charm knows.
"""

from __future__ import annotations

import dataclasses
import errno
import importlib.util
import json
import os
import pathlib
import re
import subprocess
import sys
import zipfile
import zlib

from loader import hiding, installing, layout, wheels
from loader.wheels import CodeProblem

_IMPORT = 120
"""Seconds that the code's import may take: a module that waits for something would keep the charm's hook for ever."""

_INSTALLED = 'distribution.json'
"""Beside the virtual environment, when all is in it: what was asked for, and the distribution that was chosen."""

_LONGEST_PROBLEM, _CUT = 300, '...'
_ENDED = re.compile(r'workflows-file cannot be imported: \S+: SystemExit: \d*')
"""What is said of code that ends the process by a number."""


def environment_variables() -> dict[str, str]:
    """The variables of the code, as the charm left them."""
    return json.loads(pathlib.Path(layout.ENVIRONMENT).read_text())


def surroundings(environment: pathlib.Path) -> dict[str, str]:
    """All variables of a process that runs the code: the container's, and on top of them the code's.

    Programs of the virtual environment are found first, as when it is activated: code that starts `python3` means the
    one that has its packages.

    Args:
        environment: the virtual environment.
    """
    found = {**os.environ, **environment_variables()}
    return {**found, 'PATH': f'{environment / "bin"}{os.pathsep}{found.get("PATH", os.defpath)}'}


def settings() -> layout.Settings:
    """What the charm wants to be run."""
    return layout.Settings.load(pathlib.Path(layout.SETTINGS).read_text())


def keys() -> layout.Keys:
    """What the worker reads once, at its start."""
    return layout.Keys.load(pathlib.Path(layout.KEYS).read_text())


def install(wanted: layout.Settings) -> tuple[str, pathlib.Path]:
    """Install the code unless it is installed.

    Returns:
        The name of the distribution with the workflows, and the virtual environment that holds it.

    Raises:
        CodeProblem: when it cannot be installed.
    """
    folder = pathlib.Path(layout.archive(wanted.code)).parent
    environment = folder / 'venv'
    # The choice among several wheels is part of what is installed.
    done = folder / _INSTALLED
    if done.exists():
        name, file_name = json.loads(done.read_text())
        if file_name == wanted.file_name:
            return name, environment
    unpacked = folder / 'wheels'
    found = wheels.unpack(folder / 'workflows-file', unpacked)
    main = wheels.main_wheel(found, wanted.file_name)
    installing.install(main, unpacked, environment, index=wanted.index, variables=environment_variables())
    name = wheels.distribution(main)
    done.write_text(json.dumps([name, wanted.file_name]))
    return name, environment


def installed(environment: pathlib.Path) -> str:
    """The name of the distribution with the workflows that a virtual environment holds.

    A worker asks so at its start: one that is started anew while newer code cannot be prepared goes on with its own.

    Args:
        environment: one into which code was installed.
    """
    name, _ = json.loads((environment.parent / _INSTALLED).read_text())
    return name


def look(distribution: str, wanted: layout.Settings) -> layout.Prepared:
    """What would be run, by importing it; runs inside the virtual environment."""
    from loader import discovery

    code = discovery.find(distribution, wanted.workflows, wanted.activities)
    discovery.validate(code.workflows)
    return layout.Prepared(
        workflows=tuple(sorted(code.workflows)),
        activities=tuple(sorted(code.activities)),
        dynamic=code.dynamic,
    )


def _look_inside(environment: pathlib.Path, distribution: str) -> layout.Prepared:
    """Run `look` with the environment's Python, where nothing that is imported can harm this process."""
    try:
        result = subprocess.run(
            [environment / 'bin/python', '-m', 'loader.prepare', '--look', distribution],
            capture_output=True,
            text=True,
            # The code's own PYTHONPATH would hide the loader.
            env={**surroundings(environment), 'PYTHONPATH': os.environ['PYTHONPATH']},
            timeout=_IMPORT,
        )
    except subprocess.TimeoutExpired:
        raise CodeProblem(f'workflows-file cannot be imported: its import has not ended after {_IMPORT} s') from None
    except OSError as error:
        if error.errno != errno.E2BIG:
            raise
        what = 'a variable from env-file, environment-secrets or an integration has more than Linux takes (128 KiB)'
        raise CodeProblem(f'workflows-file cannot be imported: {what}', 'make it shorter') from None
    last = (result.stderr.strip().splitlines() or ['no message'])[-1]
    try:
        found = layout.Prepared.load(result.stdout.splitlines()[-1])
    except (IndexError, ValueError, KeyError, TypeError):
        if result.returncode < 0:
            raise wheels.killed('the process that imports workflows-file', -result.returncode) from None
        raise CodeProblem(f'workflows-file cannot be imported: {last}') from None
    # Why, such code has said before.
    return dataclasses.replace(found, problem=f'{found.problem} ({last})') if _ENDED.fullmatch(found.problem) else found


def _install(wanted: layout.Settings) -> tuple[str, pathlib.Path]:
    """Install the code; whatever cannot be read of it is the code's, not the image's."""
    try:
        return install(wanted)
    except (ValueError, RuntimeError, TypeError, LookupError, zipfile.BadZipFile, zlib.error) as error:
        raise CodeProblem(f'workflows-file cannot be read ({type(error).__name__}: {error})') from error


def presentable(problem: str) -> str:
    """A problem as a status can show it: short, and without values of variables, which an import's error may quote."""
    problem = hiding.hide(problem, hiding.values())
    # Not cut before: of a value that is cut, the rest would not be found.
    return problem if len(problem) <= _LONGEST_PROBLEM else f'{problem[:_LONGEST_PROBLEM]}{_CUT}'


def main() -> None:
    """Prepare, or look only (`--look DISTRIBUTION`, inside the virtual environment)."""
    wanted = settings()
    if sys.argv[1] == '--look':
        try:
            found = look(sys.argv[2], wanted)
        except CodeProblem as problem:
            found = layout.Prepared(problem=str(problem), remedied=problem.remedied)
        print(f'\n{found.dump()}')
        return
    key = sys.argv[1]
    try:
        if importlib.util.find_spec('pip') is None:
            raise installing.no_pip()
        distribution, environment = _install(wanted)
        found = _look_inside(environment, distribution)
    except CodeProblem as problem:
        found = layout.Prepared(problem=str(problem), passing=problem.passing, remedied=problem.remedied)
    told = presentable(found.problem)
    # What is to be done stands at the end, which a long one loses.
    result = dataclasses.replace(found, key=key, problem=told, remedied=found.remedied and not told.endswith(_CUT))
    target = pathlib.Path(layout.PREPARED)
    scratch = target.with_suffix('.new')
    scratch.write_text(result.dump())
    scratch.rename(target)


if __name__ == '__main__':
    main()
