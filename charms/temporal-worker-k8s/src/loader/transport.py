"""TLS to the server: with which authorities, as who, and what a failed handshake means for the operator."""

from __future__ import annotations

import re

from temporalio.service import TLSConfig

from loader import layout


def configuration(wanted: layout.Settings, keys: layout.Keys) -> TLSConfig | bool:
    """What the SDK's client takes."""
    if not wanted.tls:
        return False
    return TLSConfig(
        server_root_ca_cert=wanted.ca.encode() or None,
        client_cert=keys.certificate.encode() or None,
        client_private_key=keys.key.encode() or None,
    )


# The words of rustls and tonic, as the SDK passes them on.
_REFUSED = re.compile(r'received fatal alert: (\w+)')
_UNTRUSTED = re.compile(r'error: InvalidCertificate\((\w+)')
_NO_TLS, _NO_PAIR = 'InvalidContentType', 'InconsistentKeys'
_NO_PEM = ('PrivateKeyParseError', 'NoCertificatesPresented', '(Transport, InvalidCertificate(')


def problem(wanted: layout.Settings, keys: layout.Keys, error: str) -> str:
    """What the operator has to do about a connection that failed; empty where that may pass by itself.

    Args:
        wanted: names the server.
        keys: the client certificate.
        error: what the SDK says.
    """
    if match := _UNTRUSTED.search(error):
        return (
            f'the certificate of {wanted.address} is not to be trusted ({_words(match[1])}): '
            'set tls-root-cas to its authority, or mend the certificate'
        )
    if match := _REFUSED.search(error):
        if keys.certificate:
            what = f'the client certificate of secret:{wanted.secret} (auth-secret-id): {_words(match[1])}'
            return f'{wanted.address} refuses {what}: juju update-secret takes another'
        return f'{wanted.address} wants a client certificate: set auth-provider=mtls and auth-secret-id'
    if _NO_TLS in error:
        return f'{wanted.address} does not speak TLS: reset the options tls and tls-root-cas, and use no certificate'
    why = {'do not belong together': _NO_PAIR in error, 'are none in PEM': any(word in error for word in _NO_PEM)}
    for what, so in why.items():
        if so:
            names = f'tls-client-certificate and tls-client-key in secret:{wanted.secret}'
            return f'auth-secret-id: {names} {what}: juju update-secret takes others'
    return ''


def _words(name: str) -> str:
    """What rustls calls something, as people write it: UnknownIssuer, CertificateExpired, UnknownCA."""
    return re.sub(r'(?<=[a-z])(?=[A-Z])', ' ', name).lower()
