"""What clients of Kafka are told and may do, as Canonical's kafka-k8s has it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import ops
import pytest
from ops import testing

import accounts
import broker
import relations
from charm import KafkaCharm
from relations import Rule

ROLES = {'roles': 'broker,controller'}
ASKED = {'topic': 'orders', 'extra-user-roles': 'consumer,producer'}
SECRETS = {'requested-secrets': json.dumps(['username', 'password', 'tls', 'tls-ca', 'uris'])}
HOST = 'kafka-k8s-0.kafka-k8s-endpoints'
PEM = '-----BEGIN CERTIFICATE-----\n'


class Kafka:
    """Users and rules in memory, in the place of a broker's."""

    def __init__(self):
        self.passwords: dict[str, str] = {}
        self.rules: dict[str, set[Rule]] = {}

    def users(self) -> set[str]:
        return set(self.passwords)

    def let_in(self, user: str, password: str) -> None:
        self.passwords[user] = password

    def keep_out(self, user: str) -> None:
        del self.passwords[user]
        self.rules.pop(user, None)

    def allow(self, user: str, rules: set[Rule]) -> None:
        self.rules[user] = rules


@pytest.fixture
def kafka(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kafka]:
    """What answers, and what it knows."""
    known = Kafka()
    with socket.create_server(('127.0.0.1', 0)) as listening:
        monkeypatch.setattr(broker, 'OWN_PORT', listening.getsockname()[1])
        monkeypatch.setattr(accounts, 'Accounts', lambda _: known)
        yield known


@pytest.fixture
def ctx() -> testing.Context[KafkaCharm]:
    """Runs events on the charm."""
    return testing.Context(KafkaCharm)


def _state(*clients: testing.Relation, **changes) -> testing.State:
    execs = {testing.Exec(['install']), testing.Exec(['sh', '-eu'], stdout=PEM)}
    container = testing.Container('kafka', can_connect=True, execs=execs)
    values = {'leader': True, 'config': ROLES, 'containers': {container}, 'relations': clients}
    return testing.State(**(values | changes))


def _client(**asked: str) -> testing.Relation:
    return testing.Relation('kafka-client', 'kafka_client', remote_app_name='worker', remote_app_data=ASKED | asked)


def _contents(state: testing.State, relation: testing.Relation) -> dict[str, dict[str, str]]:
    """Key of the databag to content of the secret that it names; the client may read it."""
    told = state.get_relation(relation.id).local_app_data
    secrets = {secret.id: secret for secret in state.secrets}
    named = {key: secrets[told[key]] for key in told if key.startswith('secret-')}
    assert all(secret.remote_grants == {relation.id: {'worker'}} for secret in named.values())
    return {key: dict(secret.latest_content or {}) for key, secret in named.items()}


def _properties(ctx: testing.Context[KafkaCharm], state: testing.State) -> dict[str, str]:
    file = state.get_container('kafka').get_filesystem(ctx) / 'etc/kafka/server.properties'
    return dict(line.split('=', 1) for line in file.read_text().splitlines())


def test_given_a_client_that_knows_secrets_then_it_is_told_by_them(ctx, kafka):
    client = _client(**SECRETS)

    out = ctx.run(ctx.on.relation_changed(client), _state(client))

    user = f'relation-{client.id}'
    told = {k: v for k, v in out.get_relation(client.id).local_app_data.items() if not k.startswith('secret-')}
    assert told == {
        'topic': 'orders',
        'endpoints': f'{HOST}:9092',
        'consumer-group-prefix': f'{user}-',
        'version': 'v0',
    }
    password = kafka.passwords[user]
    assert _contents(out, client) == {
        'secret-user': {'username': user, 'password': password},
        'secret-tls': {'tls': 'disabled'},
    }
    assert out.unit_status == ops.ActiveStatus()
    assert out.opened_ports == {testing.TCPPort(9092)}
    assert not [line for line in ctx.juju_log if password in line.message]


def test_given_a_client_that_knows_no_secrets_then_it_is_told_in_clear(ctx, kafka):
    client = _client()

    out = ctx.run(ctx.on.relation_changed(client), _state(client))

    user, told = f'relation-{client.id}', out.get_relation(client.id).local_app_data
    assert (told['username'], told['password'], told['tls']) == (user, kafka.passwords[user], 'disabled')
    assert not any(key.startswith('secret-') for key in told)


