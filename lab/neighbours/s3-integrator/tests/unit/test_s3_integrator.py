"""What clients of S3 are told, in the present version of the interface and in the former one."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import ops
import pytest
from ops import testing

import charm
import relations
import store
from charm import S3IntegratorCharm

LOGIN = 'secret:9m4e2mr0ui3e8a215n4g'
KEYS = {'access-key': 'AK', 'secret-key': 'hush-hush'}
OPTIONS = {'credentials': LOGIN}
PRESENT = {'bucket': 'm-worker', 'version': '1', 'requested-secrets': json.dumps(list(KEYS))}
ENDPOINT = 'http://s3-integrator.m.svc.cluster.local:9000'


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The buckets that the store was given; it answers."""
    buckets: list[str] = []
    with socket.create_server(('127.0.0.1', 0)) as listening:
        monkeypatch.setattr(store, 'PORT', listening.getsockname()[1])
        monkeypatch.setattr(charm, 'ensure_bucket', lambda _, name: buckets.append(name))
        yield buckets


@pytest.fixture
def ctx() -> testing.Context[S3IntegratorCharm]:
    """Runs events on the charm."""
    return testing.Context(S3IntegratorCharm)


def _login(**content: str) -> testing.Secret:
    return testing.Secret(content or KEYS, id=LOGIN)


def _state(*clients: testing.Relation, options: dict | None = None, **changes) -> testing.State:
    container = testing.Container('minio', can_connect=True, execs={testing.Exec(['install'])})
    values = {
        'leader': True,
        'config': OPTIONS | (options or {}),
        'containers': {container},
        'relations': clients,
        'secrets': {_login()},
        'model': testing.Model('m'),
    }
    return testing.State(**(values | changes))


def _client(asked: dict[str, str] | None = None, **more: str) -> testing.Relation:
    return testing.Relation('s3-credentials', 's3', remote_app_name='worker', remote_app_data=(asked or PRESENT) | more)


def _told(state: testing.State, relation: testing.Relation) -> dict[str, str]:
    return dict(state.get_relation(relation.id).local_app_data)


def _own(state: testing.State) -> list[testing.Secret]:
    return [secret for secret in state.secrets if secret.owner == 'app']


def test_given_a_client_then_its_bucket_is_made_and_it_is_told_by_a_secret(ctx, made):
    client = _client(path='backups/')

    out = ctx.run(ctx.on.relation_changed(client), _state(client))

    (own,) = _own(out)
    assert made == ['m-worker']
    assert _told(out, client) == {
        'bucket': 'm-worker',
        'endpoint': ENDPOINT,
        'path': 'backups/',
        'version': '1',
        'secret-extra': own.id,
    }
    assert (own.latest_content, own.remote_grants) == (KEYS, {client.id: {'worker'}})
    assert (out.unit_status, out.opened_ports) == (ops.ActiveStatus(), {testing.TCPPort(9000)})


def test_given_options_then_they_are_told_and_are_stronger_than_what_is_asked_for(ctx, made):
    options = {
        'bucket': 'everybodys',
        'path': 'p/',
        'region': 'eu-1',
        'attributes': 'x-a: 1,x-b: 2',
        'storage-class': 'STANDARD',
        's3-uri-style': 'path',
        's3-api-version': '4',
    }
    client = _client(path='own/')

    out = ctx.run(ctx.on.config_changed(), _state(client, options=options))

    told = _told(out, client)
    assert made == ['everybodys']
    assert {key: told[key] for key in options} == options
    layer = out.get_container('minio').plan.services['minio']
    assert layer.environment['MINIO_SITE_REGION'] == 'eu-1'


def test_given_a_client_of_the_former_version_then_its_bucket_is_not_meant_and_it_is_told_in_clear(ctx, made):
    client = _client({'bucket': 'relation-7'})

    out = ctx.run(ctx.on.relation_changed(client), _state(client))

    assert made == []
    assert _told(out, client) == {'endpoint': ENDPOINT, 'version': '1', **KEYS}


