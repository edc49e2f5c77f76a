"""The lab's long-running processes: started once, known by a process file, never by name.

A process file holds the pid together with the boot and the moment at which the process started, so that a
file left over from a killed process or an earlier boot is recognised even if the number is in use again.
"""

from __future__ import annotations

import json
import os
import pathlib
import resource
import signal
import subprocess
import time
from collections.abc import Sequence

from lab import host, settings
from lab.progress import LabError, say


def _started(pid: int) -> str | None:
    """When a process started, in clock ticks since the boot (proc(5), field 22); None if there is none."""
    try:
        stat = pathlib.Path(f'/proc/{pid}/stat').read_text()
    except OSError:
        return None
    fields = stat.rpartition(')')[2].split()
    return None if fields[0] in 'ZX' else fields[19]


def _file(name: str) -> pathlib.Path:
    return settings.RUN / f'{name}.process'


def _record(name: str) -> dict | None:
    """The process file's content if that very process is alive."""
    try:
        record = json.loads(_file(name).read_text())
    except (OSError, ValueError):
        return None
    if record.get('boot') != host.boot() or record.get('started') != _started(record.get('pid', 0)):
        return None
    return record


def pid(name: str) -> int | None:
    """The pid of a process of the lab, or None if it does not run."""
    record = _record(name)
    return record['pid'] if record else None


def start(name: str, argv: Sequence[str | os.PathLike[str]], *, env: dict[str, str] | None = None) -> bool:
    """Start a process unless it runs with exactly this command; one with another command is replaced.

    Returns:
        Whether a process was started.
    """
    command = [os.fspath(a) for a in argv]
    record = _record(name)
    if record and record['argv'] == command:
        return False
    if record:
        stop(name)
    settings.LOG.mkdir(parents=True, exist_ok=True)
    settings.RUN.mkdir(parents=True, exist_ok=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with (settings.LOG / f'{name}.log').open('a') as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, **(env or {})},
        )
    _file(name).write_text(
        json.dumps({'pid': process.pid, 'boot': host.boot(), 'started': _started(process.pid), 'argv': command})
    )
    return True


def must_run(name: str) -> None:
    """Raise LabError if a process that was started has ended."""
    if pid(name) is None:
        raise LabError(f'{name} has ended', settings.LOG / f'{name}.log')


def stop(name: str, *, seconds: float = 10) -> None:
    """End a process: SIGTERM, after `seconds` SIGKILL; its process file goes."""
    number = pid(name)
    if number is not None:
        os.kill(number, signal.SIGTERM)
        end = time.monotonic() + seconds
        while pid(name) is not None and time.monotonic() < end:
            time.sleep(0.05)
        if pid(name) is not None:
            os.kill(number, signal.SIGKILL)
            while pid(name) is not None:
                time.sleep(0.05)
        say(f'{name} stopped')
    _file(name).unlink(missing_ok=True)
