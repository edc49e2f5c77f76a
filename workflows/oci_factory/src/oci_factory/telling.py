"""What all channels share by which people are told: what they are given, and what they say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

import httpx

from oci_factory.model import Notice
from oci_factory.settings import wrong

TIMEOUT = httpx.Timeout(5)
"""Seconds for each step of a request; several fit into an attempt."""

LISTED = 20
"""Failed images, and those with news, that are told one by one; the result of the workflow has all."""


@dataclasses.dataclass(frozen=True)
class Origin:
    """The workflow that tells.

    Attributes:
        namespace: Temporal's.
        workflow: its identifier.
        run: of this run.
    """

    namespace: str
    workflow: str
    run: str

    def link(self, web: str) -> str:
        """Its page in Temporal's web interface.

        Args:
            web: base URL of the interface; without one there is no page.
        """
        if not web:
            return ''
        namespace, workflow, run = (quote(part, safe='') for part in (self.namespace, self.workflow, self.run))
        return f'{web.rstrip("/")}/namespaces/{namespace}/workflows/{workflow}/{run}/history'


class Notifier(Protocol):
    """A channel."""

    def tell(self, notice: Notice, origin: Origin, handle: str, /) -> str:
        """Tell.

        Args:
            notice: what.
            origin: whose it is.
            handle: what this returned when the same rebuild was told of before; empty otherwise.

        Returns:
            By which it can be found again; empty if not at all.

        Raises:
            ApplicationError: when it could not.
        """
        ...


def required(environ: Mapping[str, str], *names: str) -> list[str]:
    """The values of variables that belong together.

    Raises:
        ApplicationError: not to be retried: one is missing.
    """
    values = [environ.get(name, '').strip() for name in names]
    for name, value in zip(names, values, strict=True):
        if not value:
            raise wrong(f'{name} is not set, but others of its kind are: give it to the worker')
    return values


def facts(notice: Notice) -> list[tuple[str, str]]:
    """What a notice begins with; name and value."""
    found = [('Release', notice.release)] if notice.release else []
    found.append(('Status', notice.status))
    return [*found, *([('Rebuilt', ', '.join(notice.rebuilt))] if notice.rebuilt else [])]


def lines(notice: Notice) -> list[str]:
    """A line for each image that failed, and for each one with news; up to a number of either."""
    return [*_some(notice.failed), *_some(notice.news)]


def _some(told: Mapping[str, str]) -> list[str]:
    found = [f'{image}: {what}' if image else what for image, what in sorted(told.items())]
    more = len(found) - LISTED
    return [*found[:LISTED], *([f'and {more} more'] if more > 0 else [])]
