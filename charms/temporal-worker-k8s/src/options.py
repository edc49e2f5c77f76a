"""The options, read once per hook and checked: what is wrong becomes one sentence with the remedy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from temporal_charms.admin import Frontend

from access import Access
from loader.layout import HEALTH_PORT
from sentry import Sentry

_LEVELS = ('debug', 'info', 'warning', 'error', 'critical')

_INDEX = re.compile(r'https?://[A-Za-z0-9._:\[\]-]+(/[^\s@]*)?')

_LOWEST_PORT = 1024
"""The workflow code's user may not listen on lower ones."""

_LIMITS: Mapping[str, tuple[int, int]] = {
    'max-concurrent-activities': (1, 10_000),
    'max-concurrent-workflow-tasks': (1, 10_000),
    'max-concurrent-local-activities': (1, 10_000),
    'max-concurrent-workflow-task-polls': (1, 1_000),
    'max-concurrent-activity-task-polls': (1, 1_000),
    'max-cached-workflows': (0, 1_000_000),
    'max-activities-per-second': (0, 1_000_000),
    'max-task-queue-activities-per-second': (0, 1_000_000),
}
"""Lowest and highest value of what temporalio.worker.Worker takes under these names, with underscores."""

_NEEDED_BY_CACHE = ('max-concurrent-workflow-tasks', 'max-concurrent-workflow-task-polls')
"""The SDK wants two at least, one of them for the workflows that it has cached."""

_LONGEST_QUEUE = 1000
"""Temporal's `limit.maxIDLength`, as it is unless the server's configuration says otherwise."""


@dataclasses.dataclass(frozen=True)
class Config:
    """The options, valid or with a problem.

    Attributes:
        host: `host`, as HOST:PORT; empty where the server is related.
        namespace: Temporal's namespace.
        queues: the task queues, each once, in the operator's order; the first one is the code's own.
        workflows: `supported-workflows`, split; empty for all.
        activities: `supported-activities`, split; empty for all.
        file_name: `workflows-file-name`.
        index: `index-url`.
        secrets: `environment-secrets`, as it is.
        log_level: `log-level`, in lower case.
        prometheus_port: `prometheus-port`; 0 for none.
        limits: what the SDK's worker takes, by its parameters' names; without those that limit nothing.
        access: how the server is spoken to.
        sentry: where errors are reported.
        problem: what is wrong with them.
    """

    host: str
    namespace: str
    queues: tuple[str, ...]
    workflows: tuple[str, ...]
    activities: tuple[str, ...]
    file_name: str
    index: str
    secrets: str
    log_level: str
    prometheus_port: int
    limits: Mapping[str, float]
    access: Access
    sentry: Sentry
    problem: str = ''

    @property
    def queue(self) -> str:
        """The first queue; empty where there is none."""
        return next(iter(self.queues), '')

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Config:
        """Read and check the options."""
        text = {name: str(raw[name]).strip() for name in raw}
        limits = {name: value for name in _LIMITS if isinstance(value := raw[name], int | float)}
        queues = tuple(dict.fromkeys(name.strip() for name in text['queue'].split(',') if name.strip()))
        log_level = text['log-level'].lower()
        port = int(text['prometheus-port'])
        access, sentry = Access.load(raw, app), Sentry.load(raw, app)
        problem = ''
        if not queues:
            problem = f'no task queue: juju config {app} queue=NAME'
        elif wrong := next((name for name in queues if not _is_queue(name)), ''):
            problem = (
                f'queue {wrong[:60]} is none: a name has at most {_LONGEST_QUEUE} characters, no control characters, '
                'and does not begin with /_sys/'
            )
        elif not text['namespace']:
            problem = f'no namespace: juju config {app} namespace=NAME'
        elif text['host'] and not address(text['host']):
            problem = f'host must be HOST:PORT, not {text["host"][:60]}'
        elif text['index-url'] and not _INDEX.fullmatch(text['index-url']):
            problem = (
                'index-url must be an http or https URL without user and password (these go into a secret, as '
                f'PIP_INDEX_URL): juju config {app} --reset index-url'
            )
        elif log_level not in _LEVELS:
            problem = f'log-level must be one of {", ".join(_LEVELS)}: juju config {app} log-level=info'
        elif port and (not _LOWEST_PORT <= port < 65536 or port == HEALTH_PORT):
            problem = (
                f'prometheus-port must be {_LOWEST_PORT} to 65535 and not {HEALTH_PORT}, or 0 for none: '
                f'juju config {app} prometheus-port=9000'
            )
        return cls(
            host=text['host'],
            namespace=text['namespace'],
            queues=queues,
            workflows=_names(text['supported-workflows']),
            activities=_names(text['supported-activities']),
            file_name=text['workflows-file-name'],
            index=text['index-url'],
            secrets=text['environment-secrets'],
            log_level=log_level,
            prometheus_port=port,
            limits={
                name.replace('-', '_'): value
                for name, value in limits.items()
                if value or name == 'max-cached-workflows'
            },
            access=access,
            sentry=sentry,
            problem=problem or _limits_problem(limits, app) or access.problem or sentry.problem,
        )


def _is_queue(name: str) -> bool:
    # The server keeps names that begin so for partitions of its own.
    return len(name) <= _LONGEST_QUEUE and name.isprintable() and not name.startswith('/_sys/')


def _limits_problem(limits: Mapping[str, float], app: str) -> str:
    for name, value in limits.items():
        low, high = _LIMITS[name]
        if name in _NEEDED_BY_CACHE and limits['max-cached-workflows']:
            low = 2
        if not low <= value <= high:
            why = ', or 1 with max-cached-workflows=0' if low == 2 else ''
            return f'{name} must be {low} to {high}{why}: juju config {app} {name}={low}'
    return ''


def _names(text: str) -> tuple[str, ...]:
    """Names separated by commas; none for `all`, and for nothing at all."""
    names = tuple(sorted({name.strip() for name in text.split(',') if name.strip()}))
    return () if names == ('all',) else names


def address(text: str) -> Frontend | None:
    """Where a server answers, from HOST:PORT; None if that is no such thing."""
    match = re.fullmatch(r'([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\]):(\d{1,5})', text)
    return Frontend(match[1], int(match[2])) if match and 0 < int(match[2]) < 65536 else None
