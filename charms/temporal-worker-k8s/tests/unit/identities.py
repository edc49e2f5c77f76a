"""HTTP stand-ins for those who say who a worker is: a JWKS, Google, and candid beside a server with macaroons."""

from __future__ import annotations

import base64
import datetime
import http.server
import json
import threading
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from macaroonbakery import bakery, checkers, httpbakery
from pymacaroons import Macaroon
from pymacaroons.serializers.json_serializer import JsonSerializer

Answer = tuple[int, str]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b'=').decode()


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + '==')


def _utc(seconds: float) -> datetime.datetime:
    """A time from now on, as macaroonbakery wants it: without a time zone."""
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=seconds)


_LOGIN = bakery.Op(entity='server', action='login')


class Http:
    """Answers on a free port of loopback.

    Attributes:
        url: where.
        asked: the paths that were asked for.
        fault: answered instead, whatever is asked; None for no fault.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.fault: Answer | None = None
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer('')

            def do_POST(self) -> None:
                self._answer(self.rfile.read(int(self.headers['Content-Length'])).decode())

            def _answer(self, body: str) -> None:
                path, _, query = self.path.partition('?')
                outer.asked.append(path)
                values = {name: found[0] for name, found in urllib.parse.parse_qs(query or body).items()}
                status, text = outer.fault or outer.answer(path, values)
                self.send_response(status)
                self.send_header('Content-Type', 'application/json')
                self.send_header('Content-Length', str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.url = f'http://127.0.0.1:{self._server.server_port}'

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path: str, values: Mapping[str, str]) -> Answer:
        """The answer to one request."""
        raise NotImplementedError


class Issuer(Http):
    """Signs tokens as Temporal's default claim mapper takes them, and serves its keys as JWKS."""

    def __init__(self) -> None:
        super().__init__()
        self.key = rsa.generate_private_key(65537, 2048)

    def token(self, *permissions: str, lifetime: float = 3600, key: rsa.RSAPrivateKey | None = None) -> str:
        """A JWT.

        Args:
            permissions: like `default:write`.
            lifetime: seconds from now on.
            key: signs it; its own unless given.
        """
        claims = {'sub': 'worker', 'permissions': permissions, 'exp': time.time() + lifetime, 'iat': time.time() - 1}
        head, body = (
            _encoded(json.dumps(part).encode()) for part in ({'alg': 'RS256', 'typ': 'JWT', 'kid': '1'}, claims)
        )
        signature = (key or self.key).sign(f'{head}.{body}'.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f'{head}.{body}.{_encoded(signature)}'

    def answer(self, path: str, values: Mapping[str, str]) -> Answer:
        """The JWKS."""
        numbers = self.key.public_key().public_numbers()
        n, e = (_encoded(number.to_bytes((number.bit_length() + 7) // 8, 'big')) for number in (numbers.n, numbers.e))
        return 200, json.dumps({'keys': [{'kty': 'RSA', 'use': 'sig', 'alg': 'RS256', 'kid': '1', 'n': n, 'e': e}]})


class Google(Http):
    """The token endpoint, for one service account.

    Args:
        token: makes a token of so many seconds.
        lifetime: of the tokens.
    """

    def __init__(self, token: Callable[[float], str], lifetime: float = 3600):
        super().__init__()
        self._token, self.lifetime = token, lifetime
        self._key = rsa.generate_private_key(65537, 2048)

    @property
    def account(self) -> dict[str, str]:
        """The file that Google gives for a service account."""
        encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return {
            'type': 'service_account',
            'project_id': 'p',
            'private_key_id': '1',
            'private_key': self._key.private_bytes(*encoding).decode(),
            'client_email': 'worker@p.iam.example',
            'token_uri': f'{self.url}/token',
        }

    def answer(self, path: str, values: Mapping[str, str]) -> Answer:
        """A token for an assertion that the account has signed."""
        head, body, signature = values['assertion'].split('.')
        claims = json.loads(_decoded(body))
        try:
            self._key.public_key().verify(
                _decoded(signature), f'{head}.{body}'.encode(), padding.PKCS1v15(), hashes.SHA256()
            )
        except InvalidSignature:
            return 400, json.dumps({'error': 'invalid_grant', 'error_description': 'Invalid JWT Signature.'})
        assert (claims['iss'], claims['scope']) == (self.account['client_email'], 'email profile openid')
        told = {'access_token': self._token(self.lifetime), 'expires_in': self.lifetime, 'token_type': 'Bearer'}
        return 200, json.dumps(told)


class Candid(Http):
    """candid, which knows one agent, and the server's endpoint for macaroons.

    Attributes:
        lifetime: seconds for which a discharge holds; 0 for ever.
        agent: the key of the agent.
    """

    username = 'worker@candid'

    def __init__(self, lifetime: float = 3600):
        super().__init__()
        self.lifetime = lifetime
        self.agent = bakery.generate_key()
        self._key = bakery.generate_key()
        places = bakery.ThirdPartyStore()
        places.add_info(self.url, bakery.ThirdPartyInfo(public_key=self._key.public_key, version=bakery.LATEST_VERSION))
        self._server_bakery = bakery.Bakery(key=bakery.generate_key(), locator=places)
        self._own = bakery.Bakery(key=self._key)

    @property
    def credentials(self) -> dict[str, str]:
        """What the worker's secret has."""
        return {
            'candid-url': f'{self.url}/macaroon',
            'candid-username': self.username,
            'candid-private-key': self.agent.serialize().decode(),
            'candid-public-key': str(self.agent.public_key),
        }

    def believes(self, header: str) -> bool:
        """Whether the server would let somebody in."""
        scheme, _, text = header.partition(' ')
        macaroons = [
            Macaroon.deserialize(json.dumps(each), JsonSerializer()) for each in json.loads(base64.b64decode(text))
        ]
        try:
            self._server_bakery.checker.auth([macaroons]).allow(checkers.AuthContext(), [_LOGIN])
        except (bakery.PermissionDenied, bakery.DischargeRequiredError):
            return False
        return scheme == 'Macaroon'

    def answer(self, path: str, values: Mapping[str, str]) -> Answer:
        """The server's macaroon, or the steps of an agent's login."""
        return {'/macaroon': self._macaroon, '/discharge': self._discharge, '/login': self._login}[path](values)

    def _macaroon(self, _: Mapping[str, str]) -> Answer:
        macaroon = self._server_bakery.oven.macaroon(
            bakery.LATEST_VERSION, _utc(86400), [checkers.Caveat('is-authenticated-user', self.url)], [_LOGIN]
        )
        return 200, base64.b64encode(json.dumps(macaroon.to_dict()).encode()).decode()

    def _discharge(self, values: Mapping[str, str]) -> Answer:
        if 'token64' not in values and 'token' not in values:
            methods = {'agent': {'login-url': '/login'}}
            told = {'Code': httpbakery.ERR_INTERACTION_REQUIRED, 'Message': 'interaction required'}
            return 401, json.dumps({**told, 'Info': {'InteractionMethods': methods}})
        expiry = _utc(self.lifetime)
        caveats = [checkers.time_before_caveat(expiry)] if self.lifetime else []

        class Checker(bakery.ThirdPartyCaveatChecker):
            def check_third_party_caveat(self, ctx: Any, info: Any) -> list[Any]:
                return caveats

        macaroon = httpbakery.discharge(checkers.AuthContext(), dict(values), self._key, None, Checker())
        return 200, json.dumps({'Macaroon': macaroon.to_dict()})

    def _login(self, values: Mapping[str, str]) -> Answer:
        if values != {'username': self.username, 'public-key': str(self.agent.public_key)}:
            return 404, json.dumps({'Code': 'not found', 'Message': f'cannot get user "{values["username"]}"'})
        macaroon = self._own.oven.macaroon(
            bakery.LATEST_VERSION,
            _utc(86400),
            [bakery.local_third_party_caveat(self.agent.public_key, version=bakery.LATEST_VERSION)],
            [bakery.Op(entity='agent', action='login')],
        )
        return 200, json.dumps({'macaroon': macaroon.to_dict()})
