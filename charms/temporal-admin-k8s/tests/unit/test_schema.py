"""Reading schema versions: what PostgreSQL answers, and what it refuses."""

from __future__ import annotations

import importlib
import ssl

import pytest
import trustme
from pg8000.exceptions import DatabaseError, InterfaceError
from temporal_charms.databases import Database, Endpoint

schema = importlib.import_module('schema')
DATABASE = Database(Endpoint('pg', 5432, 'temporal'), 'user', 'hush')


class Connection:
    """A connection of pg8000 that answers as told."""

    answer: object = ()
    refusal: Exception | None = None
    opened: dict[str, object]
    closed = 0

    def __init__(self, user: str, **options: object):
        type(self).opened = {'user': user, **options}
        if isinstance(self.refusal, Exception):
            raise self.refusal

    def run(self, _: str, **values: object) -> object:
        """Answer."""
        assert values == {'name': 'temporal'}
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def close(self) -> None:
        """Count."""
        type(self).closed += 1


@pytest.fixture
def postgresql(monkeypatch: pytest.MonkeyPatch) -> type[Connection]:
    """A PostgreSQL that answers as told."""
    fake = type('Fake', (Connection,), {})
    monkeypatch.setattr(schema.native, 'Connection', fake)
    schema._address.cache_clear()
    monkeypatch.setattr(schema.socket, 'gethostbyname', lambda host: {'pg': '10.0.0.5'}[host])
    return fake


@pytest.mark.parametrize(
    ('answer', 'version'),
    [
        ([['1.19']], '1.19'),
        ([], None),
        (DatabaseError({'C': '42P01', 'M': 'relation "schema_version" does not exist'}), None),
    ],
)
def test_given_a_database_then_its_version_is_read_and_the_connection_closed(postgresql, answer, version):
    postgresql.answer = answer

    assert schema.version(DATABASE) == version
    assert postgresql.opened['password'] == 'hush'
    assert postgresql.opened['ssl_context'] is None
    assert postgresql.opened['host'] == '10.0.0.5'
    assert postgresql.closed == 1


@pytest.mark.parametrize(
    ('refusal', 'answer', 'sentence'),
    [
        (InterfaceError("Can't create a connection"), (), "cannot log in to temporal on pg: Can't create a connection"),
        (DatabaseError({'M': 'password authentication failed'}), (), 'cannot log in to temporal on pg: password auth'),
        (TimeoutError(), (), 'cannot log in to temporal on pg: '),
        (None, DatabaseError({'C': '42501', 'M': 'permission denied'}), 'cannot read the schema version of temporal'),
        (None, ConnectionResetError('gone'), 'cannot read the schema version of temporal on pg: gone'),
    ],
)  # fmt: skip
def test_given_a_database_that_refuses_then_the_sentence_says_why_and_holds_no_password(
    postgresql, refusal, answer, sentence
):
    postgresql.refusal, postgresql.answer = refusal, answer

    with pytest.raises(schema.Unreachable) as failure:
        schema.version(DATABASE)

    assert str(failure.value).startswith(sentence)
    assert 'hush' not in str(failure.value)


@pytest.mark.parametrize('known', [True, False])
def test_given_tls_then_the_certificate_is_verified_where_its_authority_is_known(postgresql, known):
    postgresql.answer = [['1.19']]
    ca = trustme.CA().cert_pem.bytes().decode() if known else ''

    schema.version(Database(Endpoint('pg', 5432, 'temporal', tls=True, ca=ca), 'user', 'hush'))

    # By name, since that is what stands in the certificate.
    assert postgresql.opened['host'] == 'pg'
    context = postgresql.opened['ssl_context']
    assert context.verify_mode == (ssl.CERT_REQUIRED if known else ssl.CERT_NONE)
    assert context.check_hostname is known
