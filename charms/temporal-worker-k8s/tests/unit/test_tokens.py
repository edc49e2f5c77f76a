"""How tokens are got: from the stand-ins of Google and candid, and what is said of everything that can go wrong."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import sys
import time
from collections.abc import Iterator

import pytest
from identities import Candid, Google, Issuer

from loader import tokens
from loader.tokens import Token

pytestmark = pytest.mark.filterwarnings('ignore:.*utc.*:DeprecationWarning')


@pytest.fixture(scope='module')
def google() -> Iterator[Google]:
    with Google(lambda _: 'a-token') as server:
        yield server


@pytest.fixture(scope='module')
def candid() -> Iterator[Candid]:
    with Candid() as server:
        yield server


@pytest.fixture(autouse=True)
def faultless(google: Google, candid: Candid) -> None:
    google.fault, candid.fault, candid.lifetime = None, None, 3600


def _candid(candid: Candid, **changes: str) -> dict[str, str]:
    given = candid.credentials
    names = {'url': 'candid-url', 'username': 'candid-username', 'private_key': 'candid-private-key'}
    return {name: given[key] for name, key in names.items()} | changes


@pytest.mark.parametrize(
    ('token', 'expires'),
    [
        ('opaque', 0),
        ('a.b.c', 0),
        (f'a.{base64.urlsafe_b64encode(b"[]").decode()}.c', 0),
        (f'a.{base64.urlsafe_b64encode(b"[" * 100_000).decode()}.c', 0),
        (f'a.{base64.urlsafe_b64encode(json.dumps({"exp": 10**400}).encode()).decode()}.c', 0),
        (f'a.{base64.urlsafe_b64encode(json.dumps({"exp": 7}).encode()).decode().rstrip("=")}.c', 7),
    ],
)
def test_given_an_own_token_then_its_expiry_is_told_where_it_says_so(token, expires):
    assert tokens.get('token', {'token': token}) == Token(f'Bearer {token}', expires)


def test_given_another_providers_credentials_then_there_is_no_token():
    assert tokens.get('token', {'private_key': 'x'}) == Token(problem='has no key token')


def test_given_a_service_account_then_google_gives_a_token_and_tells_when_it_expires(google):
    token = tokens.get('google', google.account)

    assert token.header == 'Bearer a-token'
    assert token.expires == pytest.approx(time.time() + 3600, abs=10)
    assert not token.problem


@pytest.mark.parametrize(
    ('key', 'problem'),
    [
        (None, 'has a private key that is none, as Google gives them in PEM: juju update-secret takes another'),
        (
            Issuer,
            'is refused by {url}/token (invalid_grant: Invalid JWT Signature.): juju update-secret takes another',
        ),
    ],
)
def test_given_a_service_account_with_a_wrong_key_then_it_says_which_is_wrong(google, key, problem):
    other = Google(lambda _: '')
    other._server.server_close()
    private = other.account['private_key'] if key else 'nonsense'

    token = tokens.get('google', {**google.account, 'private_key': private})

    assert (token.header, token.problem, token.passing) == ('', problem.format(url=google.url), False)


def test_given_google_in_trouble_then_it_is_waited_for(google, monkeypatch):
    monkeypatch.setattr('time.sleep', lambda _: None)
    google.fault = 503, '{"error": "unavailable"}'

    token = tokens.get('google', google.account)

    assert token.passing
    assert token.problem.startswith(f'{google.url}/token to answer (')


def test_given_nobody_at_googles_address_then_it_is_waited_for(google):
    token = tokens.get('google', {**google.account, 'token_uri': 'http://127.0.0.1:1/token'})

    assert token.passing
    assert token.problem.startswith('http://127.0.0.1:1/token to answer (')


_DAY = 24 * 3600
"""What the server's own macaroon is good for."""


@pytest.mark.parametrize('lifetime', [3600, 0])
def test_given_an_agent_then_candid_discharges_the_servers_macaroon(candid, lifetime):
    candid.lifetime = lifetime

    token = tokens.get('candid', _candid(candid))

    assert candid.believes(token.header)
    assert token.expires == pytest.approx(time.time() + (lifetime or _DAY), abs=10)


