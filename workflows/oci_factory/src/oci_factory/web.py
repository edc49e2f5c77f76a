"""HTTP, with every answer that is no success turned into what Temporal understands: again, later, or never."""

from __future__ import annotations

import datetime
import email.utils
import functools
import logging
import re
import ssl
import time
from collections.abc import Collection, Mapping
from typing import Any

import httpx
from temporalio import activity
from temporalio.exceptions import ApplicationError

from oci_factory.mendable import UNAUTHORISED, WRONG_SETTING, mendable

TIMEOUT = httpx.Timeout(30, connect=10)
"""Seconds; shorter than the activities' heartbeat timeout."""

_LIMIT_DELAY = 60
"""Seconds to stay away where a service that is busy does not say for how long; GitHub asks for a minute, and for longer
each time that it says so again."""

_LONGEST_DELAY = 3600
"""Seconds; GitHub's limits are those of an hour."""

_LEAST_DELAY = 300
"""Seconds to which the least delay grows: attempts are counted, and one who asks for a second might use them up."""

# It logs each request's URL at INFO, and a webhook's is a secret.
logging.getLogger('httpx').setLevel(logging.WARNING)

_THROTTLED = re.compile(r'(^|"__type"\s*:\s*"([^"]*#)?)(Throttling|TooManyRequests)Exception\b')
"""At the beginning of Amazon's header, or in the body."""


@functools.cache
def authorities() -> ssl.SSLContext:
    """Who is trusted; reading them takes longer than most of the requests."""
    return httpx.create_ssl_context()


class Web:
    """A client of one service; a context manager.

    Args:
        token: sent as a bearer token; never part of an error.
        timeout: of each request.
        secret_path: whether the URLs' paths are secrets, as those of webhooks are; errors then name the host only.
        secrets: what else may be part of no error, should the service quote it.
        follows: whether it goes where it is sent on to, as GitHub sends who asks for a repository by a former name. The
            token goes to no other host.

    Raises:
        ApplicationError: when the environment names a proxy that cannot be one.
    """

    def __init__(
        self,
        token: str = '',
        *,
        timeout: httpx.Timeout = TIMEOUT,
        secret_path: bool = False,
        secrets: Collection[str] = (),
        follows: bool = False,
    ) -> None:
        self._secrets, self._secret_path = [one for one in (token, *secrets) if one], secret_path
        self._follows = follows
        headers = {'Authorization': f'Bearer {token}'} if token else {}
        try:
            self._client = httpx.Client(timeout=timeout, headers=headers, verify=authorities())
        except (ValueError, ImportError, httpx.InvalidURL):
            # What is wrong with a proxy's address httpx says already here, and quotes a password in it.
            sentence = 'nobody can be asked: mend HTTP_PROXY, HTTPS_PROXY, ALL_PROXY or NO_PROXY'
            raise mendable(sentence, WRONG_SETTING) from None

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def get(self, url: str, advice: Mapping[int, str], **options: Any) -> httpx.Response:
        """`request` with GET."""
        return self.request('GET', url, advice, **options)

    def request(
        self, method: str, url: str, advice: Mapping[int, str], *, accepted: Collection[int] = (), **options: Any
    ) -> httpx.Response:
        """Ask and get a successful answer.

        Args:
            method: of HTTP.
            url: to ask.
            advice: what to do about an answer that will not change by itself, by status.
            accepted: statuses of other answers that the caller makes something of.
            options: `params`, `headers` and `json`, as httpx takes them.

        Raises:
            ApplicationError: retried at once (connection, 5xx), when the service wants (rate limits), or slowly (401
                and other 403); or not retried (every other answer).
        """
        response = self._send(method, url, options)
        return response if response.status_code in accepted else self._checked(response, advice)

    def find(self, url: str, advice: Mapping[int, str], **options: Any) -> httpx.Response | None:
        """`get`, with None for what does not exist (404)."""
        response = self.get(url, advice, accepted=(404,), **options)
        return None if response.status_code == 404 else response

    def _send(self, method: str, url: str, options: Mapping[str, Any]) -> httpx.Response:
        try:
            found = self._client.request(method, url, follow_redirects=self._follows and method == 'GET', **options)
            # Other answers of this kind make a question of an order.
            if self._follows and found.status_code in (307, 308) and found.next_request:
                return self._client.send(found.next_request)
            return found
        except httpx.InvalidURL:
            # Not quoted: what is wrong with a URL may be the password in it.
            raise ApplicationError('one of the URLs in the settings is invalid', non_retryable=True) from None
        except httpx.HTTPError as error:
            where = self._where(error.request)
            # The libraries' own messages and causes stay out of the workflow's history: they quote what was sent.
            raise ApplicationError(f'{where}: no answer ({type(error).__name__})', type='NoAnswer') from None

    def _checked(self, response: httpx.Response, advice: Mapping[int, str]) -> httpx.Response:
        if response.is_success:
            return response
        raise refused(
            f'{self._where(response.request)}: {response.status_code}{self.said(response)}',
            response.status_code,
            response.headers,
            response.text,
            advice,
        )

    def _where(self, request: httpx.Request) -> str:
        path = '' if self._secret_path else request.url.path
        return f'{request.method} {request.url.host}{path}'

    def said(self, response: httpx.Response) -> str:
        """The service's own words, short and without the secrets."""
        try:
            body = response.json()
        except ValueError:
            return ''
        # Scanners have it a level deeper.
        error = body.get('error', body) if isinstance(body, dict) else None
        message = error.get('message') if isinstance(error, dict) else None
        if not isinstance(message, str) or not message:
            return ''
        for secret in self._secrets:
            message = message.replace(secret, '***')
        return f' ({message[:200]})'