def test_given_that_it_is_to_answer_as_the_former_version_then_it_does(ctx, made):
    options = {'lab-former': True, 'attributes': 'x-a: 1,x-b: 2'}
    client = _client(path='own/')

    out = ctx.run(ctx.on.relation_changed(client), _state(client, options=options))

    assert made == []
    assert _told(out, client) == {
        'bucket': 'm-worker',
        'endpoint': ENDPOINT,
        'attributes': '["x-a: 1", "x-b: 2"]',
        **KEYS,
    }


def test_given_the_former_answer_when_it_is_to_be_the_present_one_then_the_keys_are_no_longer_told_in_clear(ctx, made):
    client = _client()
    former = ctx.run(ctx.on.relation_changed(client), _state(client, options={'lab-former': True}))

    out = ctx.run(ctx.on.config_changed(), _state(former.get_relation(client.id)))

    assert sorted(_told(out, client)) == ['bucket', 'endpoint', 'secret-extra', 'version']


def test_given_the_operators_secret_when_it_changes_then_store_and_clients_have_the_new_one(ctx, made):
    client = _client()
    first = ctx.run(ctx.on.relation_changed(client), _state(client))
    keys = {**KEYS, 'secret-key': 'other-hush'}
    changed = testing.Secret(KEYS, latest_content=keys, id=LOGIN)
    state = _state(first.get_relation(client.id), secrets={changed, *_own(first)}, containers=first.containers)

    out = ctx.run(ctx.on.secret_changed(changed), state)

    (own,) = _own(out)
    assert own.latest_content == keys
    container = out.get_container('minio')
    assert (container.get_filesystem(ctx) / 'etc/minio/password').read_text() == 'other-hush'
    assert container.plan != first.get_container('minio').plan
    assert 'hush' not in str(container.plan)


def test_given_a_client_that_has_not_asked_then_it_is_told_the_version_only(ctx, made):
    client = testing.Relation('s3-credentials', 's3')

    out = ctx.run(ctx.on.relation_created(client), _state(client))

    assert _told(out, client) == {'version': '1'}


def test_given_a_name_that_no_bucket_can_have_then_the_status_says_so_and_the_others_are_served(ctx, made):
    wrong, right = _client(bucket='a.b'), _client()

    out = ctx.run(ctx.on.config_changed(), _state(wrong, right))

    assert made == ['m-worker']
    assert 'bucket' not in _told(out, wrong)
    assert out.unit_status == ops.BlockedStatus('Invalid name for bucket(s): a.b')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'config': {}}, "Missing config(s): 'credentials'"),
        ({'secrets': set()}, f"The secret '{LOGIN}' does not exist"),
        (
            {'secrets': {_login(**{'access-key': 'AK'})}},
            f"The secret '{LOGIN}' is missing mandatory field(s): secret-key",
        ),
    ],
)
def test_given_no_credentials_then_the_status_says_so_and_clients_wait(ctx, made, changes, message):
    client = _client()

    out = ctx.run(ctx.on.relation_changed(client), _state(client, **changes))

    assert out.unit_status == ops.BlockedStatus(message)
    assert _told(out, client) == {'version': '1'}


def test_given_another_unit_then_it_says_that_there_is_one_only(made):
    ctx = testing.Context(S3IntegratorCharm, unit_id=1)

    out = ctx.run(ctx.on.config_changed(), _state())

    assert out.unit_status.message == 'this miniature has one unit: juju scale-application s3-integrator 1'


@pytest.mark.parametrize('name', ['ab', 'a.b', 'A-b-c', 'xn--abc', 'abc-s3alias', 'abc-', 'a' * 64])
def test_given_a_name_that_no_bucket_can_have_then_it_is_none(name):
    assert not relations.is_bucket(name)
    assert relations.is_bucket('abc-1')
