"""Asks a schema registry for schemas, over Confluent's API, which Apicurio and Karapace have, too.

Two requests are made, and what matters is what each failure means: what is waited out, and what no waiting would mend.
confluent-kafka's own client tries again by itself with the thread asleep, and brings authlib and cryptography.
"""

from __future__ import annotations

import dataclasses
import json
import ssl
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import fastavro
import httpx

from temporal_events import avro
from temporal_events.model import Poison, Unavailable

PATIENCE = 10.0
"""Seconds after which a schema that a registry does not know does not exist: one with several nodes may be behind."""

_TIMEOUT = httpx.Timeout(5)
_UNKNOWN = (40401, 40402, 40403)
"""Of subject, version and schema; other answers with 404 are not the registry's, but of a wrong address."""
_REFUSED = (httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY)
"""That will be so tomorrow; with an `error_code`, since proxies have answers of their own."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Where the registry is, and as whom to ask it.

    Attributes:
        url: base URL of Confluent's API, like https://HOST/apis/ccompat/v7 with Apicurio.
        username: for basic authentication; empty for none.
        password: likewise.
        ca: certificates in PEM, which alone are trusted; empty for those that the system trusts.
    """

    url: str
    username: str = ''
    password: str = dataclasses.field(default='', repr=False)
    ca: str = dataclasses.field(default='', repr=False)


class Registry:
    """The schemas of a registry; each is asked for once, since none ever changes. May be used by several threads.

    Args:
        settings: where, and as whom.
        patience: seconds after which a schema that is not known does not exist.
    """

    def __init__(self, settings: Settings, patience: float = PATIENCE) -> None:
        self._url = settings.url.rstrip('/')
        self._auth = httpx.BasicAuth(settings.username, settings.password) if settings.username else None
        self._tls = trust(settings.ca)
        self._schemas: dict[int, Any] = {}
        self._patience = patience
        self._missed: dict[int, float] = {}

    def schema(self, number: int) -> Any:
        """A schema as `avro.decode` reads by it.

        Raises:
            Unavailable: when the registry does not answer, or refuses.
            Poison: when it has no such schema, or it is none of Avro.
        """
        if number not in self._schemas:
            with self._web() as web:
                self._schemas[number] = self._fetch(web, number)
            self._missed.pop(number, None)
        return self._schemas[number]

    def _web(self) -> httpx.Client:
        try:
            return httpx.Client(auth=self._auth, verify=self._tls, timeout=_TIMEOUT)
        except (ValueError, ImportError, httpx.InvalidURL):
            # What is wrong with a proxy's address httpx says already here, and quotes a password in it.
            raise Unavailable(
                'the schema registry cannot be asked: mend HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY'
            ) from None

    def _fetch(self, web: httpx.Client, number: int) -> Any:
        told = self._get(web, f'/schemas/ids/{number}')
        if told is None:
            missed = self._missed.setdefault(number, time.monotonic())
            if time.monotonic() - missed < self._patience:
                raise Unavailable(f'the schema registry does not know schema {number} yet')
            raise Poison(f'the schema registry does not know schema {number}')
        named: dict[str, Any] = {}
        self._add_references(web, told, named, number)
        return _parse(told, number, lambda schema: avro.parse(schema, named))

    def _add_references(self, web: httpx.Client, told: Mapping[str, Any], named: dict[str, Any], number: int) -> None:
        """Parse the schemas that one refers to, the innermost first."""
        for reference in told.get('references') or ():
            where = f'/subjects/{quote(str(reference["subject"]), safe="")}/versions/{reference["version"]}'
            found = self._get(web, where)
            if found is None:
                raise Poison(
                    f'schema {number} refers to {reference["subject"]}, which the schema registry does not know'
                )
            self._add_references(web, found, named, number)
            _parse(found, number, lambda schema: fastavro.parse_schema(schema, named_schemas=named))

    def _get(self, web: httpx.Client, path: str) -> Mapping[str, Any] | None:
        """An answer; None where the registry says that there is no such thing.

        Raises:
            Unavailable: when it does not answer, or cannot answer now.
            Poison: when it will never answer that.
        """
        try:
            response = web.get(f'{self._url}{path}')
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f'the schema registry does not answer: {type(error).__name__}: {error}') from None
        try:
            content = response.json()
        except ValueError:
            content = None
        if isinstance(content, dict):
            if response.status_code == httpx.codes.OK and 'schema' in content:
                return content
            if response.status_code == httpx.codes.NOT_FOUND and content.get('error_code') in _UNKNOWN:
                return None
            if response.status_code in _REFUSED and 'error_code' in content:
                raise Poison(f'the schema registry answers {response.status_code} when it is asked for {path}')
        if response.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
            raise Unavailable('the schema registry refuses the user or the password')
        raise Unavailable(f'the schema registry answers {response.status_code}, which it should not: is its URL right?')


def trust(ca: str) -> ssl.SSLContext:
    """Trust certificates in PEM alone, or what the system trusts where there are none.

    Raises:
        ValueError: when they cannot be read.
    """
    # Comments between them may have any characters, and Python takes a text in ASCII only.
    told = ca.encode('ascii', 'replace').decode()
    try:
        return ssl.create_default_context(cadata=told or None)
    except ssl.SSLError as error:
        raise ValueError(f'no certificate in PEM: {error.reason}') from None


def _parse(told: Mapping[str, Any], number: int, parse: Callable[[Any], Any]) -> Any:
    kind = told.get('schemaType') or 'AVRO'
    if kind != 'AVRO':
        raise Poison(f'schema {number} is {kind}, not AVRO')
    try:
        return parse(json.loads(told['schema']))
    except Exception as error:
        # fastavro has no common class for what it raises.
        raise Poison(f'schema {number} is none that can be read: {type(error).__name__}: {error}') from None
