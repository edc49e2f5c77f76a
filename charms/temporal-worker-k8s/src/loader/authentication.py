"""Keeps the worker's token fresh: gets it, again before it expires, and anew when the credentials change."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pathlib
import secrets
import sys
import time

from temporalio.client import Client

from loader import hiding, layout, tokens
from loader.health import State
from loader.tokens import Token

_logger = logging.getLogger('temporal-worker')
_HEADER = 'authorization'
_LOOK_EVERY = 1.0
_NEVER = 1e9
_PATIENCE = 60.0
"""Seconds that getting a token may take."""

_UNKNOWN = 3300.0
"""Seconds until a token is renewed that does not tell when it expires; an hour is what most are good for."""

_LEFT = 0.3, 0.15
"""Which part of its time a token has left when it is renewed; between these, so that units do not come all at once."""

_SHORTEST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds until a failure is followed by another try."""

_DOUBTED = 30.0
"""Seconds after which a token that the server refuses is worth another one: it may have been revoked."""


class Refused(Exception):
    """There is no token, and a person has to do something about it; says what."""


class Unreachable(Exception):
    """There is no token yet; says what is waited for."""


class Keeper:
    """Has a token when one is needed.

    Args:
        wanted: names the provider and the secret.
        state: is told of failures while an older token is still good.
        certified: whether a client certificate says who the worker is.
    """

    def __init__(self, wanted: layout.Settings, state: State, *, certified: bool = False):
        self._provider, self._secret, self._address = wanted.provider, wanted.secret, wanted.address
        self._certified = certified
        self._state = state
        self._credentials, self._warned = '', False
        self._forget()

    def _forget(self) -> None:
        self._token, self._got, self._renew = Token(), 0.0, 0.0
        self._failed, self._again, self._pause = Token(), 0.0, _SHORTEST_PAUSE

    async def metadata(self) -> dict[str, str]:
        """Headers for the server, in a mapping of their own; empty where nobody tells who the worker is.

        Raises:
            Refused: when there is no token, and the operator has to do something about it.
            Unreachable: when there is no token yet.
        """
        if not self._provider:
            return {}
        self._read()
        now = time.time()
        if now >= max(self._renew, self._again):
            await self._get(now)
        if self._token.header and not (self._failed.problem and self._expired()):
            return {_HEADER: self._token.header}
        if self._failed.passing:
            raise Unreachable(self._failed.problem)
        raise Refused(self._sentence())

    def _read(self) -> None:
        text = pathlib.Path(layout.CREDENTIALS).read_text()
        if text != self._credentials:
            self._credentials = text
            self._forget()

    async def _get(self, now: float) -> None:
        token = await _get(self._provider, self._credentials)
        if token.header:
            if self._warned:
                self._state.warning, self._warned = '', False
            self._token, self._got, self._failed, self._pause = token, now, Token(), _SHORTEST_PAUSE
            lifetime = token.expires - now if token.expires else _UNKNOWN
            self._renew = now + lifetime * (1 - _between(*_LEFT)) if self._provider != 'token' else float('inf')
            return
        self._failed = token
        waits = f'waiting for {token.problem}' if token.passing else self._sentence()
        if self._state.warning != waits:
            _logger.warning('no new token: %s', waits)
            self._state.warning, self._warned = waits, True
        self._again = time.time() + self._pause * _between(0.5, 1)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def _expired(self) -> bool:
        return 0 < self._token.expires < time.time()

    def _sentence(self) -> str:
        problem = hiding.hide(self._failed.problem, hiding.values())
        return f'auth-secret-id: secret:{self._secret} {problem}'

    def refused(self) -> tuple[str, bool]:
        """The server has refused a request: says whose, and sees to another token.

        Returns:
            What is wrong, and whether a person has to do something about it.
        """
        if not self._provider:
            who = 'a worker that does not say who it is: set auth-provider and auth-secret-id'
            if self._certified:
                who = (
                    f'whom the client certificate of secret:{self._secret} (auth-secret-id) names: let the server '
                    'authorise its subject, or juju update-secret takes another'
                )
            return f'{self._address} refuses {who}', True
        expired = self._expired()
        if expired and self._failed.problem:
            # Why there is no other one.
            return (self._failed.problem, False) if self._failed.passing else (self._sentence(), True)
        if self._provider != 'token' and time.time() - self._got > _DOUBTED:
            self._token, self._renew = Token(), 0.0
        which = {'token': 'the token', 'google': "Google's token", 'candid': "candid's macaroon"}[self._provider]
        what = f'{which} of secret:{self._secret} (auth-secret-id){", which has expired" if expired else ""}'
        return f'{self._address} refuses {what}: juju update-secret takes another', True

    async def keep(self, client: Client) -> None:
        """Give a client each new token, until cancelled; while there is none, it keeps the one that it has."""
        while True:
            await asyncio.sleep(_LOOK_EVERY if self._provider else _NEVER)
            try:
                metadata = await self.metadata()
            except (Refused, Unreachable):
                continue
            if metadata != client.rpc_metadata:
                # Never changed in place: the SDK would not notice.
                client.rpc_metadata = metadata


def _between(low: float, high: float) -> float:
    return low + (high - low) * secrets.randbelow(1000) / 1000


async def _get(provider: str, credentials: str) -> Token:
    """Ask `loader.tokens`, unless the token is at hand."""
    if provider == 'token':
        return tokens.get(provider, json.loads(credentials))
    wanted = json.dumps({'provider': provider, 'credentials': json.loads(credentials)})
    programs = str(pathlib.Path(__file__).parents[1])
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *('-m', 'loader.tokens'),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        # The code's own PYTHONPATH would hide the loader.
        env={**os.environ, 'PYTHONPATH': programs},
    )
    try:
        told, errors = await asyncio.wait_for(process.communicate(wanted.encode()), _PATIENCE)
    except TimeoutError:
        process.kill()
        await process.wait()
        return Token(problem=f'a token, which {provider} has not given within {_PATIENCE:.0f} s', passing=True)
    try:
        return Token.load(told.decode())
    except ValueError:
        last = (errors.decode(errors='replace').strip().splitlines() or ['no message'])[-1]
        return Token(problem=f'could not be used ({last[:120]})')
