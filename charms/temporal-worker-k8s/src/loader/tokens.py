"""Gets one token, as `python -m loader.tokens`: in a process of its own, which neither blocks nor burdens the worker.

Reads a `Wanted` as JSON from standard input, since arguments can be seen by others, and writes a `Token` as JSON.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import re
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

_TIMEOUT = 10
"""Seconds for one request."""

_SCOPES = ('email', 'profile', 'openid')
"""What Canonical's workers ask Google for."""

_SERVER_ERROR = 500
_FAULT = re.compile(r'(?:\[|code |macaroon: )5\d\d')
"""How macaroonbakery's errors tell of a server's error."""

_MEND = 'juju update-secret takes another'


@dataclasses.dataclass(frozen=True)
class Token:
    """What came of it.

    Attributes:
        header: the value of `authorization`; empty where there is none.
        expires: when it does, in seconds since 1970; 0 if that is not known.
        problem: why there is none, with the secret as its subject, and what to do: "has no such thing: add it". Where
            it is passing: what is waited for.
        passing: whether the same may go well later.
    """

    header: str = dataclasses.field(default='', repr=False)
    expires: float = 0
    problem: str = ''
    passing: bool = False

    def dump(self) -> str:
        """As JSON."""
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def load(cls, text: str) -> Token:
        """The reverse of `dump`."""
        return cls(**json.loads(text))


def given(credentials: Mapping[str, str]) -> Token:
    """The operator's own token; if it is a JWT, it tells when it expires."""
    token = credentials.get('token')
    if not token:
        # They may just be another provider's.
        return Token(problem='has no key token')
    return Token(f'Bearer {token}', _expiry(token))


def _expiry(token: str) -> float:
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split('.')[1] + '=='))
        return float(claims.get('exp', 0))
    except (ArithmeticError, AttributeError, IndexError, RecursionError, TypeError, ValueError):
        return 0


def google(credentials: Mapping[str, str]) -> Token:
    """A token for a Google service account: https://developers.google.com/identity/protocols/oauth2/service-account."""
    from google.auth import exceptions
    from google.auth.transport import requests as transport
    from google.oauth2 import service_account

    try:
        account = service_account.Credentials.from_service_account_info(dict(credentials), scopes=list(_SCOPES))
    except ValueError:
        return Token(problem=f'has a private key that is none, as Google gives them in PEM: {_MEND}')
    where = credentials['token_uri']
    try:
        account.refresh(functools.partial(transport.Request(), timeout=_TIMEOUT))
    except exceptions.TransportError as error:
        return Token(problem=f'{where} to answer ({_reason(error)})', passing=True)
    except exceptions.RefreshError as error:
        if error.retryable:
            return Token(problem=f'{where} to answer ({_reason(error)})', passing=True)
        return Token(problem=f'is refused by {where} ({_reason(error)}): {_MEND}')
    # Google's library keeps it without a time zone.
    expires = account.expiry.replace(tzinfo=UTC).timestamp() if account.expiry else 0
    return Token(f'Bearer {account.token}', expires)


def candid(credentials: Mapping[str, str]) -> Token:
    """A discharged macaroon: the server's, whose third-party caveat candid discharges for this agent.

    The server answers at `url` with the base64 of a macaroon's JSON, and takes the base64 of a JSON list of macaroons.
    """
    import requests
    from macaroonbakery import bakery, checkers, httpbakery
    from macaroonbakery.httpbakery import agent
    from nacl.exceptions import CryptoError

    try:
        key = bakery.PrivateKey.deserialize(credentials['private_key'])
    except (ValueError, TypeError, CryptoError):
        return Token(problem=f'has a candid-private-key that is no base64 of 32 bytes: {_MEND}')
    where = credentials['url']
    try:
        answer = requests.get(where, timeout=_TIMEOUT)
        if answer.status_code >= _SERVER_ERROR:
            return Token(problem=f'{where} to answer (HTTP {answer.status_code})', passing=True)
        if not answer.ok:
            return Token(problem=f'has a candid-url that gives no macaroon (HTTP {answer.status_code}): {_MEND}')
        macaroon = bakery.Macaroon.deserialize_json(bakery.b64decode(answer.text.strip()))
        where = next(caveat.location for caveat in macaroon.macaroon.third_party_caveats())
    except requests.RequestException as error:
        return Token(problem=f'{where} to answer ({type(error).__name__})', passing=True)
    except (ValueError, TypeError, KeyError, AttributeError, StopIteration):
        return Token(problem=f'has a candid-url that gives no macaroon with a third-party caveat: {_MEND}')
    interactor = agent.AgentInteractor(agent.AuthInfo(key, [agent.Agent(where, credentials['username'])]))
    client = httpbakery.Client(interaction_methods=[interactor])
    try:
        discharged = bakery.discharge_all(macaroon, client.acquire_discharge, key)
    except requests.RequestException as error:
        return Token(problem=f'{where} to answer ({type(error).__name__})', passing=True)
    except Exception as error:
        # The library lets errors of all kinds through.
        if _FAULT.search(str(error)):
            return Token(problem=f'{where} to answer ({_reason(error)})', passing=True)
        return Token(problem=f'is refused by {where} ({_reason(error)}): {_MEND}')
    macaroons = json.dumps([bakery.macaroon_to_dict(each) for each in discharged]).encode()
    expires = checkers.macaroons_expiry_time(checkers.Namespace(), discharged)
    when = expires.replace(tzinfo=expires.tzinfo or UTC).timestamp() if isinstance(expires, datetime) else 0
    return Token(f'Macaroon {base64.b64encode(macaroons).decode()}', when)


PROVIDERS: Mapping[str, Callable[[Mapping[str, str]], Token]] = {'token': given, 'google': google, 'candid': candid}


def _reason(error: Exception) -> str:
    text = str(error.args[0] if error.args else error) or type(error).__name__
    return text.splitlines()[0][:160]


def get(provider: str, credentials: Mapping[str, str]) -> Token:
    """A token of a provider; a library that is missing is a problem like others."""
    try:
        return PROVIDERS[provider](credentials)
    except ModuleNotFoundError as error:
        return Token(problem=f'needs {error.name}, which the image lacks: attach a temporal-worker-image that has it')


def main() -> None:
    """Get one."""
    wanted = json.load(sys.stdin)
    print(get(wanted['provider'], wanted['credentials']).dump())


if __name__ == '__main__':
    main()
