"""Requests and answers, without HTTP's details."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any


@dataclasses.dataclass(frozen=True)
class Request:
    """What somebody asks.

    Attributes:
        method: of HTTP.
        path: decoded, without the query.
        query: the last value of each parameter.
        headers: by their names in lower case.
        body: the JSON sent with it; None if there is none.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any

    @property
    def line(self) -> str:
        """Method and path with the query, as faults match them."""
        query = '&'.join(f'{key}={value}' for key, value in self.query.items())
        return f'{self.method} {self.path}?{query}'

    @property
    def image(self) -> str:
        """The image that the request is about; empty if there is none."""
        body = self.body if isinstance(self.body, dict) else {}
        inputs = body.get('inputs')
        asked = inputs.get('oci-image-name', '') if isinstance(inputs, dict) else body.get('repositoryName', '')
        artifact = body.get('artifact')
        if isinstance(artifact, dict):
            asked = artifact.get('repository', '').rpartition('/')[2]
        parts = self.path.split('/')
        if 'contents' in parts:
            asked = '/'.join(parts[parts.index('contents') + 2 :][:1])
        return asked or self.query.get('prefix', '').rstrip('/')


@dataclasses.dataclass(frozen=True)
class Answer:
    """What is answered.

    Attributes:
        status: of HTTP; 0 for hanging up without a word.
        body: text as it is, anything else as JSON; None for nothing.
        headers: besides those on the body.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def content(self) -> bytes:
        """The body's bytes."""
        if self.body is None:
            return b''
        return (self.body if isinstance(self.body, str) else json.dumps(self.body)).encode()


def refuse(status: int, message: str) -> Answer:
    """An answer that says what is wrong, as most services word it."""
    return Answer(status, {'message': message})
