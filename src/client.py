"""Speaks to the running Temporal server through `bin/temporal-client`, which has the gRPC that Python charms lack.

One process serves all that a `Client` is asked, over one connection. Imported where it is used: hooks that ask the
server nothing do not pay for it. The wire format is described in client/main.go.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import select
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from temporal_charms.admin import Frontend

_PROGRAM = pathlib.Path(__file__).parent.parent / 'bin' / 'temporal-client'
_GRACE = 5.0
"""Seconds beyond a request's own time limit after which the program itself counts as stuck."""

ALREADY_EXISTS, NOT_FOUND, UNAVAILABLE = 'AlreadyExists', 'NotFound', 'Unavailable'
_PASSING = (UNAVAILABLE, 'DeadlineExceeded', 'Aborted', 'Internal', 'ResourceExhausted', 'Unknown')


class Refused(Exception):
    """The server did not do what it was asked.

    Attributes:
        sentence: why not, in the server's words or in the client's.
        code: the name of a gRPC code, as `NotFound`.
    """

    def __init__(self, sentence: str, code: str):
        super().__init__(sentence)
        self.sentence = sentence
        self.code = code

    @property
    def passing(self) -> bool:
        """Whether the same may be granted later."""
        return self.code in _PASSING


@dataclasses.dataclass(frozen=True)
class Namespace:
    """A namespace as the server has it.

    Attributes:
        name: what people call it.
        id: what the server calls it.
        state: `registered`, `deprecated` or `deleted`.
        retention: seconds for which closed workflows are kept.
        description: for people.
        owner: an e-mail address, for people.
        data: key to value, for people and for us.
        search_attributes: name to type; its own only.
    """

    name: str
    id: str = ''
    state: str = 'registered'
    retention: int = 0
    description: str = ''
    owner: str = ''
    data: Mapping[str, str] = dataclasses.field(default_factory=dict)
    search_attributes: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Member:
    """A role of some unit, as the server that answers sees it.

    Attributes:
        role: as `history`.
        address: HOST:PORT.
    """

    role: str
    address: str


@dataclasses.dataclass(frozen=True)
class Cluster:
    """What the server that answers knows of its cluster.

    Attributes:
        name: of the cluster, in Temporal's own words.
        id: likewise.
        version: of the server that answers.
        shards: the shard count that the database has.
        persistence: kind of the database of workflows.
        visibility: kind of the database of the list of workflows.
        members: all that it can reach, itself included.
    """

    name: str
    id: str
    version: str
    shards: int
    persistence: str
    visibility: str
    members: tuple[Member, ...]


@dataclasses.dataclass(frozen=True)
class Execution:
    """A running workflow.

    Attributes:
        workflow_id: chosen by who started it.
        run_id: chosen by the server.
        type: name of the workflow.
        queue: the task queue.
        started: RFC 3339.
    """

    workflow_id: str
    run_id: str
    type: str
    queue: str
    started: str


@dataclasses.dataclass(frozen=True)
class Running:
    """What runs in a namespace.

    Attributes:
        namespace: its name.
        running: how many.
        executions: the first few.
    """

    namespace: str
    running: int
    executions: tuple[Execution, ...]


class Client:
    """A conversation with one server; the program starts with the first question and ends with the block.

    Usage::

        with Client(Frontend('127.0.0.1', 7233)) as server:
            server.namespaces()

    All methods raise `Refused`.
    """

    def __init__(self, frontend: Frontend, *, timeout: float = 10.0):
        """Prepare; nothing runs yet.

        Args:
            frontend: where the server answers.
            timeout: seconds for each question.
        """
        self._frontend = frontend
        self._timeout = timeout
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def cluster(self) -> Cluster:
        """Version, shards and members."""
        found = self._ask('cluster')
        return Cluster(**found | {'members': tuple(Member(**each) for each in found['members'])})

    def health(self, services: Mapping[str, tuple[str, str]], timeout: float = 1.0) -> dict[str, str]:
        """How some services are.

        Args:
            services: name to address and name for grpc.health.v1.
            timeout: seconds for each.

        Returns:
            Name to `serving`, `not serving`, `unknown service` or `no answer`.
        """
        wanted = {name: {'address': address, 'service': service} for name, (address, service) in services.items()}
        return self._ask('health', services=wanted, timeout=timeout)

    def namespaces(self) -> tuple[Namespace, ...]:
        """All but Temporal's own and those that are being deleted."""
        return tuple(Namespace(**each) for each in self._ask('namespace-list'))

    def describe(self, name: str) -> Namespace:
        """One namespace."""
        return Namespace(**self._ask('namespace-describe', name=name))

    def register(self, name: str, **settings: Any) -> Namespace:
        """Make a namespace.

        Args:
            name: what it is called.
            settings: `retention` (seconds), `description`, `owner`, `data`.
        """
        return Namespace(**self._ask('namespace-register', name=name, **settings))

    def update(self, name: str, **settings: Any) -> Namespace:
        """Change what is given of a namespace; takes the same as `register`.

        The server can neither empty a text nor take a key out of the data.
        """
        return Namespace(**self._ask('namespace-update', name=name, **settings))

    def delete(self, name: str) -> str:
        """Delete a namespace with everything in it.

        Returns:
            The name that it has until all is gone, which takes the server some time.
        """
        return self._ask('namespace-delete', name=name)['name']

    def add_search_attributes(self, name: str, attributes: Mapping[str, str]) -> Namespace:
        """Add search attributes to a namespace, name to type; those that it has already stay as they are."""
        return Namespace(**self._ask('search-attributes-add', namespace=name, attributes=dict(attributes)))

    def search_attributes(self, name: str) -> dict[str, str]:
        """A namespace's own search attributes, name to type."""
        return self._ask('search-attributes', namespace=name)['custom']

    def running(self, limit: int) -> tuple[Running, ...]:
        """What runs in every namespace but Temporal's own.

        Args:
            limit: how many executions of each namespace to name.
        """
        found = self._ask('executions', limit=limit)
        return tuple(
            Running(**each | {'executions': tuple(Execution(**e) for e in each['executions'])}) for each in found
        )

    def _ask(self, command: str, **arguments: Any) -> Any:
        request: dict[str, Any] = {
            'command': command,
            'address': self._frontend.address,
            'timeout': self._timeout,
            'arguments': arguments,
        }
        if self._frontend.tls:
            request['tls'] = {'ca': self._frontend.ca}
        answer = self._exchange(json.dumps(request))
        if 'error' in answer:
            raise Refused(answer['error'], answer['code'])
        return answer['result']

    def _exchange(self, line: str) -> dict[str, Any]:
        """One line there, one line back."""
        if self._process is None:
            try:
                self._process = subprocess.Popen(
                    [_PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
                )
            except OSError as error:
                raise Refused(f'temporal-client cannot be run: {error.strerror}', 'FailedPrecondition') from error
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(f'{line}\n')
            self._process.stdin.flush()
            if not select.select([self._process.stdout], [], [], self._timeout + _GRACE)[0]:
                self._process.kill()
            return json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            self._end()
            raise Refused('temporal-client ended without an answer', 'Internal') from error

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # It ends with its input.
        try:
            process.communicate(timeout=_GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