def test_given_tls_then_clients_are_told_of_the_certificate_and_another_port(ctx, kafka):
    client = _client(**SECRETS)

    out = ctx.run(ctx.on.config_changed(), _state(client, config=ROLES | {'lab-tls': True}))

    assert out.get_relation(client.id).local_app_data['endpoints'] == f'{HOST}:9093'
    assert _contents(out, client)['secret-tls'] == {'tls': 'enabled', 'tls-ca': PEM}
    assert out.opened_ports == {testing.TCPPort(9093)}
    assert _properties(ctx, out)['listener.security.protocol.map'].startswith('CLIENT:SASL_SSL,')


def test_given_a_client_when_nothing_has_changed_then_nothing_is_written(ctx, kafka):
    client = _client(**SECRETS)
    first = ctx.run(ctx.on.relation_changed(client), _state(client))

    second = ctx.run(ctx.on.update_status(), first)

    assert second.get_relation(client.id) == first.get_relation(client.id)
    assert {secret.id: secret.latest_content for secret in second.secrets} == {
        secret.id: secret.latest_content for secret in first.secrets
    }
    assert second.get_container('kafka').plan == first.get_container('kafka').plan


def test_given_a_user_that_kafka_has_lost_then_it_gets_its_old_password(ctx, kafka):
    client = _client(**SECRETS)
    first = ctx.run(ctx.on.relation_changed(client), _state(client))
    before = dict(kafka.passwords)
    kafka.passwords.clear()

    ctx.run(ctx.on.update_status(), first)

    assert kafka.passwords == before


def test_given_a_client_when_it_goes_then_its_user_goes_and_the_others_stay(ctx, kafka):
    one, two = _client(**SECRETS), _client()
    both = ctx.run(ctx.on.config_changed(), _state(one, two))
    assert len(kafka.passwords) == 2

    ctx.run(ctx.on.relation_broken(both.get_relation(one.id)), both)

    assert set(kafka.passwords) == set(kafka.rules) == {f'relation-{two.id}'}


def test_given_a_client_that_has_not_asked_then_the_broker_runs_and_nothing_is_told(ctx, kafka):
    client = testing.Relation('kafka-client', 'kafka_client')

    out = ctx.run(ctx.on.relation_changed(client), _state(client))

    assert out.get_relation(client.id).local_app_data == {}
    assert kafka.passwords == {}
    assert out.unit_status == ops.ActiveStatus()


def test_given_an_admin_then_it_is_a_super_user_by_a_restart(ctx, kafka):
    client = _client(**{'extra-user-roles': 'admin'})
    before = ctx.run(ctx.on.config_changed(), _state())
    after = ctx.run(ctx.on.relation_changed(client), _state(client, secrets=before.secrets))

    assert _properties(ctx, after)['super.users'] == f'User:operator;User:relation-{client.id}'
    keys = [state.get_container('kafka').plan.services['kafka'].environment['RESTART_KEY'] for state in (before, after)]
    assert len(set(keys)) == 2


@pytest.mark.parametrize(
    ('changes', 'status'),
    [
        ({'config': {}}, ops.BlockedStatus('missing required peer-cluster relation')),
        (
            {'containers': {testing.Container('kafka', can_connect=False)}},
            ops.WaitingStatus('waiting for Kafka'),
        ),
    ],
)
def test_given_a_broker_that_cannot_run_then_clients_wait(ctx, kafka, changes, status):
    client = _client(**SECRETS)

    out = ctx.run(ctx.on.relation_changed(client), _state(client, **changes))

    assert out.unit_status == status
    assert out.get_relation(client.id).local_app_data == {}


def test_given_another_unit_then_it_says_that_there_is_one_only(kafka):
    ctx = testing.Context(KafkaCharm, unit_id=1)

    out = ctx.run(ctx.on.config_changed(), _state())

    assert out.unit_status.message == 'this miniature has one unit: juju scale-application kafka-k8s 1'


@pytest.mark.parametrize(
    ('asked', 'wanted'),
    [
        (
            {'topic': 'orders', 'extra-user-roles': 'producer'},
            {Rule('TOPIC', 'orders', False, operation) for operation in ('CREATE', 'WRITE', 'DESCRIBE')},
        ),
        (
            {'topic': 'ord*', 'extra-user-roles': 'consumer', 'consumer-group-prefix': 'g-'},
            {
                Rule('TOPIC', 'ord', True, 'READ'),
                Rule('TOPIC', 'ord', True, 'DESCRIBE'),
                Rule('GROUP', 'g-', True, 'READ'),
            },
        ),
        # So short a name is one, with a star.
        ({'topic': 'or*', 'extra-user-roles': 'admin'}, set()),
    ],
)
def test_given_what_a_client_asks_for_then_it_may_do_that_only(asked, wanted):
    assert relations.rules(asked, 'relation-7') == wanted
