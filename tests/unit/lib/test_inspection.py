"""Asking PostgreSQL: what it answers, and what it refuses."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Iterator

import pytest
import trustme
from pg8000 import native
from pg8000.native import DatabaseError, InterfaceError
from scramp import ScramException
from temporal_charms import postgresql
from temporal_charms.databases import Database, Endpoint

DATABASE = Database(Endpoint('pg', 5432, "temp'oral"), 'user', 'hush')


class Connection:
    """A connection of pg8000 that answers as told."""

    server: object = ['16.9 (Ubuntu)', False, True, True, 4, False, 97, 12, -1, 3, -1, 7]
    answer: object = ()
    metadata: object = ()
    refusal: Exception | None = None
    opened: dict[str, object]
    asked: list[str]

    def __init__(self, user: str, **options: object):
        type(self).opened = {'user': user, **options}
        type(self).asked = []
        if isinstance(self.refusal, Exception):
            raise self.refusal

    def run(self, question: str) -> object:
        """Answer."""
        self.asked.append(question)
        answer = [self.server] if 'max_connections' in question else self.answer
        if 'cluster_metadata_info WHERE' in question:
            answer = self.metadata
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Be told."""
        self.asked.append('closed')


def _foreign() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, 'certificate verify failed')
    error.verify_message = 'odd'
    return error


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> type[Connection]:
    """A PostgreSQL that answers as told."""
    fake = type('Fake', (Connection,), {})
    monkeypatch.setattr(native, 'Connection', fake)
    postgresql._address.cache_clear()
    monkeypatch.setattr(
        postgresql.socket,
        'getaddrinfo',
        lambda host, *_, **__: [
            (socket.AF_INET if '.' in address else socket.AF_INET6, 1, 6, '', (address, 0))
            for address in {'pg': ['fd00::5', '10.0.0.5'], '::1': ['::1']}[host]
        ],
    )
    return fake


@pytest.mark.parametrize(
    ('answer', 'version'),
    [
        ([['1.19', '1.0', False, "temp'oral"]], '1.19'),
        ([], None),
        (DatabaseError({'C': '42P01', 'M': 'relation "schema_version" does not exist'}), None),
    ],
)
def test_given_a_database_when_asked_then_it_tells_all_by_one_connection_and_two_questions(server, answer, version):
    server.answer = answer

    oldest = '1.0' if version else None
    found = postgresql.Inspection('16.9', False, 97, 12, version, None, oldest, serving=4)
    assert postgresql.inspect(DATABASE) == found
    assert server.opened['password'] == 'hush'
    assert server.opened['ssl_context'] is None
    assert server.opened['host'] == '10.0.0.5'
    assert len(server.asked) == 3
    assert "ORDER BY db_name <> 'temp''oral'," in server.asked[1]
    assert server.asked[2] == 'closed'


def test_given_a_schema_that_was_made_under_another_name_when_asked_then_it_tells_the_name_and_no_version(server):
    server.answer = [['1.19', '1.0', True, 'old']]
    server.metadata = [[b'\x10\x04']]

    found = postgresql.inspect(DATABASE)

    assert (found.former, found.schema_version, found.oldest, found.shards) == ('old', None, None, 4)


def test_given_somebody_at_work_and_a_login_without_rights_when_asked_then_it_tells(server):
    server.server = ['16.9', True, False, False, 4, False, 97, 12, -1, 3, -1, 7]

    found = postgresql.inspect(DATABASE)

    assert (found.locked, found.creates, found.extends, found.serving) == (True, False, False, 4)


@pytest.mark.parametrize('tls', [True, False])
@pytest.mark.parametrize('host', ['[::1]', '::1'])
def test_given_an_address_of_ipv6_when_asked_then_it_has_no_brackets(server, host, tls):
    postgresql.inspect(Database(Endpoint(host, 5432, 'temporal', tls=tls), 'user', 'hush'))

    assert server.opened['host'] == '::1'


@pytest.mark.parametrize(
    ('data', 'shards'),
    [
        pytest.param(b'\x0a\x06active\x10\x80\x04\x1a\x03abc', 512, id='as the server writes it'),
        pytest.param(b'\x38\x0a\x35abcd\x31abcdefgh\x10\x01', 1, id='behind numbers of other kinds'),
        pytest.param(b'\x0a\x06active', None, id='without the field'),
        pytest.param(b'\x0a\x06active\x10\x80', None, id='cut off'),
        pytest.param(b'\x0b', None, id='no message'),
        pytest.param(None, None, id='never started'),
    ],
)
def test_given_a_database_of_workflows_when_asked_then_it_tells_the_shard_count(server, data, shards):
    server.answer = [['1.19', '1.0', True, "temp'oral"]]
    server.metadata = [[data]] if data is not None else []

    assert postgresql.inspect(DATABASE).shards == shards


@pytest.mark.parametrize(
    ('numbers', 'allowed', 'used'),
    [
        ((97, 12, -1, 3, -1, 7), 97, 12),
        ((97, 12, 20, 3, -1, 7), 20, 3),
        ((97, 12, 20, 3, 10, 7), 10, 7),
        ((97, 12, None, 3, 200, 7), 97, 12),
    ],
)
def test_given_limits_of_the_role_and_the_database_when_asked_then_the_lowest_counts(server, numbers, allowed, used):
    server.server = ['16.9', False, True, True, 4, False, *numbers]

    found = postgresql.inspect(DATABASE)

    assert (found.allowed, found.used) == (allowed, used)


