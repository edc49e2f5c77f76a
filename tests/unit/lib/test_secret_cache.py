"""The memory of secrets: what is read again, what is not, and where there is none."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from unittest import mock

import ops
import pytest
from ops import pebble, testing
from temporal_charms.secret_cache import SecretCache

URI, SAME = 'secret://98a24ed5-e0ec-4df2-8fcb-eba54813c82b/9m4e2mr0ui3e8a215n4g', 'secret:9m4e2mr0ui3e8a215n4g'

GONE = [
    ops.SecretNotFoundError('not found'),
    ops.ModelError('ERROR permission denied'),
    ops.ModelError('ERROR "app/0" is not allowed to read this secret'),
]
"""What Juju says of a secret that was removed or revoked, in its versions."""


class Charm(ops.CharmBase):
    """A charm that does nothing by itself."""


@pytest.fixture
def cache(tmp_path: pathlib.Path):
    """Makes the cache that each hook makes anew, over one container."""
    ctx = testing.Context(Charm, meta={'name': 'c', 'containers': {'c': {}}})
    mounts = {'disk': testing.Mount(location='/etc/x', source=tmp_path)}
    state = testing.State(containers={testing.Container('c', can_connect=True, mounts=mounts)})
    with ctx(ctx.on.update_status(), state) as manager:
        container = manager.charm.unit.get_container('c')
        yield lambda: SecretCache(container, '/etc/x/secrets.json')


def _reader(*contents: str) -> Callable[[], dict[str, str]]:
    remaining = iter(contents)
    return lambda: {'password': next(remaining)}


def test_given_a_secret_when_read_in_two_hooks_then_juju_is_asked_once(cache, tmp_path):
    reader = _reader('hush')

    assert cache().get(URI, reader) == cache().get(SAME, reader) == {'password': 'hush'}
    assert (tmp_path / 'secrets.json').stat().st_mode & 0o777 == 0o600


def test_given_a_new_revision_when_put_then_it_is_what_the_next_hook_reads(cache):
    cache().get(URI, _reader('old'))
    cache().put(SAME, {'password': 'new'})

    assert cache().get(URI, _reader()) == {'password': 'new'}


def test_given_a_secret_when_forgotten_then_it_is_read_again(cache):
    cache().get(URI, _reader('old'))
    cache().forget(URI)
    cache().forget('secret:unknown')

    assert cache().get(URI, _reader('new')) == {'password': 'new'}


@pytest.mark.parametrize('error', GONE)
def test_given_a_secret_that_has_gone_when_refreshed_then_it_is_forgotten(cache, error):
    secret = mock.Mock(spec=ops.Secret, id=SAME)
    secret.get_content.side_effect = error
    cache().get(URI, _reader('old'))

    cache().refresh(secret)

    assert cache().get(URI, _reader('new')) == {'password': 'new'}


def test_given_a_secret_that_juju_cannot_read_now_when_refreshed_then_what_is_known_stays_and_the_error_is_raised(
    cache,
):
    secret = mock.Mock(spec=ops.Secret, id=SAME)
    secret.get_content.side_effect = ops.ModelError('ERROR connection is shut down')
    cache().get(URI, _reader('old'))

    with pytest.raises(ops.ModelError):
        cache().refresh(secret)

    assert cache().get(URI, _reader()) == {'password': 'old'}


def test_given_no_container_when_read_then_every_hook_asks_juju(cache, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise pebble.ConnectionError('not started')

    monkeypatch.setattr(ops.Container, 'pull', fail)
    monkeypatch.setattr(ops.Container, 'push', fail)
    reader = _reader('one', 'two')

    assert [cache().get(URI, reader)['password'] for _ in range(2)] == ['one', 'two']


def test_given_a_secret_when_it_is_read_anew_then_juju_is_asked_and_the_answer_remembered(cache):
    cache().get(URI, _reader('old'))

    assert cache().get(URI, _reader('new'), anew=True) == {'password': 'new'}
    assert cache().get(URI, _reader()) == {'password': 'new'}


@pytest.mark.parametrize('error', GONE)
def test_given_a_secret_that_is_gone_when_it_is_read_anew_then_it_is_forgotten(cache, error):
    def refuse() -> dict[str, str]:
        raise error

    cache().get(URI, _reader('old'))

    with pytest.raises(ops.ModelError):
        cache().get(URI, refuse, anew=True)
    assert cache().get(URI, _reader('granted again')) == {'password': 'granted again'}


def test_given_juju_that_does_not_answer_when_a_secret_is_read_anew_then_what_is_known_holds(cache):
    def fail() -> dict[str, str]:
        raise ops.ModelError('ERROR connection is shut down')

    cache().get(URI, _reader('old'))

    assert cache().get(URI, fail, anew=True) == {'password': 'old'}
    cache().forget(URI)
    with pytest.raises(ops.ModelError):
        cache().get(URI, fail, anew=True)
