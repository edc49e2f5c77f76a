"""How what an application has started on the server is known from what others have."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any, Protocol

from temporalio.api.common.v1 import Payload
from temporalio.converter import DefaultPayloadConverter
from temporalio.service import RPCError, RPCStatusCode

MEMO = 'temporal-worker-k8s'
"""The key of the memo that names the application."""

TIMEOUT = datetime.timedelta(seconds=5)
"""For each request."""

_PERSONS = (
    RPCStatusCode.PERMISSION_DENIED,
    RPCStatusCode.UNAUTHENTICATED,
    RPCStatusCode.INVALID_ARGUMENT,
    RPCStatusCode.UNIMPLEMENTED,
)
"""Answers that do not get better by waiting."""


class Trouble(Exception):
    """Something is not as it should be; says what.

    Args:
        sentence: for the status; what is waited for, or what a person has to do.
        operator: which of both.
    """

    def __init__(self, sentence: str, *, operator: bool = False):
        super().__init__(sentence)
        self.operator = operator


def refused(what: str, error: RPCError) -> Trouble:
    """The trouble that the server does not do something.

    Args:
        what: is to be done; a verb with what belongs to it.
        error: the server's.
    """
    if error.status in _PERSONS:
        return Trouble(f'the server refuses to {what}: {error.message}', operator=True)
    return Trouble(f'the server to {what} ({error.status.name.lower()})')


class Remembers(Protocol):
    """What the server describes: a workflow or a schedule."""

    async def memo(self) -> Mapping[str, Any]:
        """Its memo, decoded."""
        ...


def marked(text: str) -> Payload:
    """A text for a memo, as it is: encrypted, it would be lost with the key that is dropped after a rotation."""
    return DefaultPayloadConverter().to_payload(text)


async def owner(of: Remembers) -> str:
    """The application that started it; empty for none of this charm's, and where the memo cannot be read."""
    try:
        return str((await of.memo()).get(MEMO, ''))
    except Exception:
        # Encrypted with somebody else's key, perhaps: codecs raise what they like.
        return ''
