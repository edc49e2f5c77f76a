"""Runs other programs: output into a log, failure as one sentence."""

from __future__ import annotations

import os
import pathlib
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence

from lab import settings
from lab.progress import LabError


def run(
    argv: Sequence[str | os.PathLike[str]],
    *,
    what: str,
    log: str,
    cwd: pathlib.Path | None = None,
    env: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
) -> None:
    """Run a program and append all it prints to a log.

    Args:
        argv: program and arguments.
        what: what is being done, for the sentence if it fails ("building juju").
        log: name of the log, without ending.
        cwd: directory to run in.
        env: variables on top of the present environment.
        on_line: called with every line of output, to show progress.

    Raises:
        LabError: when the program ends with another status than 0.
    """
    path = settings.LOG / f'{log}.log'
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open('a') as file:
        file.write(f'$ {" ".join(os.fspath(a) for a in argv)}\n')
        file.flush()
        process = subprocess.Popen(
            argv,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors='replace',
        )
        assert process.stdout is not None
        last = ''
        with process.stdout:
            for line in process.stdout:
                file.write(line)
                last = line.strip() or last
                if on_line:
                    on_line(line.rstrip('\n'))
        if process.wait() != 0:
            raise LabError(f'{what} failed: {last[:200]}', path)


def output(
    argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str] | None = None, seconds: float = 300
) -> str:
    """The standard output of a program that must succeed.

    Raises:
        LabError: when it does not, with the last line it printed on standard error; when it is not installed; when it
            has not ended within `seconds`.
    """
    try:
        result = subprocess.run(
            argv, capture_output=True, text=True, env={**os.environ, **(env or {})}, timeout=seconds
        )
    except FileNotFoundError:
        raise LabError(f'{os.fspath(argv[0])} is not installed') from None
    except subprocess.TimeoutExpired:
        raise LabError(f'{" ".join(os.fspath(a) for a in argv)}: not done after {seconds:.0f} s') from None
    if result.returncode != 0:
        lines = result.stderr.strip().splitlines() or ['no message']
        raise LabError(f'{" ".join(os.fspath(a) for a in argv)}: {lines[-1]}')
    return result.stdout


def succeeds(
    argv: Sequence[str | os.PathLike[str]], *, env: Mapping[str, str] | None = None, seconds: float = 30
) -> bool:
    """Whether a program is installed and ends with status 0 within `seconds`; its output is not shown.

    A part of the cluster that has started and does not answer keeps its client waiting for ever.
    """
    environment = {**os.environ, **(env or {})}
    try:
        return (
            subprocess.run(
                argv, capture_output=True, stdin=subprocess.DEVNULL, env=environment, timeout=seconds
            ).returncode
            == 0
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return False


def answers(url: str) -> bool:
    """Whether an HTTP GET on this machine is answered with success."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=2) as response:
            return response.status == 200
    except OSError:
        return False


def wait_for(what: str, condition: Callable[[], bool], *, seconds: float, log: str) -> None:
    """Wait until a condition holds.

    Raises:
        LabError: when it does not within `seconds`.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise LabError(f'{what}: not so after {seconds:.0f} s', settings.LOG / f'{log}.log')
        time.sleep(0.2)