@pytest.mark.parametrize(
    ('refusal', 'answer', 'sentence'),
    [
        (InterfaceError("Can't create a connection"), (), "cannot log in to temp'oral on pg: Can't create a"),
        (DatabaseError({'M': 'password authentication failed'}), (), "cannot log in to temp'oral on pg: password auth"),
        (TimeoutError(), (), "cannot log in to temp'oral on pg: "),
        (UnicodeError('label too long'), (), "cannot log in to temp'oral on pg: label too long"),
        (TypeError('no bytes'), (), "cannot log in to temp'oral on pg: no bytes"),
        (ScramException('other nonce'), (), "cannot log in to temp'oral on pg: other nonce"),
        (OSError(113, 'No route'), (), "cannot log in to temp'oral on pg: [Errno 113] No route"),
        (_foreign(), (), 'pg is refused: its certificate is not by the authority that the database relation names'),
        (None, DatabaseError({'C': '42501', 'M': 'permission denied'}), "cannot ask temp'oral on pg: permission"),
        (None, ConnectionResetError('gone'), "cannot ask temp'oral on pg: gone"),
    ],
)  # fmt: skip
def test_given_a_database_that_refuses_then_the_sentence_says_why_and_holds_no_password(
    server, refusal, answer, sentence
):
    server.refusal, server.answer = refusal, answer

    with pytest.raises(postgresql.Unreachable) as failure:
        postgresql.inspect(DATABASE)

    assert str(failure.value).startswith(sentence)
    assert 'hush' not in str(failure.value)
    assert not failure.value.missing
    assert failure.value.untrusted == isinstance(refusal, ssl.SSLError)


def test_given_a_database_that_was_dropped_then_the_sentence_says_so(server):
    server.refusal = DatabaseError({'C': '3D000', 'M': 'database "temporal" does not exist'})

    with pytest.raises(postgresql.Unreachable, match="there is no database temp'oral on pg") as failure:
        postgresql.inspect(DATABASE)

    assert failure.value.missing


@pytest.mark.parametrize('known', [True, False])
def test_given_tls_then_the_certificate_is_verified_where_its_authority_is_known(server, known):
    server.answer = [['1.19', '1.0', False, 'temporal']]
    server.server = ['16.9', False, True, True, 4, True, 97, 12, -1, 3, -1, 7]
    ca = trustme.CA().cert_pem.bytes().decode() if known else ''

    found = postgresql.inspect(Database(Endpoint('pg', 5432, 'temporal', tls=True, ca=ca), 'user', 'hush'))

    assert found.tls
    # By name, since that is what stands in the certificate.
    assert server.opened['host'] == 'pg'
    context = server.opened['ssl_context']
    assert context.verify_mode == (ssl.CERT_REQUIRED if known else ssl.CERT_NONE)
    assert context.check_hostname is known


def test_given_an_authority_with_comments_then_only_its_certificates_are_read(server):
    ca = f'# für die Datenbank\n{trustme.CA().cert_pem.bytes().decode()}# é\n'

    postgresql.inspect(Database(Endpoint('pg', 5432, 'temporal', tls=True, ca=ca), 'user', 'hush'))

    context = server.opened['ssl_context']
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize(
    'ca',
    [
        'é',
        '-----BEGIN CERTIFICATE-----\né\n-----END CERTIFICATE-----',
        '-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----',
    ],
)
def test_given_an_authority_that_is_no_certificate_then_the_database_is_not_trusted(server, ca):
    with pytest.raises(postgresql.Unreachable, match='names is no certificate') as failure:
        postgresql.inspect(Database(Endpoint('pg', 5432, 'temporal', tls=True, ca=ca), 'user', 'hush'))

    assert failure.value.untrusted


def test_given_a_host_that_is_no_name_then_the_database_is_unreachable():
    with pytest.raises(postgresql.Unreachable, match='cannot log in to temporal on'):
        postgresql.inspect(Database(Endpoint('x' * 64, 5432, 'temporal'), 'user', 'hush'))


@pytest.fixture
def resetting() -> Iterator[int]:
    """The port of a PostgreSQL that lets everybody in, and resets the connection at the first question."""
    listener = socket.create_server(('127.0.0.1', 0))

    def message(connection: socket.socket) -> bytes:
        (length,) = struct.unpack('!I', connection.recv(4, socket.MSG_WAITALL))
        return connection.recv(length - 4, socket.MSG_WAITALL)

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            message(connection)
            # No TLS here; the login follows.
            connection.sendall(b'N')
            message(connection)
            connection.sendall(b'R' + struct.pack('!II', 8, 0) + b'Z' + struct.pack('!I', 5) + b'I')
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))

    with listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


def test_given_a_database_that_resets_the_connection_when_asked_then_it_is_unreachable(resetting):
    with pytest.raises(postgresql.Unreachable, match=r'cannot ask temporal on 127\.0\.0\.1: '):
        postgresql.inspect(Database(Endpoint('127.0.0.1', resetting, 'temporal'), 'user', 'hush'))