def content(response: httpx.Response) -> Any:
    """The JSON in an answer.

    Raises:
        ApplicationError: retried: what is no JSON comes from a proxy or a service in trouble.
    """
    try:
        return response.json()
    except ValueError:
        url = response.request.url
        raise ApplicationError(f'{url.host}{url.path}: the answer is no JSON', type='NoAnswer') from None


def refused(
    sentence: str, status: int, headers: Mapping[str, str], text: str, advice: Mapping[int, str]
) -> ApplicationError:
    """What Temporal is to make of an answer that is no success.

    Args:
        sentence: what was asked, and what was answered.
        status: of the answer.
        headers: of the answer, of whatever case they are asked for.
        text: of the answer.
        advice: what to do about an answer that will not change by itself, by status.
    """
    delay = _delay(status, headers, text)
    if delay is not None:
        return ApplicationError(
            f'{sentence}; again in {delay} s',
            # One that is down says for how long as well, and people want to hear of that.
            type='ServerError' if status >= 500 else 'RateLimited',
            next_retry_delay=datetime.timedelta(seconds=delay),
        )
    if status >= 500:
        return ApplicationError(sentence, type='ServerError')
    hint = advice.get(status, '')
    said = f'{sentence}; {hint}' if hint else sentence
    if status in (401, 403):
        return mendable(said, UNAUTHORISED)
    return ApplicationError(said, type='Refused', non_retryable=True)


def _delay(status: int, headers: Mapping[str, str], text: str) -> int | None:
    """Seconds for which a rate limit asks to stay away; None if the answer is none.

    GitHub answers 403 or 429, with Retry-After, or with no requests remaining and the time of the next ones. It sends
    that time with every answer, a refusal for lack of rights included. Swift answers 429 or 498, Amazon's services 400
    with the name of an error. A service that is down for a while answers 503, and may say for how long.
    """
    attempt = activity.info().attempt if activity.in_activity() else 1
    least = min(2 ** min(attempt - 1, 10), _LEAST_DELAY)
    if status == 400 and _THROTTLED.search(headers.get('x-amzn-errortype', '') + text):
        status = 429
    after = seconds(headers.get('retry-after', '')) if status in (403, 429, 498, 503) else None
    if after is not None:
        return max(least, after)
    if status not in (403, 429, 498):
        return None
    reset = headers.get('x-ratelimit-reset', '')
    if headers.get('x-ratelimit-remaining', '0') == '0' and reset.isdigit():
        return max(least, int(reset) - int(time.time()) + 1)
    if status != 403 or re.search('rate limit', text, re.IGNORECASE):
        # GitHub wants clients that are refused again to stay away for longer each time.
        return min(_LIMIT_DELAY * 2 ** min(attempt - 1, 10), _LONGEST_DELAY)
    return None


def seconds(after: str) -> int | None:
    """Of the header Retry-After, which has them or a date; None if it has neither."""
    if after.isascii() and after.isdigit():
        return int(after)
    try:
        return int(email.utils.parsedate_to_datetime(after).timestamp() - time.time()) + 1
    except (ValueError, OverflowError):
        return None
