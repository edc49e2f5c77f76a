"""What related applications are told, by whom, and what they go on with when something is wrong."""

from __future__ import annotations

import dataclasses

import ops
import pytest
from ops import testing
from temporal_charms.external_service import Service

from charm import ExternalServiceIntegratorCharm

APP, VALUE = 'mail', 'stand-in-password'
LOGIN = 'secret:9m4e2mr0ui3e8a215n4g'
URL = 'https://mail.example/api?v=1'
OPTIONS = {'url': URL, 'credentials': LOGIN}


@pytest.fixture
def ctx() -> testing.Context[ExternalServiceIntegratorCharm]:
    """Runs events on the charm."""
    return testing.Context(ExternalServiceIntegratorCharm, app_name=APP)


def _login(**content: str) -> testing.Secret:
    return testing.Secret(content or {'username': 'me', 'password': VALUE}, id=LOGIN)


def _state(**changes) -> testing.State:
    values = {
        'leader': True,
        'config': OPTIONS,
        'secrets': {_login()},
        'relations': [testing.Relation('external-service', remote_app_name='worker')],
    }
    return testing.State(**(values | changes))


def _told(state: testing.State) -> list[Service]:
    return [Service.load(relation.local_app_data) for relation in state.get_relations('external-service')]


def _own(state: testing.State) -> list[testing.Secret]:
    return [secret for secret in state.secrets if secret.owner == 'app']


def test_given_options_and_a_secret_then_the_leader_tells_all_and_hands_over_a_secret_of_its_own(ctx):
    relations = [testing.Relation('external-service', remote_app_name=app) for app in ('one', 'two')]

    out = ctx.run(ctx.on.config_changed(), _state(relations=relations))

    (own,) = _own(out)
    assert own.latest_content == {'username': 'me', 'password': VALUE}
    assert own.remote_grants == {relations[0].id: {'one'}, relations[1].id: {'two'}}
    assert _told(out) == [Service('mail', URL, own.id)] * 2
    assert out.unit_status == ops.ActiveStatus()
    assert VALUE not in str([relation.local_app_data for relation in out.relations])
    assert not [line for line in ctx.juju_log if VALUE in line.message]


def test_given_another_unit_than_the_leader_then_it_tells_nothing(ctx):
    out = ctx.run(ctx.on.config_changed(), _state(leader=False))

    assert _told(out) == [Service()]
    assert (_own(out), out.unit_status) == ([], ops.ActiveStatus())


def test_given_no_credentials_then_name_and_url_are_told(ctx):
    out = ctx.run(ctx.on.config_changed(), _state(config={'url': 'http://10.0.0.1:8080', 'name': 'Events-1'}))

    assert _told(out) == [Service('Events-1', 'http://10.0.0.1:8080')]
    assert _own(out) == []


@pytest.mark.parametrize('event', ['update_status', 'leader_elected'])
def test_given_all_told_when_nothing_has_changed_then_nothing_is_written(ctx, event, monkeypatch):
    first = ctx.run(ctx.on.config_changed(), _state())
    written: list[str] = []
    for name in ('secret_set', 'secret_add', 'secret_grant', 'relation_set'):
        monkeypatch.setattr(f'scenario.mocking._MockModelBackend.{name}', lambda *_, **__: written.append('something'))

    second = ctx.run(getattr(ctx.on, event)(), first)

    assert _told(second) == _told(first)
    assert written == []


def test_given_a_secret_when_it_rotates_then_the_own_one_follows(ctx):
    first = ctx.run(ctx.on.config_changed(), _state())
    rotated = testing.Secret(
        {'username': 'me', 'password': VALUE}, latest_content={'username': 'me', 'password': 'new'}, id=LOGIN
    )

    out = ctx.run(ctx.on.secret_changed(rotated), dataclasses.replace(first, secrets={rotated, *_own(first)}))

    assert [secret.latest_content for secret in _own(out)] == [{'username': 'me', 'password': 'new'}]
    assert _told(out) == _told(first)


@pytest.mark.parametrize('options', [OPTIONS, {'url': URL}])
def test_given_a_secret_when_it_changes_then_its_newest_revision_is_taken_up_whatever_the_options_name(ctx, options):
    rotated = testing.Secret({'username': 'me'}, latest_content={'username': 'you'}, id=LOGIN)

    out = ctx.run(ctx.on.secret_changed(rotated), _state(config=options, secrets={rotated}))

    # Its earlier revisions may be removed now.
    assert out.get_secret(id=LOGIN).tracked_content == {'username': 'you'}


def test_given_a_secret_that_changed_when_it_can_no_longer_be_read_then_the_status_says_so(ctx, monkeypatch):
    def gone(*_: object, **__: object) -> None:
        raise ops.SecretNotFoundError('not found')

    monkeypatch.setattr('scenario.mocking._MockModelBackend.secret_get', gone)

    out = ctx.run(ctx.on.secret_changed(_login()), _state())

    assert out.unit_status.message.startswith('credentials: secret:9m4e2mr0ui3e8a215n4g is not there, or not granted')


