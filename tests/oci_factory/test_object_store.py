"""The object store and Keystone: what the activities rest on is tested on the stand-ins and on OpenStack's own alike.

So it shows of both that the activities can read from them, and of the stand-ins that they answer as OpenStack does.
"""

from __future__ import annotations

import dataclasses
import datetime
import fnmatch
import functools
import itertools
from collections.abc import Callable, Iterator, Mapping

import expected
import generator
import httpx
import pytest
import yaml
from acting import fail, failure, run
from development import Temporal
from oci_factory import activities, mendable, swift
from openstack import Login, OpenStack
from served import SEED
from stand_ins import stores
from stand_ins.server import Server
from store_container import PASSWORD, StoreContainer
from test_secrets import everything

WORLD = generator.make(SEED)
BIG = max(WORLD.releases, key=lambda image: sum(name.startswith(f'{image}/') for name in WORLD.objects))
"""The image with most stored objects, which take several pages."""

SOME = 'm*'
"""Images that a rebuild is tested with; some of them are rebuilt."""

BIGS = {name: content for name, content in WORLD.objects.items() if name.startswith(f'{BIG}/')}
OTHERS = {name: content for name, content in WORLD.objects.items() if name.startswith((SOME.rstrip('*'), 'valkey/'))}
REVISIONS = list(range(1, 10000))
MEMBER = Login('factory', stores.PASSWORD, 'rocks')
READER = Login('reader', 'reader-password-which-nobody-may-see', 'rocks')
STRANGER = Login('stranger', 'stranger-password-which-nobody-may-see', 'others')
LARGE = {f'large/1-24.04/{number}/build_metadata.json': '{"base": "ubuntu:24.04"}' for number in range(1, 301)}


def real_only(test: Callable[..., None]) -> Callable[..., None]:
    """Mark a test of what only OpenStack has."""
    return pytest.mark.lab(pytest.mark.soak(test))


@dataclasses.dataclass(frozen=True)
class Place:
    """An object store with its Keystone.

    Attributes:
        account: URL below which its containers are: `private` for those who may read it, `builds` for everybody.
        keystone: URL, with its version.
        revoke: makes the tokens end that somebody has.
    """

    account: str
    keystone: str
    revoke: Callable[[], None]

    def environment(self, login: Login = MEMBER) -> dict[str, str]:
        """What the activities need to read what is closed."""
        return {**login.environment(self.keystone), 'OCI_FACTORY_BUILDS': f'{self.account}/private'}

    def token(self, login: Login = MEMBER) -> httpx.Response:
        """Keystone's answer to a password."""
        domain = {'name': 'Default'}
        user = {'name': login.user, 'domain': domain, 'password': login.password}
        scope = {'project': {'name': login.project, 'domain': domain}}
        identity = {'methods': ['password'], 'password': {'user': user}}
        return httpx.post(f'{self.keystone}/auth/tokens', json={'auth': {'identity': identity, 'scope': scope}})

    def get(self, path: str, token: str = '', **query: object) -> httpx.Response:
        """What is answered to a GET below the account."""
        headers = {'X-Auth-Token': token} if token else {}
        return httpx.get(f'{self.account}/{path}', headers=headers, params={k: str(v) for k, v in query.items()})


@pytest.fixture(scope='module')
def container() -> Iterator[StoreContainer]:
    """Swift and Keystone, empty."""
    with StoreContainer(listing_limit=stores.OBJECTS_PER_PAGE) as container:
        yield container


@pytest.fixture(scope='module')
def openstack(container: StoreContainer) -> OpenStack:
    """Their administrator, who has put users into the one, and what the tests read into the other."""
    administrator = OpenStack(container.swift, container.keystone, PASSWORD)
    for login, role in ((MEMBER, 'member'), (READER, 'reader'), (STRANGER, 'member')):
        administrator.add_user(login, role)
    administrator.fill('private', MEMBER, {**BIGS, **OTHERS})
    administrator.fill('builds', MEMBER, BIGS, public=True)
    return administrator


