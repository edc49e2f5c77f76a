"""The smaller contracts: database names and interfaces, versions, host info, databags."""

from __future__ import annotations

from typing import Any

import pytest
from temporal_charms import databags, host_info, versions
from temporal_charms.admin import Frontend
from temporal_charms.databases import Database, Endpoint, database_name
from temporal_charms.versions import SchemaVersions


@pytest.mark.parametrize(
    ('arguments', 'name'),
    [
        (('temporal', 'temporal-k8s'), 'temporal_temporal_k8s'),
        (('temporal', 'temporal-k8s', 'visibility'), 'temporal_temporal_k8s_visibility'),
        (('Prod.EU', 'a'), 'prod_eu_a'),
    ],
)
def test_given_names_of_juju_then_a_database_is_named_after_them(arguments, name):
    assert database_name(*arguments) == name


def test_given_an_application_named_like_anothers_second_database_then_their_names_differ():
    assert database_name('m', 'a-visibility') != database_name('m', 'a', 'visibility')


def test_given_long_names_then_databases_stay_short_and_different():
    names = {database_name('m' * 40, 'a' * 40, suffix) for suffix in ('', 'visibility', 'other')}

    assert len(names) == 3
    assert all(len(name) <= 49 for name in names)


def test_given_a_database_when_printed_then_its_password_is_not():
    assert 'hush' not in repr(Database(Endpoint('h', 1, 'n'), 'user', 'hush'))


@pytest.mark.parametrize(
    ('text', 'version'),
    [('temporal version 1.32.2', (1, 32, 2)), ('v2.0', None), ('none', None), ('', None), ('version 7', None)],
)
def test_given_what_a_program_says_then_its_version_is_found(text, version):
    assert versions.parse(text) == version


@pytest.mark.parametrize(
    ('found', 'enough'),
    [(('1.19', '1.14'), True), (('1.20', '1.14'), True), (('1.9', '1.14'), False), (('1.19', '1.9'), False)],
)
def test_given_a_schema_then_it_suffices_if_no_part_is_older(found, enough):
    assert versions.at_least(SchemaVersions(*found), SchemaVersions('1.19', '1.14')) is enough


@pytest.mark.parametrize(
    ('version', 'found', 'oldest', 'reason'),
    [
        ((1, 32, 2), ('1.19', '1.14'), None, ''),
        ((1, 31, 2), ('1.18', '1.14'), ('9.9', '9.9'), ''),
        ((1, 32, 2), ('1.20', '1.14'), ('1.0', '0.1'), ''),
        ((1, 31, 2), ('1.20', '1.14'), ('1.0', '0.1'), 'of a release more than one minor after 1.31.2'),
        ((1, 32, 2), ('1.20', '1.14'), ('1.20', '0.1'), 'serves nothing older than 1.20 and 0.1'),
        ((1, 30, 1), ('1.20', '1.14'), None, ''),
    ],
)
def test_given_a_schema_that_is_newer_then_it_is_refused_where_a_server_cannot_work_with_it(
    version, found, oldest, reason
):
    said = versions.too_new(version, SchemaVersions(*found), SchemaVersions(*oldest) if oldest else None)

    assert bool(said) == bool(reason)
    assert said.endswith(reason)


@pytest.mark.parametrize(
    ('from_', 'to', 'sentence'),
    [
        ('1.31.2', '1.31.2', ''),
        ('1.31.0', '1.31.5', ''),
        ('1.31.2', '1.31.0', ''),
        ('1.31.2', '1.32.2', ''),
        ('1.32.2', '1.31.2', ''),
        ('1.24.0', '1.24.1', ''),
        ('1.30.1', '1.32.2', 'Temporal goes one minor at a time, not from 1.30.1 to 1.32.2: go to 1.31 first'),
        ('1.31.2', '2.0.0', 'Temporal goes one minor at a time, not from 1.31.2 to 2.0.0: go to 1.32 first'),
        ('1.32.2', '1.30.1', 'Temporal goes back by one minor at most, not from 1.32.2 to 1.30.1'),
        ('1.20.4', '1.21.0', 'Temporal 1.21.0 is known to be broken: take 1.21.2 or later'),
        ('1.20.4', '1.21.1', 'Temporal 1.21.1 is known to be broken: take 1.21.2 or later'),
        ('1.23.1', '1.24.0', 'Temporal 1.24.0 is known to be broken: take 1.24.1 or later'),
        ('1.26.2', '1.27.0', 'Temporal 1.27.0 is known to be broken: take 1.27.1 or later'),
    ],
)
def test_given_two_versions_then_one_may_follow_the_other_or_a_sentence_says_why_not(from_, to, sentence):
    before, after = versions.parse(from_), versions.parse(to)
    assert before and after

    assert versions.check_upgrade(before, after) == sentence


@pytest.mark.parametrize('frontend', [Frontend('h', 7233), Frontend('h', 7233, tls=True, ca='PEM')])
def test_given_host_info_when_dumped_and_loaded_then_it_is_the_same(frontend):
    assert host_info.load(host_info.dump(frontend)) == frontend


@pytest.mark.parametrize(
    'databag',
    [
        {},
        {'host': 'h'},
        {'host': '', 'port': '7233'},
        *({'host': 'h', 'port': port} for port in ('x', '²', '9' * 5000)),
    ],
)
def test_given_host_info_that_is_not_complete_then_it_is_not_said_yet(databag):
    assert host_info.load(databag) is None


@pytest.mark.parametrize('request_', [host_info.Request('orders'), host_info.Request('orders', '30d')])
def test_given_a_request_for_a_namespace_when_dumped_and_loaded_then_it_is_the_same(request_):
    assert host_info.Request.load(request_.dump()) == request_


def test_given_no_request_for_a_namespace_then_there_is_none():
    assert host_info.Request.load({'retention': '30d'}) is None
    assert host_info.Request('').dump() == {}


@pytest.mark.parametrize(
    'grant',
    [
        host_info.Grant(),
        host_info.Grant(host_info.PENDING),
        host_info.Grant(host_info.GRANTED, 'orders'),
        host_info.Grant(host_info.REFUSED, reason='no'),
    ],
)
def test_given_what_became_of_a_request_when_dumped_and_loaded_then_it_is_the_same(grant):
    databag = host_info.dump(Frontend('h', 7233), grant)

    assert host_info.Grant.load(databag) == grant
    assert host_info.load(databag) == Frontend('h', 7233)
    assert all(databag.values())


def test_given_equal_values_then_their_json_is_equal():
    assert databags.dump_json({'b': 1, 'a': 2}) == databags.dump_json({'a': 2, 'b': 1}) == '{"a":2,"b":1}'


class Databag(dict[str, str]):
    """A databag that counts how often it is written to."""

    writes = 0

    def update(self, *args: Any, **values: str) -> None:
        """Count."""
        self.writes += 1
        super().update(*args, **values)


def test_given_a_databag_when_published_then_only_what_differs_is_written_at_once():
    databag = Databag({'egress-subnets': 'x', 'old': '1', 'same': '2', 'other': '3'})

    databags.publish(databag, {'same': '2', 'other': '4', 'new': '5'})
    databags.publish(databag, {'same': '2', 'other': '4', 'new': '5', 'old': ''})

    assert databag.writes == 1
    assert databag == {'egress-subnets': 'x', 'old': '', 'same': '2', 'other': '4', 'new': '5'}
