"""TLS to the server, and what the SDK's errors mean."""

from __future__ import annotations

import pytest
from served import settings

from loader import transport
from loader.layout import Keys

_CERTIFIED = Keys('C', 'K')
_PLACE = 'secret:abc'


def test_given_tls_then_authority_certificate_and_key_are_passed_on():
    tls = transport.configuration(settings(tls=True, ca='A'), _CERTIFIED)

    assert not isinstance(tls, bool)
    assert (tls.server_root_ca_cert, tls.client_cert, tls.client_private_key) == (b'A', b'C', b'K')


@pytest.mark.parametrize(
    ('keys', 'error', 'sentence'),
    [
        (Keys(), 'ConnectError("tcp connect error", 127.0.0.1:3, Os { code: 111 })', ''),
        (
            Keys(),
            'ConnectError(Custom { kind: InvalidData, error: InvalidCertificate(UnknownIssuer) })',
            'the certificate of h:1 is not to be trusted (unknown issuer): set tls-root-cas to its authority, or mend '
            'the certificate',
        ),
        (
            Keys(),
            'received fatal alert: CertificateRequired',
            'h:1 wants a client certificate: set auth-provider=mtls and auth-secret-id',
        ),
        (
            _CERTIFIED,
            'received fatal alert: UnknownCA',
            'h:1 refuses the client certificate of secret:abc (auth-secret-id): unknown ca: juju update-secret takes '
            'another',
        ),
        (
            Keys(),
            'InvalidMessage(InvalidContentType)',
            'h:1 does not speak TLS: reset the options tls and tls-root-cas, and use no certificate',
        ),
        (
            _CERTIFIED,
            'Error(Transport, InconsistentKeys(KeyMismatch))',
            'auth-secret-id: tls-client-certificate and tls-client-key in secret:abc do not belong together: juju '
            'update-secret takes others',
        ),
        (
            _CERTIFIED,
            'Error(Transport, InvalidCertificate(BadEncoding))',
            'auth-secret-id: tls-client-certificate and tls-client-key in secret:abc are none in PEM: juju '
            'update-secret takes others',
        ),
    ],
)
def test_given_a_failed_connection_then_the_operator_is_told_what_to_do_where_that_helps(keys, error, sentence):
    assert transport.problem(settings(tls=True, secret='abc'), keys, error) == sentence