@pytest.fixture
def stand_ins(environment: Server) -> Place:
    """The stand-ins."""
    # Its token is always the same, and is refused twice.
    revoke = functools.partial(fail, environment, 401, match='/private?', times=2)
    return Place(environment.url, f'{environment.url}/identity/v3', revoke)


@pytest.fixture
def real(environment: Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """OpenStack, known to the activities; everything else is the stand-ins'."""
    openstack = request.getfixturevalue('openstack')
    revoke = functools.partial(openstack.revoke, MEMBER)
    place = Place(openstack.account(MEMBER.project), openstack.keystone, revoke)
    _tell(monkeypatch, place.environment())
    return place


@pytest.fixture(params=['stand_ins', pytest.param('real', marks=(pytest.mark.lab, pytest.mark.soak))])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Either, known to the activities."""
    place = request.getfixturevalue(request.param)
    _tell(monkeypatch, place.environment())
    return place


def _tell(monkeypatch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)


def stored(image: str) -> set[str]:
    """TRACK/REVISION of each of an image's metadata."""
    names = [name.split('/') for name in WORLD.objects if name.startswith(f'{image}/')]
    return {f'{name[1]}/{name[2]}' for name in names if name[-1] == 'build_metadata.json'}


def test_keystone_gives_a_token_for_a_password(place: Place) -> None:
    given = place.token()
    assert given.status_code == 201 and given.headers['X-Subject-Token']
    assert {'methods', 'expires_at', 'catalog'} <= given.json()['token'].keys()


@pytest.mark.parametrize('wrong', [{'user': 'nobody'}, {'password': 'wrong'}, {'project': 'nowhere'}])
def test_keystone_gives_none_for_what_is_wrong(place: Place, wrong: dict[str, str]) -> None:
    refused = place.token(dataclasses.replace(MEMBER, **wrong))
    assert refused.status_code == 401 and 'X-Subject-Token' not in refused.headers
    assert refused.json()['error']['code'] == 401


def test_a_listing_comes_in_pages(place: Place) -> None:
    whole = [{'name': name, 'bytes': len(content)} for name, content in sorted(BIGS.items())]
    pages, marker = [], ''
    while not pages or pages[-1]:
        answer = place.get('builds', format='json', prefix=f'{BIG}/', marker=marker)
        assert answer.status_code == 200
        pages.append([{key: entry[key] for key in ('name', 'bytes')} for entry in answer.json()])
        marker = pages[-1][-1]['name'] if pages[-1] else marker
    assert list(itertools.chain(*pages)) == whole
    assert [len(page) for page in pages[:-2]] == [stores.OBJECTS_PER_PAGE] * (len(pages) - 2)
    assert len(pages) > 3


@pytest.mark.parametrize(
    ('query', 'status', 'names'),
    [
        ({'limit': 3}, 200, sorted(BIGS)[:3]),
        ({'limit': 0}, 200, []),
        ({'limit': stores.OBJECTS_PER_PAGE}, 200, sorted(BIGS)[: stores.OBJECTS_PER_PAGE]),
        ({'limit': stores.OBJECTS_PER_PAGE + 1}, 412, None),
        ({'marker': sorted(BIGS)[3]}, 200, sorted(BIGS)[4 : 4 + stores.OBJECTS_PER_PAGE]),
        # A marker is a place in the order, not an object.
        ({'marker': f'{sorted(BIGS)[3]}/', 'limit': 1}, 200, sorted(BIGS)[4:5]),
        ({'prefix': 'nothing/'}, 200, []),
    ],
)
def test_what_a_listing_is_asked_for(
    place: Place, query: dict[str, object], status: int, names: list[str] | None
) -> None:
    answer = place.get('builds', **{'format': 'json', 'prefix': f'{BIG}/', **query})
    assert answer.status_code == status
    assert names is None or [entry['name'] for entry in answer.json()] == names


def test_a_listing_as_text(place: Place) -> None:
    assert place.get('builds', prefix=f'{BIG}/', limit=2).text.split() == sorted(BIGS)[:2]
    assert place.get('builds', prefix='nothing/').status_code == 204


def test_objects(place: Place) -> None:
    name, content = next(iter(BIGS.items()))
    assert (place.get(f'builds/{name}').status_code, place.get(f'builds/{name}').text) == (200, content)
    assert place.get(f'builds/{name}.missing').status_code == 404


def test_who_may_read_what_is_closed(place: Place) -> None:
    name, content = next(iter(BIGS.items()))
    token = place.token().headers['X-Subject-Token']
    assert place.get('private', token, limit=1).status_code == 200
    assert place.get(f'private/{name}', token).text == content
    for path in ('private', f'private/{name}', 'private/missing'):
        assert [place.get(path, token).status_code for token in ('', 'made-up')] == [401, 401]
    assert place.get(f'private/{name}.missing', token).status_code == 404
    assert place.get('missing', token).status_code == 404


@pytest.mark.parametrize('image', [BIG, generator.ODD, 'valkey', 'vault'])
def test_build_metadata(place: Place, environment: Server, monkeypatch: pytest.MonkeyPatch, image: str) -> None:
    found = run(activities.read_build_metadata, image, REVISIONS)
    assert set(found) == stored(image)
    # What is in them is what test_activities.py says of the stand-ins.
    monkeypatch.delenv('OS_AUTH_URL')
    monkeypatch.setenv('OCI_FACTORY_BUILDS', f'{environment.url}/builds')
    assert run(activities.read_build_metadata, image, REVISIONS) == found


def test_build_metadata_for_everybody(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv('OS_AUTH_URL')
    monkeypatch.setenv('OCI_FACTORY_BUILDS', f'{place.account}/builds')
    assert set(run(activities.read_build_metadata, BIG, REVISIONS)) == stored(BIG)


def test_a_token_that_ends_within_a_listing(place: Place) -> None:
    beats = itertools.count()
    another = place.token().headers['X-Subject-Token']

    def revoke(*_: object) -> None:
        if next(beats) == 0:
            place.revoke()
            assert place.get('private', another).status_code == 401

    assert set(run(activities.read_build_metadata, BIG, REVISIONS, on_heartbeat=revoke)) == stored(BIG)
    assert next(beats) > len(stored(BIG))


@pytest.mark.parametrize(
    ('changed', 'said'),
    [
        ({'OS_PASSWORD': 'WrongPassword'}, 'Keystone refuses the user: check OS_USERNAME, OS_PASSWORD'),
        ({'OS_USERNAME': 'nobody'}, 'Keystone refuses the user: check OS_USERNAME, OS_PASSWORD'),
        ({'OS_PROJECT_NAME': 'nowhere'}, 'Keystone refuses the user: check OS_USERNAME, OS_PASSWORD, OS_PROJECT_NAME'),
        ({'OS_USER_DOMAIN_NAME': 'Other'}, 'and the domains'),
        ({'OS_PROJECT_DOMAIN_NAME': 'Other'}, 'and the domains'),
        ({'OS_AUTH_URL': ''}, '401; check OCI_FACTORY_BUILDS, and that the container is public'),
        ({'OS_AUTH_URL': '{keystone}/elsewhere'}, 'Keystone: 404; check OS_AUTH_URL'),
        ({'OCI_FACTORY_BUILDS': '{account}/missing'}, '/missing: 404; check OCI_FACTORY_BUILDS'),
    ],
)
def test_what_a_person_has_to_mend(
    place: Place, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], said: str
) -> None:
    filled = {name: value.format(**vars(place)) for name, value in changed.items()}
    _tell(monkeypatch, filled)
    error = failure(activities.read_build_metadata, BIG, REVISIONS)
    # What is refused is waited for; what is not there is final.
    assert error.non_retryable == ('404' in said) and said in error.message
    assert error.non_retryable or error.type == mendable.UNAUTHORISED
    for secret in ('WrongPassword', MEMBER.password):
        assert secret not in everything(error)


@real_only
def test_a_user_who_may_only_read(real: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _tell(monkeypatch, real.environment(READER))
    assert set(run(activities.read_build_metadata, BIG, REVISIONS)) == stored(BIG)


@real_only
def test_a_user_of_others(real: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    _tell(monkeypatch, real.environment(STRANGER))
    error = failure(activities.read_build_metadata, BIG, REVISIONS)
    assert error.type == mendable.UNAUTHORISED and not error.non_retryable
    assert '/private: 403; check OCI_FACTORY_BUILDS, and that the container is public or' in error.message


@real_only
@pytest.mark.parametrize(('path', 'status'), [('private', 412), ('v1/private', 403), ('v2/A/private', 400)])
def test_a_url_that_is_no_containers(
    real: Place, container: StoreContainer, monkeypatch: pytest.MonkeyPatch, path: str, status: int
) -> None:
    monkeypatch.setenv('OCI_FACTORY_BUILDS', f'{container.swift}/{path}')
    error = failure(activities.read_build_metadata, BIG, REVISIONS)
    assert error.non_retryable == (status != 403) and f'{status}; check OCI_FACTORY_BUILDS' in error.message


@real_only
def test_a_listing_of_many_pages(real: Place, openstack: OpenStack, monkeypatch: pytest.MonkeyPatch) -> None:
    openstack.fill('large', MEMBER, LARGE)
    monkeypatch.setenv('OCI_FACTORY_BUILDS', f'{real.account}/large')
    beats: list[tuple[object, ...]] = []
    found = run(activities.read_build_metadata, 'large', [1, 150, 300], on_heartbeat=lambda *args: beats.append(args))
    assert set(found) == {'1-24.04/1', '1-24.04/150', '1-24.04/300'}
    assert len(beats) > len(LARGE) / stores.OBJECTS_PER_PAGE


@real_only
@pytest.mark.parametrize('kind', ['container', 'object'])
def test_a_storage_server_that_hangs(real: Place, container: StoreContainer, kind: str) -> None:
    with container.hanging(kind):
        error = failure(activities.read_build_metadata, BIG, REVISIONS)
    assert not error.non_retryable and error.type == 'ServerError' and ': 503' in error.message
    assert set(run(activities.read_build_metadata, BIG, REVISIONS)) == stored(BIG)


@real_only
def test_a_swift_that_hangs(real: Place, container: StoreContainer, monkeypatch: pytest.MonkeyPatch) -> None:
    with container.hanging('proxy'), monkeypatch.context() as patience:
        patience.setattr(swift, 'TIMEOUT', 2)
        error = failure(activities.read_build_metadata, BIG, REVISIONS)
    assert not error.non_retryable and error.type == 'NoAnswer'
    assert set(run(activities.read_build_metadata, BIG, REVISIONS)) == stored(BIG)


@real_only
@pytest.mark.timeout(900)
def test_a_rebuild_waits_while_all_is_stopped(real: Place, container: StoreContainer, temporal: Temporal) -> None:
    container.stop()
    handle = temporal.start('24.04', SOME, True)
    error = failure(activities.read_build_metadata, BIG, REVISIONS)
    assert not error.non_retryable and error.message.startswith('Keystone: no answer')
    container.start()
    report = temporal.wait(handle.result(), 300)

    now = datetime.datetime.now(datetime.UTC)
    images = fnmatch.filter(WORLD.releases, SOME)
    wanted = {image: expected.rebuild(WORLD, image, '24.04', now)[0] for image in images}
    assert {one.image for one in report.images} == set(images)
    assert not [one.error for one in report.images if one.error]
    assert {one.image: yaml.safe_load(one.trigger) for one in report.images if one.trigger} == {
        image: content for image, content in wanted.items() if content['upload']
    }


@real_only
def test_no_log_of_swift_has_a_password(real: Place, container: StoreContainer) -> None:
    run(activities.read_build_metadata, BIG, REVISIONS)
    log = container.log()
    assert 'python-swiftclient' in log
    assert MEMBER.password not in log
