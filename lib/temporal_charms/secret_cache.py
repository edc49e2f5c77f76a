"""Remembers, in the workload's container, what secrets held: on Kubernetes Juju takes 30 to 100 ms to read one.

That is safe for a consumed secret: a unit tracks one revision until it refreshes, and no revision ever changes; whoever
handles `secret-changed` calls `refresh`. The memory is a file of root's that nobody else can read, and is gone with the
container.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable

import ops
from ops import pebble

from temporal_charms.workload import File, push, read

Content = dict[str, str]


class SecretCache:
    """The contents of secrets.

    Args:
        container: where the memory is; without it every secret is read anew.
        path: the file.
    """

    def __init__(self, container: ops.Container, path: str):
        self._container = container
        self._path = path
        self._known: dict[str, Content] = {}
        self._loaded = False

    def get(self, uri: str, reader: Callable[[], Content], *, anew: bool = False) -> Content:
        """The content of a secret, read only if it is not known.

        Args:
            uri: of the secret.
            reader: reads it; what it raises is raised.
            anew: whether to read it all the same, which alone notices that it can no longer be read. Where Juju does
                not answer, what is known goes on to hold.
        """
        known, name = self._load(), identifier(uri)
        if anew:
            try:
                self.put(uri, reader())
            except ops.ModelError as error:
                if _gone(error):
                    self.forget(uri)
                    raise
        if name not in known:
            known[name] = reader()
            self._save()
        return known[name]

    def put(self, uri: str, content: Content) -> None:
        """Remember what a secret holds now."""
        self._load()[identifier(uri)] = content
        self._save()

    def refresh(self, secret: ops.Secret) -> None:
        """Take up the newest revision of a secret that has changed; one that is gone since then is forgotten.

        The relation over which it was granted may have gone before the event came, or before it could be run again.
        Juju answers "not found" then, or that the unit may not read it. Where it does not answer, the hook is to be run
        again: no other tells of this revision.

        Raises:
            ops.ModelError: when Juju does not answer.
        """
        try:
            self.put(secret.id or '', secret.get_content(refresh=True))
        except ops.ModelError as error:
            if not _gone(error):
                raise
            self.forget(secret.id or '')

    def forget(self, uri: str) -> None:
        """Read a secret anew the next time."""
        if self._load().pop(identifier(uri), None) is not None:
            self._save()

    def _load(self) -> dict[str, Content]:
        if not self._loaded:
            with contextlib.suppress(pebble.ConnectionError):
                self._known = json.loads(read(self._container, self._path) or '{}')
            self._loaded = True
        return self._known

    def _save(self) -> None:
        # Before the container has started there is no memory, and little to be remembered.
        with contextlib.suppress(pebble.ConnectionError):
            push(self._container, [File(self._path, json.dumps(self._known), 0o600, owner=0)])


_NOT_GRANTED = ('permission denied', 'is not allowed to read this secret')
"""Juju's words; the latter since version 4."""


def _gone(error: ops.ModelError) -> bool:
    """Whether Juju says that a secret is not there or not granted, and not that it cannot tell."""
    return isinstance(error, ops.SecretNotFoundError) or any(words in str(error) for words in _NOT_GRANTED)


def identifier(uri: str) -> str:
    """A secret's identifier, the last part of its URI: the same secret is called by URIs with and without the model."""
    return uri.rsplit('/', 1)[-1].rsplit(':', 1)[-1]
