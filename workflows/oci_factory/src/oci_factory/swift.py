"""Build metadata in a container of OpenStack's object store, by python-swiftclient; with keystoneauth1 if it is closed.

The client's own retries are off: waiting is Temporal's business, and costs no thread there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import swiftclient.client
import urllib3
from keystoneauth1 import exceptions, session
from keystoneauth1.identity import v3
from temporalio.exceptions import ApplicationError

from oci_factory.mendable import UNAUTHORISED, mendable
from oci_factory.settings import Keystone, Settings
from oci_factory.web import refused

TIMEOUT = 30
"""Seconds for each answer; shorter than the activities' heartbeat timeout."""

_OBJECT = 'build_metadata.json'
_ADVICE: dict[int, str] = dict.fromkeys(
    (400, 401, 403, 404, 412),
    'check OCI_FACTORY_BUILDS, and that the container is public or that OS_USERNAME may read it',
)
_KEYSTONE_ADVICE: dict[int, str] = dict.fromkeys((400, 403, 404), 'check OS_AUTH_URL and the project')

_Result = TypeVar('_Result')

# They log what they send, and of a refused request already at INFO: the beginning of the token with it.
for _name in ('swiftclient', 'keystoneauth'):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Container:
    """The container; a context manager.

    Args:
        settings: its URL, and as whom to ask for it.

    Raises:
        ApplicationError: as every method: Keystone or Swift refuses, or does not answer.
    """

    def __init__(self, settings: Settings) -> None:
        self._url, _, self._container = settings.builds.rpartition('/')
        self._keystone = settings.keystone
        # An empty token is none to Swift.
        self._token = _token(self._keystone) if self._keystone else ''
        self._connection: Any = swiftclient.client.http_connection(self._url, timeout=TIMEOUT)

    def __enter__(self) -> Container:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection[1].close()

    def names(self, image: str, alive: Callable[[], None]) -> Iterator[str]:
        """See `sources.Builds`. Page by page: the last page is the empty one, whatever size the others have.

        No size is asked for: Swift refuses one above its own.
        """
        marker = ''
        while True:
            page = self._ask(swiftclient.client.get_container, self._container, marker=marker, prefix=f'{image}/')
            alive()
            if not page:
                return
            for entry in page:
                name = entry['name'].removeprefix(f'{image}/')
                if name.endswith(f'/{_OBJECT}'):
                    yield name.removesuffix(f'/{_OBJECT}')
            if page[-1]['name'] <= marker:
                raise ApplicationError(f'{self._container} gives the same page of objects of {image} for ever')
            marker = page[-1]['name']

    def file(self, image: str, name: str) -> bytes | None:
        """See `sources.Builds`. Listings lag behind: an object may be gone already."""
        try:
            content: Any = self._ask(swiftclient.client.get_object, self._container, f'{image}/{name}/{_OBJECT}')
        except _Absent:
            return None
        return content

    def _ask(self, call: Callable[..., tuple[Any, _Result]], *args: Any, **options: Any) -> _Result:
        try:
            return self._authorised(call, *args, **options)
        except swiftclient.client.ClientException as error:
            status = error.http_status or 500
            where = f'GET {error.http_host}{error.http_path}'
            if status == 404 and call is swiftclient.client.get_object:
                raise _Absent from None
            raise refused(f'{where}: {status}', status, error.http_response_headers or {}, '', _ADVICE) from None
        # What is cut off in the middle, or is no JSON, comes from a proxy or a service in trouble. The errors of
        # requests are OSErrors; the client reads bodies past it.
        except (OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            sentence = f'GET {self._connection[0].hostname}: no answer ({type(error).__name__})'
            raise ApplicationError(sentence, type='NoAnswer') from None

    def _authorised(self, call: Callable[..., tuple[Any, _Result]], *args: Any, **options: Any) -> _Result:
        """Ask, and once more with a new token if there has to be one: listings of many pages outlive tokens."""
        try:
            return call(self._url, self._token, *args, http_conn=self._connection, **options)[1]
        except swiftclient.client.ClientException as error:
            # Whoever may not read what they ask for gets 403; 401 is about the token.
            if error.http_status != 401 or not self._keystone:
                raise
        self._token = _token(self._keystone)
        return call(self._url, self._token, *args, http_conn=self._connection, **options)[1]


class _Absent(Exception):
    """There is no such object."""


def _token(known: Keystone) -> str:
    """What Keystone gives for the password."""
    url = known.url.rstrip('/')
    password = v3.Password(
        auth_url=url if url.endswith('/v3') else f'{url}/v3',
        username=known.user,
        password=known.password,
        project_name=known.project,
        user_domain_name=known.user_domain,
        project_domain_name=known.project_domain,
    )
    try:
        return session.Session(auth=password, timeout=TIMEOUT).get_token() or ''
    except exceptions.Unauthorized:
        sentence = 'Keystone refuses the user: check OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME and the domains'
        raise mendable(sentence, UNAUTHORISED) from None
    except exceptions.HttpError as error:
        status = error.http_status
        headers = error.response.headers if error.response is not None else {}
        raise refused(f'Keystone: {status}', status, headers, '', _KEYSTONE_ADVICE) from None
    except exceptions.ClientException as error:
        raise ApplicationError(f'Keystone: no answer ({type(error).__name__})', type='NoAnswer') from None
