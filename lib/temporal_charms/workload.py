"""Makes a container look like a plan: pushes files that differ, replans services whose configuration changed.

A service's environment names the hash of the files it reads (`CONFIGURATION`), and `replan` runs at every reconcile: so
a restart is owed until Pebble has done it, whichever command a killed hook got to.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import pathlib
import posixpath
from collections.abc import Iterable, Mapping

import ops
from ops import pebble

from temporal_charms import versions

_logger = logging.getLogger(__name__)

_SIGNAL = 128
NO_PROGRAM = (126, 127)
"""Exit codes of programs that Pebble runs, and of those that are not there."""

NO_EXECUTABLE = 'cannot find executable'
"""With this Pebble begins to refuse a program that the image does not have."""

USER_ID = 1000
"""The user `temporal` of the official images; also what they are laid out for."""


@dataclasses.dataclass(frozen=True)
class File:
    """A file that the workload reads.

    Attributes:
        path: in the container.
        content: what stands in it.
        mode: permissions.
        owner: user and group.
        restarts: whether the service must be restarted to read a new content.
    """

    path: str
    content: str = dataclasses.field(repr=False)
    mode: int = 0o644
    owner: int = USER_ID
    restarts: bool = False


def configuration(files: Iterable[File]) -> str:
    """The hash of what a service reads once, at its start: goes into its environment."""
    digest = hashlib.sha256()
    for file in files:
        if file.restarts:
            digest.update(f'{file.path}\0{file.content}\0'.encode())
    return digest.hexdigest()[:16]


def push(container: ops.Container, files: Iterable[File]) -> list[str]:
    """Push the files that differ from what is in the container.

    A secret is never readable by others, not even for the moment of writing: Pebble writes a new file beside the old
    one and renames it.

    Returns:
        The paths that were written.
    """
    written = []
    for file in files:
        if read(container, file.path) == file.content:
            continue
        container.push(
            file.path,
            file.content,
            make_dirs=True,
            permissions=file.mode,
            user_id=file.owner,
            group_id=file.owner,
        )
        written.append(file.path)
    return written


def read(container: ops.Container, path: str) -> str | None:
    """A text file in the container; None if there is none."""
    try:
        with container.pull(path) as file:
            return file.read()
    except pebble.PathError as error:
        if error.kind == 'not-found':
            return None
        raise


def push_program(container: ops.Container, source: pathlib.Path, target: str) -> None:
    """Push a program that the image may lack, unless one of its size is there: it is too large to be read back."""
    try:
        there = container.list_files(posixpath.dirname(target), pattern=posixpath.basename(target))
    except pebble.APIError as error:
        if error.code != 404:
            raise
        there = []
    if not there or there[0].size != source.stat().st_size:
        with source.open('rb') as content:
            container.push(target, content, make_dirs=True, permissions=0o755)


class NotTold(Exception):
    """What an image holds cannot be told now; the charm is woken to ask again."""


def image_version(container: ops.Container, program: str) -> versions.Version | None:
    """The version of a program of the image; None where it has no such program, or one that tells no version.

    Asked once per container: starting a program of 100 MB takes ten times as long as reading its answer back. The
    answer is kept in the container, since it is as old as the image is. A program that fails by itself is asked again,
    by the next hook.

    Raises:
        NotTold: when the program was not started or did not come to its end, as one that is killed for its memory.
    """
    file = f'/etc/temporal/{program}.version'
    text = read(container, file)
    if text is not None:
        return versions.parse(text)
    try:
        text, _ = container.exec([program, '--version'], timeout=30).wait_output()
    except pebble.ExecError as error:
        # From 128 on a signal ended it; 126 and 127 are a shell's words for a program that it does not find.
        if error.exit_code >= _SIGNAL:
            raise _not_told(container, program, error) from error
        if error.exit_code not in NO_PROGRAM:
            _logger.warning('%s tells no version: %s', program, error)
            return None
        text = 'none'
    except pebble.APIError as error:
        if not error.message.startswith(NO_EXECUTABLE):
            raise _not_told(container, program, error) from error
        text = 'none'
    except (pebble.ChangeError, pebble.TimeoutError) as error:
        raise _not_told(container, program, error) from error
    container.push(file, text, make_dirs=True)
    return versions.parse(text)


def _not_told(container: ops.Container, program: str, error: Exception) -> NotTold:
    _logger.warning('cannot ask %s for its version now: %s', program, error)
    wake(container, 'ask-again', 'canonical.com/temporal-charms/ask-again', 5)
    return NotTold(program)


def replan(container: ops.Container, label: str, layer: pebble.LayerDict) -> None:
    """Make the container's plan say what the layer says, and let Pebble start and restart what that calls for.

    Raises:
        ops.pebble.ChangeError: when a service does not start.
    """
    add(container, label, layer)
    container.replan()


def add(container: ops.Container, label: str, layer: pebble.LayerDict) -> None:
    """Make the container's plan say what the layer says, without a service being started; new checks begin at once."""
    wanted = pebble.Layer(layer)
    plan = container.get_plan()
    services = {name: plan.services.get(name) for name in wanted.services}
    checks = {name: plan.checks.get(name) for name in wanted.checks}
    if services != wanted.services or checks != wanted.checks:
        container.add_layer(label, wanted, combine=True)


def watch(container: ops.Container, name: str) -> None:
    """Let Pebble run a check from now on, unless it does: from here on it brings the news by itself."""
    check = container.get_checks(name).get(name)
    if check and check.status == pebble.CheckStatus.INACTIVE:
        container.start_checks(name)


def stop(container: ops.Container, names: Iterable[str]) -> bool:
    """Stop those of the services that run or are about to be started again; tells whether there were any."""
    # Between two starts of a service that crashes Pebble calls it so, and ops does not know the word.
    found = container.get_services(*names).items()
    running = [name for name, info in found if info.is_running() or info.current == 'backoff']
    if running:
        container.stop(*running)
    return bool(running)


def wake(container: ops.Container, label: str, notice: str, seconds: int) -> None:
    """Let Pebble send a notice in a while, for what nothing else brings news of; at most one is under way.

    One that is under way for another time is replaced.

    Args:
        container: with a shell, or nothing is sent.
        label: of the service and of its layer.
        notice: its key.
        seconds: until then.
    """
    layer: pebble.LayerDict = {
        'services': {
            label: {
                'override': 'replace',
                'summary': 'Wakes the charm in a while',
                # As root: Juju is not told of the notices of other users.
                'command': f'sh -c "sleep {seconds}; /charm/bin/pebble notify {notice}"',
                'startup': 'disabled',
                'on-success': 'ignore',
                'on-failure': 'ignore',
            }
        }
    }
    with contextlib.suppress(pebble.ChangeError, pebble.ConnectionError, pebble.APIError):
        known, wanted = container.get_plan().services.get(label), pebble.Layer(layer).services[label]
        if known != wanted:
            container.add_layer(label, layer, combine=True)
        if known in (None, wanted):
            container.start(label)
        else:
            container.restart(label)


def environment(values: Mapping[str, str], files: Iterable[File]) -> dict[str, str]:
    """A service's environment, with the hash of the files that it reads at its start."""
    return {**values, 'CONFIGURATION': configuration(files)}
