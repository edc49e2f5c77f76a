"""The options that say how the server is spoken to: TLS, who the worker is, and what encrypts its payloads."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Mapping

from temporal_charms.admin import Frontend

from user_secrets import identifier

PROVIDERS = ('token', 'google', 'candid', 'mtls')
CIPHERS = ('aes-gcm', 'aes-eax')

_MOST_AUTHORITIES = 120 * 1024
"""Linux starts no program with a variable of 128 KiB; the rest is for its name, and for what a relation says."""


@dataclasses.dataclass(frozen=True)
class Access:
    """The options, valid or with a problem.

    Attributes:
        provider: `auth-provider`; empty where the secret may say it.
        secret: URI of the secret with the credentials; empty for none.
        encryption: URI of the secret with the keys; empty where they may stand in the other one.
        cipher: `encryption-cipher`.
        tls: whether the server wants TLS, as the options tell.
        authorities: PEM of `tls-root-cas`; empty for what the relation says, or the system's.
        problem: what is wrong with them.
    """

    provider: str
    secret: str
    encryption: str
    cipher: str
    tls: bool
    authorities: str
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Access:
        """Read and check the options."""
        text = {name: str(raw[name]).strip() for name in raw}
        found = cls(
            provider=text['auth-provider'],
            secret=text['auth-secret-id'],
            encryption=text['encryption-secret-id'],
            cipher=text['encryption-cipher'],
            tls=bool(raw['tls']) or bool(text['tls-root-cas']),
            authorities=text['tls-root-cas'],
        )
        return dataclasses.replace(found, problem=found._check(app))

    def _check(self, app: str) -> str:
        if self.provider and self.provider not in PROVIDERS:
            return (
                f'auth-provider must be {", ".join(PROVIDERS[:-1])} or {PROVIDERS[-1]}, or empty for none: '
                f'juju config {app} auth-provider=token'
            )
        # What is wrong is not repeated: an operator may have pasted the secret itself.
        for option, uri in (('auth-secret-id', self.secret), ('encryption-secret-id', self.encryption)):
            if uri and not identifier(uri):
                return f'{option} is no secret:ID: juju secrets tells the IDs, juju config {app} {option}=secret:ID'
        if self.provider and not self.secret:
            return (
                f'auth-provider is {self.provider}, and no secret has the credentials: '
                f'juju config {app} auth-secret-id=secret:ID'
            )
        if self.cipher not in CIPHERS:
            return f'encryption-cipher must be {" or ".join(CIPHERS)}: juju config {app} encryption-cipher={CIPHERS[0]}'
        if len(self.authorities.encode()) > _MOST_AUTHORITIES:
            return (
                f'tls-root-cas has more than {_MOST_AUTHORITIES // 1024} KiB, which no environment variable can hold: '
                f"name the authority of the server's certificate alone: juju config {app} tls-root-cas=@FILE.pem"
            )
        if self.authorities and not _are_authorities(self.authorities):
            return f'tls-root-cas is no certificate in PEM: juju config {app} tls-root-cas=@FILE.pem'
        return ''

    @property
    def secrets(self) -> tuple[str, ...]:
        """The URIs of the secrets that they name."""
        return tuple(uri for uri in (self.secret, self.encryption) if identifier(uri))

    def secure(self, frontend: Frontend | None, *, certified: bool) -> Frontend | None:
        """A server with the TLS that the options ask for; what a relation says of its authority holds as well.

        Args:
            frontend: what is known of the server.
            certified: whether the worker has a client certificate, which is good for nothing without TLS.
        """
        if frontend is None or not (self.tls or certified):
            return frontend
        authorities = '\n'.join(pem for pem in (frontend.ca.strip(), self.authorities) if pem)
        return dataclasses.replace(frontend, tls=True, ca=authorities)


def _are_authorities(pem: str) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError):
        # The second for anything but ASCII.
        return False
    return True
