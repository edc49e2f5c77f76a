"""Where things are in the container, and the files through which charm and loader speak; imported by both sides."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

HOME = '/srv/temporal-worker'
PROGRAMS = '/usr/local/lib/temporal-worker'
"""The loader's own folder: root's, since one of its programs runs as root."""

SETTINGS = f'{HOME}/settings.json'
ENVIRONMENT = f'{HOME}/environment.json'
"""The code's variables; readable by the worker's user only."""

CREDENTIALS = f'{HOME}/credentials.json'
"""What `loader.tokens` gets tokens with; readable by the worker's user only, who reads it again when it changes."""

KEYS = f'{HOME}/keys.json'
"""Keys that are read once; readable by the worker's user only."""

PREPARED = f'{HOME}/prepared.json'
RESTARTS = f'{HOME}/restarts.json'
STOPPED = f'{HOME}/stopped'
HEALTH_PORT = 7230
GRACE, CANCELLED, HAND_OVER = 15, 5, 2
"""Seconds after SIGTERM: that activities may go on, that they have to react to being cancelled, and to tell the server
of those that have not. Kubernetes kills a pod after 30."""

KILL_DELAY = GRACE + CANCELLED + HAND_OVER + 4
NOTICE = 'canonical.com/temporal-worker-k8s/changed'


_FIRST_PAUSE, _LONGEST_PAUSE = 10, 300
"""Seconds after the first failure that may pass by itself, and after many."""

_TIMES_AS_LONG, _LONGEST_OF_ALL = 10, 3600
"""How many times as long as a try the pause after it is at least, and up to how many seconds: preparing may take ten
minutes, in which the unit hears of nothing else."""


def archive(key: str) -> str:
    """Where the charm puts the content of `workflows-file`."""
    return f'{HOME}/code-{key}/workflows-file'


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the charm tells the loader; nothing secret.

    Attributes:
        code: identifies the content of `workflows-file`.
        file_name: `workflows-file-name`.
        index: URL of the index that has what the archive lacks; empty for none.
        workflows: `supported-workflows`, split; empty for all.
        activities: `supported-activities`, split; empty for all.
        address: the server, as HOST:PORT.
        tls: whether it wants TLS.
        ca: PEM of its authority; empty for the system's.
        namespace: Temporal's namespace.
        queues: the task queues, one at least.
        limits: what the SDK's worker takes besides, by its parameters' names; each queue's worker has its own.
        metrics_port: where the SDK answers Prometheus; 0 for nowhere.
        log_level: of the worker and the code, as Python's logging names it, in lower case.
        provider: whose tokens are sent: `token`, `google` or `candid`; empty for none.
        secret: identifier of the secret with the credentials, for sentences; empty for none.
        cipher: what payloads are encrypted with, if there is a key: `aes-gcm` or `aes-eax`.
        sentry: parameters of `loader.reports.begin`; empty where nothing is reported.
    """

    code: str
    file_name: str
    index: str
    workflows: tuple[str, ...]
    activities: tuple[str, ...]
    address: str
    tls: bool
    ca: str
    namespace: str
    queues: tuple[str, ...]
    limits: Mapping[str, float]
    metrics_port: int
    log_level: str
    provider: str = ''
    secret: str = ''
    cipher: str = 'aes-gcm'
    sentry: Mapping[str, str | float | bool] = dataclasses.field(default_factory=dict)

    def dump(self) -> str:
        """As the file's content."""
        return json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True)

    @classmethod
    def load(cls, text: str) -> Settings:
        """The reverse of `dump`."""
        data = json.loads(text)
        lists = {name: tuple(data[name]) for name in ('workflows', 'activities', 'queues')}
        return cls(**{**data, **lists})


@dataclasses.dataclass(frozen=True)
class Keys:
    """What the worker reads once, at its start.

    Attributes:
        certificate: PEM of the client certificate; empty for none.
        key: PEM of its key.
        encryption: the keys of the payloads in base64; the first one encrypts. None where they are not encrypted.
    """

    certificate: str = dataclasses.field(default='', repr=False)
    key: str = dataclasses.field(default='', repr=False)
    encryption: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    def dump(self) -> str:
        """As the file's content."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def load(cls, text: str) -> Keys:
        """The reverse of `dump`."""
        data = json.loads(text)
        return cls(**{**data, 'encryption': tuple(data['encryption'])})


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What the loader says of the code.

    Attributes:
        key: what it was prepared from; another key means that it has still to be done.
        problem: why it cannot run, a sentence for the operator; empty if it can.
        workflows: names of what it would run.
        activities: likewise.
        passing: whether the problem may pass by itself, so that preparing is worth another try.
        dynamic: whether one of the workflows takes every name.
        remedied: whether the problem says itself what is to be done.
        tries: how often a problem that may pass has been met in turn.
        pause: seconds from the last of these until another try is worth it.
        again: when that is, in seconds since 1970.
    """

    key: str = ''
    problem: str = ''
    workflows: tuple[str, ...] = ()
    activities: tuple[str, ...] = ()
    passing: bool = False
    dynamic: bool = False
    remedied: bool = False
    tries: int = 0
    pause: int = 0
    again: float = 0

    def put_off(self, before: Prepared, now: float, took: float) -> Prepared:
        """The same with a time for another try, after a pause that grows; and hooks of all kinds must have their turn.

        Args:
            before: the result before this one.
            now: the time.
            took: seconds of the hook that this one has cost.
        """
        tries = before.tries + 1 if before.passing and before.key == self.key else 1
        grown = min(_FIRST_PAUSE * 2 ** min(tries - 1, 10), _LONGEST_PAUSE)
        pause = round(max(grown, min(_TIMES_AS_LONG * took, _LONGEST_OF_ALL)))
        return dataclasses.replace(self, tries=tries, pause=pause, again=now + pause)

    def dump(self) -> str:
        """As the file's content."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def load(cls, text: str) -> Prepared:
        """The reverse of `dump`."""
        data = json.loads(text)
        return cls(**{**data, 'workflows': tuple(data['workflows']), 'activities': tuple(data['activities'])})
