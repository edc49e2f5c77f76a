"""The worker's token under way: renewed before it expires, kept while no other can be had, replaced with its secret."""

from __future__ import annotations

import asyncio
import itertools
import json
import pathlib
import time
from types import SimpleNamespace

import pytest
from identities import Google
from served import settings, until

from loader import authentication, layout, tokens
from loader.authentication import Keeper, Refused, Unreachable
from loader.health import State
from loader.tokens import Token

SECRET = '9m4e2mr0ui3e8a215n4g'


class Source:
    """What `loader.tokens` gives, as a test says.

    Attributes:
        next: the answers that come, the last one for ever.
        asked: the credentials that it was asked with.
    """

    def __init__(self) -> None:
        self.next = [Token('Bearer 1', time.time() + 3600)]
        self.asked: list[dict[str, str]] = []

    async def get(self, provider: str, credentials: str) -> Token:
        self.asked.append(json.loads(credentials))
        return self.next.pop(0) if len(self.next) > 1 else self.next[0]


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(authentication, 'time', clock)
    return clock


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    source = Source()
    monkeypatch.setattr(authentication, '_get', source.get)
    return source


@pytest.fixture(autouse=True)
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The files that the charm pushes."""
    for name in ('CREDENTIALS', 'KEYS', 'ENVIRONMENT'):
        path = tmp_path / f'{name}.json'
        path.write_text('{}')
        monkeypatch.setattr(layout, name, str(path))
    return tmp_path


def _credentials(files: pathlib.Path, **content: str) -> None:
    (files / 'CREDENTIALS.json').write_text(json.dumps(content))


def _keeper(provider: str = 'google') -> tuple[Keeper, State]:
    state = State()
    return Keeper(settings(provider=provider, secret=SECRET), state), state


def _metadata(keeper: Keeper) -> dict[str, str]:
    return asyncio.run(keeper.metadata())


def test_given_no_provider_then_no_header_is_sent_and_a_refusal_names_the_options():
    keeper, _ = _keeper('')

    assert _metadata(keeper) == {}
    assert keeper.refused() == (
        'h:1 refuses a worker that does not say who it is: set auth-provider and auth-secret-id',
        True,
    )


def test_given_a_certificate_alone_then_a_refusal_names_its_secret():
    keeper = Keeper(settings(provider='', secret=SECRET), State(), certified=True)

    assert keeper.refused() == (
        f'h:1 refuses whom the client certificate of secret:{SECRET} (auth-secret-id) names: let the server authorise '
        'its subject, or juju update-secret takes another',
        True,
    )


def test_given_a_token_of_the_operators_then_it_is_sent_and_read_again_when_it_changes(files, clock):
    keeper, _ = _keeper('token')
    _credentials(files, token='one')
    assert _metadata(keeper) == {'authorization': 'Bearer one'}
    clock.now += 1e6
    assert _metadata(keeper) == {'authorization': 'Bearer one'}
    _credentials(files, token='two')

    assert _metadata(keeper) == {'authorization': 'Bearer two'}


def test_given_a_token_when_it_nears_its_end_then_another_is_got_at_a_time_that_varies(source, clock):
    times = set()
    for _ in range(20):
        keeper, _ = _keeper()
        source.next = [Token('Bearer 1', clock.now + 1000), Token('Bearer 2', clock.now + 2000)]
        began, asked = clock.now, len(source.asked)
        while len(source.asked) < asked + 2:
            assert _metadata(keeper)
            clock.now += 10
        times.add(clock.now - began)

    assert 690 <= min(times) < max(times) <= 870


def test_given_a_token_that_does_not_tell_its_end_then_another_is_got_within_the_hour(source, clock):
    keeper, _ = _keeper('candid')
    source.next = [Token('Macaroon 1'), Token('Macaroon 2')]
    assert _metadata(keeper) == {'authorization': 'Macaroon 1'}
    clock.now += 3600

    assert _metadata(keeper) == {'authorization': 'Macaroon 2'}


@pytest.mark.parametrize(
    ('failed', 'warning', 'error'),
    [
        (Token(problem='u to answer (x)', passing=True), 'waiting for u to answer (x)', Unreachable),
        (
            Token(problem='is refused by u: mend it'),
            f'auth-secret-id: secret:{SECRET} is refused by u: mend it',
            Refused,
        ),
    ],
)
def test_given_no_new_token_then_the_old_one_is_used_to_its_end_with_a_warning(source, clock, failed, warning, error):
    keeper, state = _keeper()
    source.next = [Token('Bearer 1', clock.now + 1000), failed]
    _metadata(keeper)
    clock.now += 900
    assert _metadata(keeper) == {'authorization': 'Bearer 1'}
    assert state.warning == warning
    clock.now += 101

    with pytest.raises(error) as raised:
        _metadata(keeper)

    assert warning.endswith(str(raised.value))
    source.next = [Token('Bearer 2', clock.now + 1000)]
    clock.now += 60
    assert _metadata(keeper) == {'authorization': 'Bearer 2'}
    assert state.warning == ''


def test_given_failures_then_the_pauses_grow_and_changed_credentials_end_them(source, clock, files):
    keeper, _ = _keeper()
    source.next = [Token(problem='no')]
    tried = []
    for _ in range(120):
        with pytest.raises(Refused):
            _metadata(keeper)
        if len(source.asked) > len(tried):
            tried.append(clock.now)
        clock.now += 1
    pauses = [after - before for before, after in itertools.pairwise(tried)]
    assert pauses[0] <= 2
    assert 15 <= pauses[-1] <= 31
    source.next = [Token('Bearer 2', clock.now + 1000)]
    _credentials(files, private_key='new')

    assert _metadata(keeper) == {'authorization': 'Bearer 2'}
    assert source.asked[-1] == {'private_key': 'new'}


def test_given_a_problem_that_quotes_a_credential_then_it_is_hidden(source, files):
    _credentials(files, private_key='line-one\nline-two')
    source.next = [Token(problem='is refused (bad line-two)')]

    with pytest.raises(Refused, match=r'\(bad \*\*\*\)'):
        _metadata(_keeper()[0])


@pytest.mark.parametrize(
    ('provider', 'which'),
    [('token', 'the token'), ('google', "Google's token"), ('candid', "candid's macaroon")],
)
def test_given_a_token_that_the_server_refuses_then_it_is_named_and_after_a_while_another_is_got(
    source, clock, provider, which
):
    keeper, _ = _keeper(provider)
    source.next = [Token('1', clock.now + 1000), Token('2', clock.now + 1000)]
    _metadata(keeper)
    sentence = f'h:1 refuses {which} of secret:{SECRET} (auth-secret-id): juju update-secret takes another'
    assert keeper.refused() == (sentence, True)
    assert _metadata(keeper) == {'authorization': '1'}
    clock.now += 31
    assert keeper.refused() == (sentence, True)

    # The operator's own can only be had from the operator.
    assert _metadata(keeper) == {'authorization': '1' if provider == 'token' else '2'}


def test_given_a_token_that_has_expired_then_the_refusal_says_so(source, clock):
    keeper, _ = _keeper('token')
    source.next = [Token('1', clock.now - 1)]
    _metadata(keeper)

    assert ', which has expired: ' in keeper.refused()[0]


@pytest.mark.parametrize(
    ('failed', 'refused'),
    [
        (Token(problem='u to answer', passing=True), ('u to answer', False)),
        (Token(problem='is refused by u'), (f'auth-secret-id: secret:{SECRET} is refused by u', True)),
    ],
)
def test_given_a_token_that_has_expired_for_want_of_another_then_the_refusal_says_why(source, clock, failed, refused):
    keeper, _ = _keeper()
    source.next = [Token('1', clock.now + 100), failed]
    _metadata(keeper)
    clock.now += 99
    _metadata(keeper)
    clock.now += 2

    assert keeper.refused() == refused


def test_given_a_client_then_it_gets_new_mappings_and_keeps_the_old_one_while_there_is_no_other(
    source, files, monkeypatch
):
    monkeypatch.setattr(authentication, '_LOOK_EVERY', 0.001)
    keeper, state = _keeper()

    async def scenario() -> None:
        first = await keeper.metadata()
        client = SimpleNamespace(rpc_metadata=first)
        source.next = [Token(problem='no')]
        _credentials(files, private_key='wrong')
        keeping = asyncio.create_task(keeper.keep(client))  # type: ignore[arg-type]
        await until(lambda: state.warning)
        assert client.rpc_metadata is first
        source.next = [Token('Bearer 2', time.time() + 1000)]
        _credentials(files, private_key='right')
        await until(lambda: client.rpc_metadata != first)
        assert client.rpc_metadata == {'authorization': 'Bearer 2'}
        assert first == {'authorization': 'Bearer 1'}
        keeping.cancel()

    asyncio.run(scenario())


def test_given_google_then_its_token_is_got_in_a_process_of_its_own(files):
    with Google(lambda _: 'a-token') as google:
        _credentials(files, **google.account)

        assert _metadata(_keeper()[0]) == {'authorization': 'Bearer a-token'}


@pytest.mark.parametrize(
    ('code', 'patience', 'problem'),
    [
        (
            'import time; time.sleep(60)',
            0.2,
            Token(problem='a token, which google has not given within 0 s', passing=True),
        ),
        ('raise SystemExit("broken")', 60, Token(problem='could not be used (broken)')),
        ('', 60, Token(problem='could not be used (no message)')),
    ],
)
def test_given_a_process_that_gives_no_token_then_that_is_the_problem(tmp_path, monkeypatch, code, patience, problem):
    (tmp_path / 'loader').mkdir()
    (tmp_path / 'loader/__init__.py').touch()
    (tmp_path / 'loader/tokens.py').write_text(code)
    monkeypatch.setattr(authentication, '__file__', str(tmp_path / 'loader/authentication.py'))
    monkeypatch.setattr(authentication, '_PATIENCE', patience)

    assert asyncio.run(authentication._get('google', '{}')) == problem


def test_given_a_provider_then_there_is_somebody_who_gets_its_tokens():
    assert set(tokens.PROVIDERS) == {'token', 'google', 'candid'}
