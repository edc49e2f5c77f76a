"""Workers on a real server with TLS and authorisation: who is let in, for how long, and what the others are told."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import json
import pathlib
import time
from collections.abc import Iterator

import pytest
import trustme
from identities import Candid, Google, Issuer
from temporal_server import Server, certificates, client_tls, serve
from working import finish, start, until, working

from loader.layout import Keys

pytestmark = [
    pytest.mark.lab,
    pytest.mark.usefixtures('files'),
    pytest.mark.filterwarnings('ignore:.*utc.*:DeprecationWarning'),
]
WRITE = 'default:write'


@pytest.fixture
def tls(authority: trustme.CA) -> dict[str, object]:
    """What the loader is told of TLS."""
    return {'tls': True, 'ca': authority.cert_pem.bytes().decode()}


def _keys(authority: trustme.CA, not_after: datetime.datetime | None = None) -> Keys:
    own = authority.issue_cert('worker', not_after=not_after)
    return Keys(own.cert_chain_pems[0].bytes().decode(), own.private_key_pem.bytes().decode())


def test_given_a_token_that_the_server_believes_then_the_worker_works(guarded: Server, issuer, files, tls):
    files(token=issuer.token(WRITE))

    async def scenario() -> None:
        client = await guarded.admin()
        async with working(guarded.address, provider='token', **tls) as state:
            await until(lambda: state.polling, state)
            assert await finish(await start(client)) == 'hello you'

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ('token', 'why'),
    [
        (lambda issuer: issuer.token(WRITE, lifetime=-60), ', which has expired'),
        (lambda issuer: issuer.token(WRITE, key=Issuer().key), ''),
        (lambda issuer: issuer.token('default:worker'), ''),
        (lambda issuer: issuer.token('other:write'), ''),
        (lambda _: 'opaque', ''),
    ],
    ids=['expired', 'signed by another', 'of a role that may nothing', 'for another namespace', 'no JWT'],
)
@pytest.mark.filterwarnings('ignore::ResourceWarning')
def test_given_a_token_that_the_server_refuses_when_it_is_mended_then_the_worker_works(
    guarded: Server, issuer, files, tls, token, why
):
    files(token=token(issuer))

    async def scenario() -> None:
        await guarded.admin()
        async with working(guarded.address, provider='token', **tls) as state:
            await until(lambda: state.operator, state)
            assert state.problem == (
                f'{guarded.address} refuses the token of secret:abc (auth-secret-id){why}: '
                'juju update-secret takes another'
            )
            files(token=issuer.token(WRITE))
            await until(lambda: state.polling, state)

    asyncio.run(scenario())


def test_given_no_provider_then_the_operator_is_told_to_set_one(guarded: Server, tls):
    async def scenario() -> None:
        await guarded.admin()
        async with working(guarded.address, **tls) as state:
            await until(lambda: state.operator, state)
            assert state.problem.endswith('does not say who it is: set auth-provider and auth-secret-id')

    asyncio.run(scenario())


def test_given_short_tokens_of_google_then_they_are_renewed_under_a_running_worker(guarded: Server, issuer, files, tls):
    async def scenario() -> None:
        client = await guarded.admin()
        with Google(lambda lifetime: issuer.token(WRITE, lifetime=lifetime), lifetime=8) as google:
            files(**google.account)
            async with working(guarded.address, provider='google', **tls) as state:
                await until(lambda: state.polling, state)
                end = time.monotonic() + 25
                while time.monotonic() < end:
                    assert await finish(await start(client)) == 'hello you'
                    assert state.polling, state
                    await asyncio.sleep(1)
            assert len(google.asked) >= 4

    asyncio.run(scenario())


def test_given_google_that_no_longer_believes_when_the_token_ends_then_the_operator_is_told_until_it_is_mended(
    guarded: Server, issuer, files, tls
):
    async def scenario() -> None:
        client = await guarded.admin()
        with Google(lambda lifetime: issuer.token(WRITE, lifetime=lifetime), lifetime=8) as google:
            files(**google.account)
            async with working(guarded.address, provider='google', **tls) as state:
                await until(lambda: state.polling, state)
                google.fault = 400, json.dumps({'error': 'invalid_grant', 'error_description': 'Account disabled'})
                await until(lambda: state.warning, state)
                assert state.polling
                await until(lambda: state.operator, state)
                assert state.problem == (
                    f'auth-secret-id: secret:abc is refused by {google.url}/token (invalid_grant: Account disabled): '
                    'juju update-secret takes another'
                )
                google.fault = None
                await until(lambda: state.polling, state, 60)
                assert not state.warning
                assert await finish(await start(client)) == 'hello you'

    asyncio.run(scenario())


def test_given_google_that_does_not_answer_then_it_is_waited_for(guarded: Server, issuer, files, tls):
    async def scenario() -> None:
        await guarded.admin()
        with Google(lambda lifetime: issuer.token(WRITE, lifetime=lifetime)) as google:
            files(**google.account)
            google.fault = 503, '{}'
            async with working(guarded.address, provider='google', **tls) as state:
                await until(lambda: state.problem.startswith(f'{google.url}/token to answer'), state)
                assert not state.operator
                google.fault = None
                await until(lambda: state.polling, state, 60)

    asyncio.run(scenario())


def test_given_candid_then_the_worker_sends_a_macaroon_that_is_renewed(open_server: Server, files, monkeypatch):
    seen = []
    monkeypatch.setattr(
        'temporalio.client.Client.rpc_metadata', property(lambda _: {}, lambda _, value: seen.append(dict(value)))
    )

    async def scenario() -> None:
        client = await open_server.admin()
        with Candid(lifetime=8) as candid:
            names = {'url': 'candid-url', 'username': 'candid-username', 'private_key': 'candid-private-key'}
            files(**{field: candid.credentials[name] for field, name in names.items()})
            async with working(open_server.address, provider='candid') as state:
                await until(lambda: state.polling, state)
                await until(lambda: len({each['authorization'] for each in seen}) > 1, state)
                assert candid.believes(seen[-1]['authorization'])
                assert await finish(await start(client)) == 'hello you'

    asyncio.run(scenario())


def test_given_a_certificate_that_the_server_believes_then_the_worker_works(certified: Server, authority, tls):
    async def scenario() -> None:
        client = await certified.admin()
        async with working(certified.address, _keys(authority), **tls) as state:
            await until(lambda: state.polling, state)
            assert await finish(await start(client)) == 'hello you'

    asyncio.run(scenario())


_YESTERDAY = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)


@pytest.mark.parametrize(
    ('keys', 'sentence'),
    [
        (
            lambda _: _keys(trustme.CA()),
            '{address} refuses the client certificate of secret:abc (auth-secret-id): unknown ca: ',
        ),
        (
            lambda authority: _keys(authority, not_after=_YESTERDAY),
            '{address} refuses the client certificate of secret:abc (auth-secret-id): certificate expired: ',
        ),
        (lambda _: None, '{address} wants a client certificate: set auth-provider=mtls and auth-secret-id'),
        (
            lambda authority: Keys(_keys(authority).certificate, _keys(authority).key),
            'auth-secret-id: tls-client-certificate and tls-client-key in secret:abc do not belong together: ',
        ),
        (
            lambda authority: Keys('nonsense', _keys(authority).key),
            'auth-secret-id: tls-client-certificate and tls-client-key in secret:abc are none in PEM: ',
        ),
        (
            lambda authority: Keys(_keys(authority).certificate, 'nonsense'),
            'auth-secret-id: tls-client-certificate and tls-client-key in secret:abc are none in PEM: ',
        ),
    ],
    ids=['of another authority', 'expired', 'none', 'of another key', 'no certificate', 'no key'],
)
def test_given_a_certificate_that_cannot_be_then_the_operator_is_told(
    certified: Server, authority, tls, keys, sentence
):
    async def scenario() -> None:
        await certified.admin()
        async with working(certified.address, keys(authority), **tls) as state:
            await until(lambda: state.operator, state)
            assert state.problem.startswith(sentence.format(address=certified.address))

    asyncio.run(scenario())


def test_given_a_server_that_comes_back_and_believes_others_then_the_operator_is_told_until_it_believes_again(
    tmp_path: pathlib.Path, authority, tls
):
    @contextlib.contextmanager
    def serving(name: str, clients: trustme.CA, port: int = 0) -> Iterator[str]:
        folder = tmp_path / name
        folder.mkdir()
        with serve(folder, tls=certificates(folder, authority, clients), port=port) as address:
            yield address

    async def scenario() -> None:
        with contextlib.ExitStack() as before:
            address = before.enter_context(serving('before', authority))
            port = int(address.rpartition(':')[2])
            await Server(address, client_tls(authority), dict).admin()
            async with working(address, _keys(authority), **tls) as state:
                await until(lambda: state.polling, state)
                before.close()
                with serving('meanwhile', trustme.CA(), port):
                    await until(lambda: state.operator, state)
                    assert state.problem.startswith(f'{address} refuses the client certificate of secret:abc (auth-s')
                with serving('after', authority, port):
                    await Server(address, client_tls(authority), dict).admin()
                    await until(lambda: state.polling, state)

    asyncio.run(scenario())


def test_given_a_server_of_another_authority_then_the_operator_is_told_which_option_mends_it(guarded: Server):
    other = trustme.CA().cert_pem.bytes().decode()

    async def scenario() -> None:
        await guarded.admin()
        async with working(guarded.address, tls=True, ca=other) as state:
            await until(lambda: state.operator, state)
            assert state.problem.startswith(
                f'the certificate of {guarded.address} is not to be trusted (unknown issuer)'
            )

    asyncio.run(scenario())


def test_given_a_server_without_tls_then_the_operator_is_told_which_options_to_reset(open_server: Server, tls):
    async def scenario() -> None:
        await open_server.admin()
        async with working(open_server.address, **tls) as state:
            await until(lambda: state.operator, state)
            assert state.problem.startswith(f'{open_server.address} does not speak TLS: reset')

    asyncio.run(scenario())