def test_given_macaroons_that_tell_no_time_then_it_is_not_known_when_they_expire(candid, monkeypatch):
    monkeypatch.setattr('macaroonbakery.checkers.macaroons_expiry_time', lambda *_: None)

    assert tokens.get('candid', _candid(candid)).expires == 0


def test_given_a_discharge_that_has_expired_then_the_server_does_not_believe_it(candid):
    candid.lifetime = -5

    assert not candid.believes(tokens.get('candid', _candid(candid)).header)


@pytest.mark.parametrize(
    ('changes', 'fault', 'problem'),
    [
        ({'private_key': '!'}, None, 'has a candid-private-key that is no base64 of 32 bytes'),
        ({'private_key': 'c2hvcnQ='}, None, 'has a candid-private-key that is no base64 of 32 bytes'),
        (
            {'username': 'other'},
            None,
            'is refused by {url} (cannot start interactive session: cannot acquire agent macaroon: 404',
        ),
        ({}, (404, 'no'), 'has a candid-url that gives no macaroon (HTTP 404)'),
        ({}, (200, '!'), 'has a candid-url that gives no macaroon with a third-party caveat'),
        ({}, (200, 'e30='), 'has a candid-url that gives no macaroon with a third-party caveat'),
    ],
)
def test_given_an_agent_that_cannot_be_then_it_says_why_and_what_to_do(candid, changes, fault, problem):
    candid.fault = fault

    token = tokens.get('candid', _candid(candid, **changes))

    assert (token.header, token.passing) == ('', False)
    assert token.problem.startswith(problem.format(url=candid.url))
    assert token.problem.endswith(': juju update-secret takes another')


def test_given_a_macaroon_endpoint_in_trouble_then_it_is_waited_for(candid):
    candid.fault = 502, ''

    assert tokens.get('candid', _candid(candid)) == Token(
        problem=f'{candid.url}/macaroon to answer (HTTP 502)', passing=True
    )


def test_given_nobody_at_the_macaroons_address_then_it_is_waited_for(candid):
    token = tokens.get('candid', _candid(candid, url='http://127.0.0.1:1/macaroon'))

    assert token == Token(problem='http://127.0.0.1:1/macaroon to answer (ConnectionError)', passing=True)


@pytest.mark.parametrize('path', ['/discharge', '/login'])
def test_given_candid_in_trouble_then_it_is_waited_for(candid, monkeypatch, path):
    answer = candid.answer
    monkeypatch.setattr(candid, 'answer', lambda p, v: (503, '') if p == path else answer(p, v))

    token = tokens.get('candid', _candid(candid))

    assert token.passing
    assert token.problem.startswith(f'{candid.url} to answer (')


def test_given_nobody_at_candids_address_then_it_is_waited_for(candid, monkeypatch):
    with Candid() as gone:
        macaroon = gone.answer('/macaroon', {})
    monkeypatch.setattr(candid, 'answer', lambda *_: macaroon)

    assert tokens.get('candid', _candid(candid)) == Token(
        problem=f'{gone.url} to answer (ConnectionError)', passing=True
    )


def test_given_an_image_without_the_library_then_it_says_which(monkeypatch):
    monkeypatch.setitem(sys.modules, 'google.auth', None)

    assert tokens.get('google', {}) == Token(
        problem='needs google.auth, which the image lacks: attach a temporal-worker-image that has it'
    )


def test_given_what_is_wanted_on_standard_input_then_the_token_is_written(monkeypatch, capsys):
    monkeypatch.setattr('sys.stdin', io.StringIO(json.dumps({'provider': 'token', 'credentials': {'token': 'x'}})))

    tokens.main()

    assert Token.load(capsys.readouterr().out) == Token('Bearer x')


def test_given_a_token_then_it_is_in_no_repr():
    assert 'Bearer' not in repr(dataclasses.replace(Token(), header='Bearer x'))