def test_given_a_revision_that_nobody_reads_then_it_is_removed(ctx):
    first = ctx.run(ctx.on.config_changed(), _state())
    (own,) = _own(first)

    # Every secret of ops.testing is at revision 1, which may not be removed.
    ctx.run(ctx.on.secret_remove(own, revision=7), first)

    assert ctx.removed_secret_revisions == [7]


def test_given_a_revision_that_nobody_reads_when_the_leader_was_deposed_then_it_is_left_to_the_next_one(ctx):
    first = ctx.run(ctx.on.config_changed(), _state())
    (own,) = _own(first)

    ctx.run(ctx.on.secret_remove(own, revision=7), dataclasses.replace(first, leader=False))

    assert ctx.removed_secret_revisions == []


def test_given_credentials_when_they_are_taken_away_then_the_own_secret_goes(ctx):
    first = ctx.run(ctx.on.config_changed(), _state())

    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, config={'url': URL}))

    assert (_told(out), _own(out)) == ([Service('mail', URL)], [])


def test_given_a_relation_that_comes_later_then_it_is_granted_the_same_secret(ctx):
    first = ctx.run(ctx.on.config_changed(), _state(relations=[]))
    later = testing.Relation('external-service', remote_app_name='later')

    out = ctx.run(ctx.on.relation_created(later), dataclasses.replace(first, relations=[later]))

    (own,) = _own(out)
    assert own.remote_grants == {later.id: {'later'}}
    assert _told(out) == [Service('mail', URL, own.id)]


@pytest.mark.parametrize(
    'url',
    [
        'amqp://a.example:5672,b.example:5672/vhost',
        'https://[2001:db8::1]:8443/',
        'https://mail.example/@scope/package?to=a@b',
        'https://müller.example',
    ],
)
def test_given_an_address_of_another_shape_then_it_is_told_as_it_is(ctx, url):
    out = ctx.run(ctx.on.config_changed(), _state(config={'url': url}))

    assert [service.url for service in _told(out)] == [url]


NAME = 'name must be up to 63 letters, digits and -, beginning with a letter: juju config mail name=NAME'
ODD = (
    'url must be like https://HOST/PATH, without user and password (these go into credentials): '
    'juju config mail url=https://...'
)
GRANT = 'mend credentials, or juju grant-secret 9m4e2mr0ui3e8a215n4g mail'


@pytest.mark.parametrize(
    ('changes', 'sentence'),
    [
        ({'config': {**OPTIONS, 'name': '1st'}}, NAME),
        ({'config': {**OPTIONS, 'name': 'my mail'}}, NAME),
        ({'config': {**OPTIONS, 'name': 'm' * 64}}, NAME),
        ({'config': {'credentials': LOGIN}}, 'no url: juju config mail url=https://...'),
        ({'config': {'url': 'mail.example'}}, ODD),
        ({'config': {'url': f'https://me:{VALUE}@mail.example'}}, ODD),
        ({'config': {'url': 'https://me:aB/c+d@mail.example/api'}}, ODD),
        ({'config': {'url': 'https://mail.example:http/'}}, ODD),
        ({'config': {'url': 'https://mail.example/\x00'}}, ODD),
        ({'config': {'url': 'https://mail.example/a b'}}, ODD),
        (
            {'secrets': set()},
            f'credentials: secret:9m4e2mr0ui3e8a215n4g is not there, or not granted: {GRANT}',
        ),
        (
            {'secrets': {_login(url='x')}},
            'credentials: secret:9m4e2mr0ui3e8a215n4g has a key url, which is the option: take it out there',
        ),
        (
            {'secrets': {_login(pw='x')}},
            'credentials: secret:9m4e2mr0ui3e8a215n4g has a key pw, which Juju does not let charms use (three or more '
            'of a-z, 0-9 and -, beginning with a letter): give it another name there',
        ),
        (
            {'secrets': {_login(token='a\0b')}},
            'credentials: secret:9m4e2mr0ui3e8a215n4g has binary data under token: mend the secret',
        ),
        (
            {'secrets': {_login(token='caf\ufffd')}},
            'credentials: secret:9m4e2mr0ui3e8a215n4g has binary data under token: mend the secret',
        ),
    ],
)
def test_given_something_wrong_then_the_status_says_what_to_do_and_what_was_told_stays(ctx, changes, sentence):
    fresh = ctx.run(ctx.on.config_changed(), _state(**changes))
    assert fresh.unit_status == ops.BlockedStatus(sentence)
    assert (_told(fresh), VALUE in sentence) == ([Service()], False)

    first = ctx.run(ctx.on.config_changed(), _state())
    changed = {**changes, 'secrets': {*changes.get('secrets', {_login()}), *_own(first)}}
    out = ctx.run(ctx.on.config_changed(), dataclasses.replace(first, **changed))

    assert (out.unit_status, _told(out)) == (ops.BlockedStatus(sentence), _told(first))
    assert len(_own(out)) == 1
