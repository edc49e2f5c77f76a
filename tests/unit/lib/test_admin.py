"""The handshake's wire format, and the class that other charms use it through."""

from __future__ import annotations

import dataclasses

import ops
import pytest
from ops import testing
from temporal_charms import admin
from temporal_charms.databases import Endpoint
from temporal_charms.versions import SchemaVersions

REQUEST = admin.Request(
    persistence=Endpoint('pg', 5432, 'temporal', tls=True, ca='PEM'),
    visibility=Endpoint('pg', 5432, 'temporal_visibility'),
    credentials='secret:x',
    server_version='1.32.2',
    frontend=admin.Frontend('temporal.example.com', 7233),
)


def test_given_a_request_when_dumped_and_loaded_then_it_is_the_same():
    assert admin.Request.load(REQUEST.dump()) == REQUEST
    silent = dataclasses.replace(REQUEST, frontend=None)
    assert admin.Request.load(silent.dump()) == silent


@pytest.mark.parametrize('key', ['databases', 'credentials', 'server_version'])
def test_given_a_request_when_a_key_is_missing_then_it_is_not_said_yet(key):
    assert admin.Request.load({k: v for k, v in REQUEST.dump().items() if k != key}) is None


@pytest.mark.parametrize('garbage', ['', 'no json', '[]', '{"persistence": 1, "visibility": 2}', '{"persistence": {}}'])
def test_given_garbage_when_loaded_then_it_is_not_said_yet(garbage):
    assert admin.Request.load({**REQUEST.dump(), 'databases': garbage}) is None


def test_given_a_frontend_that_cannot_be_read_when_loaded_then_there_is_none():
    assert admin.load_frontend({'frontend': '{"host": "x"}'}) is None


@pytest.mark.parametrize(
    'schema',
    [
        admin.Schema(admin.READY, SchemaVersions('1.19', '1.14'), 'abc', limits=admin.ConnectionLimits(97, 50)),
        admin.Schema(admin.FAILED, None, 'abc', 'why'),
        admin.Schema(admin.MIGRATING),
    ],
)
def test_given_a_schema_when_dumped_and_loaded_then_it_is_the_same(schema):
    assert admin.Schema.load(schema.dump()) == schema


@pytest.mark.parametrize('garbage', ['no json', '[]', '{}', '{"persistence": "x", "visibility": 2}', '3'])
def test_given_limits_or_versions_that_cannot_be_read_when_loaded_then_there_are_none(garbage):
    databag = {'schema_status': admin.READY, 'schema_versions': garbage, 'connection_limits': garbage}

    assert admin.Schema.load(databag) == admin.Schema(admin.READY)


def test_given_two_pairs_of_databases_then_their_fingerprints_differ_and_tell_nothing_else():
    other = dataclasses.replace(REQUEST, persistence=Endpoint('pg2', 5432, 'temporal'))
    same = dataclasses.replace(REQUEST, credentials='secret:y')

    assert REQUEST.fingerprint != other.fingerprint
    assert REQUEST.fingerprint == same.fingerprint


class Requirer(ops.CharmBase):
    """A charm of somebody else that waits for a schema."""

    def __init__(self, framework: ops.Framework):
        super().__init__(framework)
        self.admin = admin.Admin(self)
        self.heard: list[bool] = []
        framework.observe(self.admin.on.schema_changed, self._on_schema_changed)
        framework.observe(self.on.config_changed, self._on_config_changed)

    def _on_schema_changed(self, event: admin.SchemaChangedEvent) -> None:
        self.unit.status = ops.ActiveStatus(f'ready: {event.schema_ready}')

    def _on_config_changed(self, _: ops.EventBase) -> None:
        self.admin.request(REQUEST)


@pytest.fixture
def ctx() -> testing.Context[Requirer]:
    return testing.Context(Requirer, meta={'name': 'other', 'requires': {'admin': {'interface': 'temporal'}}})


@pytest.mark.parametrize(('status', 'ready'), [(admin.READY, True), (admin.FAILED, False)])
def test_given_another_charm_when_the_schema_changes_then_it_is_told(ctx, status, ready):
    relation = testing.Relation('admin', remote_app_data=admin.Schema(status, of='x').dump())

    out = ctx.run(ctx.on.relation_changed(relation), testing.State(relations=[relation]))

    assert out.unit_status == ops.ActiveStatus(f'ready: {ready}')


def test_given_another_charm_when_the_admin_charm_goes_then_the_schema_is_not_ready(ctx):
    relation = testing.Relation('admin', remote_app_data=admin.Schema(admin.READY, of='x').dump())

    out = ctx.run(ctx.on.relation_broken(relation), testing.State(relations=[relation]))

    assert out.unit_status == ops.ActiveStatus('ready: False')


def test_given_another_charm_when_it_asks_then_the_databag_holds_the_request(ctx):
    relation = testing.Relation('admin')

    out = ctx.run(ctx.on.config_changed(), testing.State(relations=[relation], leader=True))

    assert out.get_relation(relation.id).local_app_data == REQUEST.dump()


def test_given_a_deferred_event_when_it_comes_back_then_it_still_says_the_same():
    event = admin.SchemaChangedEvent(ops.Handle(None, 'schema_changed', '1'), schema_ready=True)
    restored = admin.SchemaChangedEvent(ops.Handle(None, 'schema_changed', '1'))

    restored.restore(event.snapshot())

    assert restored.schema_ready


@pytest.mark.parametrize(('of', 'ready'), [(REQUEST.fingerprint, True), ('of-another-database', False)])
def test_given_a_leader_that_asked_when_the_answer_is_about_other_databases_then_it_does_not_count(ctx, of, ready):
    relation = testing.Relation(
        'admin', local_app_data=REQUEST.dump(), remote_app_data=admin.Schema(admin.READY, of=of).dump()
    )

    out = ctx.run(ctx.on.relation_changed(relation), testing.State(relations=[relation], leader=True))

    assert out.unit_status == ops.ActiveStatus(f'ready: {ready}')
