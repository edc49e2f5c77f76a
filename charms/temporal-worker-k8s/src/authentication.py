"""Who the worker is for its server: the operator's secret with the credentials, checked and put into one form."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping

import ops
from temporal_charms.secret_cache import SecretCache
from temporal_charms.secret_text import is_binary

from access import PROVIDERS, Access
from user_secrets import Unreadable, identifier, read

_GOOGLE = 'https://oauth2.googleapis.com/token'
_HTTPS = re.compile(r'https://[A-Za-z0-9._:\[\]-]+(/\S*)?')

_OIDC = {
    'oidc-auth-type': 'type',
    'oidc-project-id': 'project_id',
    'oidc-private-key-id': 'private_key_id',
    'oidc-private-key': 'private_key',
    'oidc-client-email': 'client_email',
    'oidc-client-id': 'client_id',
    'oidc-auth-uri': 'auth_uri',
    'oidc-token-uri': 'token_uri',
    'oidc-auth-cert-url': 'auth_provider_x509_cert_url',
    'oidc-client-cert-url': 'client_x509_cert_url',
}
"""Keys of the secret, as Canonical's charm has them, and fields of the file that Google gives for a service account."""

_CERTIFICATE, _KEY = 'tls-client-certificate', 'tls-client-key'
_ENCRYPTION = 'encryption-key'


@dataclasses.dataclass(frozen=True)
class Authentication:
    """Who the worker is.

    Attributes:
        provider: `token`, `google` or `candid`; empty where no header is sent.
        secret: identifier of the secret; empty for none.
        credentials: what the provider needs, as `loader.tokens` takes it.
        certificate: PEM of the client certificate, with what lies between it and its authority; empty for none.
        key: PEM of its key.
        content: all that the secret holds.
        problem: what is wrong with the secret, and what to do; never what stands in it.
        comes: whether it can become readable without Juju telling.
    """

    provider: str = ''
    secret: str = ''
    credentials: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    certificate: str = dataclasses.field(default='', repr=False)
    key: str = dataclasses.field(default='', repr=False)
    content: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    problem: str = ''
    comes: bool = False

    @classmethod
    def load(cls, model: ops.Model, access: Access, app: str, secrets: SecretCache, *, anew: bool) -> Authentication:
        """Read the secret and check it.

        Args:
            model: Juju's.
            access: the options.
            app: this application's name.
            secrets: remembers what secrets held.
            anew: whether to ask Juju all the same.
        """
        if access.problem or not access.secret:
            return cls()
        try:
            content = read(model, 'auth-secret-id', access.secret, app, secrets, anew=anew)
        except Unreadable as error:
            return cls(problem=str(error), comes=error.comes)
        name = identifier(access.secret)
        provider = access.provider or content.get('auth-provider', '').strip()
        problem = _problem(provider, content, app)
        if problem:
            return cls(problem=f'auth-secret-id: secret:{name} {problem}')
        return cls(
            provider=provider if provider in _FORMS else '',
            secret=name,
            credentials=_FORMS[provider](content) if provider in _FORMS else {},
            certificate=_pem(content.get(_CERTIFICATE, '')),
            key=_pem(content.get(_KEY, '')),
            content=content,
        )

    @property
    def variables(self) -> dict[str, str]:
        """Variables for code that makes a client of its own, without their prefixes; a token, which changes, is none.

        Those of Canonical's charm, by the names of its options, and those of temporalio.envconfig for a certificate.
        """
        certificate = {'TLS_CLIENT_CERT_DATA': self.certificate, 'TLS_CLIENT_KEY_DATA': self.key}
        return {**self._provider_variables, **(certificate if self.certificate else {})}

    @property
    def _provider_variables(self) -> dict[str, str]:
        if not self.provider:
            return {}
        names = [name for name in self.content if name.startswith(f'{_PREFIXES.get(self.provider)}-')]
        found = {name.upper().replace('-', '_'): self.content[name] for name in names}
        if self.provider == 'google':
            # Whichever form the secret has.
            found |= {
                name.upper().replace('-', '_'): self.credentials[field]
                for name, field in _OIDC.items()
                if field in self.credentials
            }
        return {**found, 'AUTH_PROVIDER': self.provider}


_PREFIXES = {'candid': 'candid', 'google': 'oidc'}


def _token(content: Mapping[str, str]) -> dict[str, str]:
    return {'token': content['token'].strip()}


def _google(content: Mapping[str, str]) -> dict[str, str]:
    given = content.get('service-account', '')
    fields = (
        json.loads(given) if given.strip() else {field: content.get(name, '').strip() for name, field in _OIDC.items()}
    )
    found = {name: str(value) for name, value in fields.items() if value}
    return {
        **found,
        'type': 'service_account',
        'private_key': _pem(found.get('private_key', '')),
        'token_uri': found.get('token_uri', _GOOGLE),
    }


def _candid(content: Mapping[str, str]) -> dict[str, str]:
    names = {'url': 'candid-url', 'username': 'candid-username', 'private_key': 'candid-private-key'}
    return {field: content[name].strip() for field, name in names.items()}


_FORMS: Mapping[str, Callable[[Mapping[str, str]], dict[str, str]]] = {
    'token': _token,
    'google': _google,
    'candid': _candid,
}


def _pem(text: str) -> str:
    """A key or certificate as a file has it: where it went through an option, its line ends may be spelled out."""
    return f'{text.replace(chr(92) + "n", chr(10)).strip()}\n' if text.strip() else ''


_NEEDS: Mapping[str, tuple[str, ...]] = {
    'token': ('token',),
    'google': ('oidc-client-email', 'oidc-private-key'),
    'candid': ('candid-url', 'candid-username', 'candid-private-key'),
    'mtls': (_CERTIFICATE, _KEY),
}


def _problem(provider: str, content: Mapping[str, str], app: str) -> str:
    """What is wrong with a secret, without its name."""
    remedy = 'juju update-secret takes it'
    if binary := next((key for key, value in content.items() if is_binary(value)), ''):
        return f'has binary data under {binary[:40]}: juju update-secret takes text'
    if provider and provider not in PROVIDERS:
        return f'has an auth-provider that is none of {", ".join(PROVIDERS)}: {remedy}'
    certified = {_CERTIFICATE, _KEY} & content.keys()
    if not provider and not certified and _ENCRYPTION not in content:
        return f'does not say who is to believe it: juju config {app} auth-provider={"|".join(PROVIDERS)}'
    needed = {*_NEEDS.get(provider, ()), *(_NEEDS['mtls'] if certified else ())}
    if provider == 'google' and content.get('service-account', '').strip():
        needed -= set(_NEEDS['google'])
        if problem := _service_account_problem(content['service-account']):
            return problem
    elif provider == 'google' and not _is_https(content.get('oidc-token-uri', '').strip() or _GOOGLE):
        return 'has an oidc-token-uri that is no https URL: juju update-secret takes another, or none for Google'
    lacking = sorted(name for name in needed if not content.get(name, '').strip())
    if lacking:
        other = ' or service-account' if provider == 'google' and lacking[0].startswith('oidc-') else ''
        return f'has no key {lacking[0]}{other}, which {provider or "mtls"} needs: {remedy}'
    if provider == 'token' and not _is_token(content['token'].strip()):
        return 'has a token that is not one line of ASCII without blanks: juju update-secret takes another'
    if provider == 'candid' and not content['candid-url'].strip().startswith(('http://', 'https://')):
        return 'has a candid-url that is no http or https URL: juju update-secret takes another'
    return ''


def _is_token(text: str) -> bool:
    return text.isascii() and text.isprintable() and ' ' not in text


def _service_account_problem(text: str) -> str:
    remedy = "juju update-secret takes Google's file, service-account#file=FILE.json"
    try:
        fields = json.loads(text)
    except (RecursionError, ValueError):
        return f'has a service-account that is no JSON: {remedy}'
    for name in ('client_email', 'private_key'):
        if not isinstance(fields, dict) or not isinstance(fields.get(name), str):
            return f'has a service-account without {name}: {remedy}'
    if not _is_https(fields.get('token_uri') or _GOOGLE):
        return f'has a service-account whose token_uri is no https URL: {remedy}'
    return ''


def _is_https(where: object) -> bool:
    """Whether credentials may be sent there; without a scheme it would be waited for as for somebody who is away."""
    return isinstance(where, str) and _HTTPS.fullmatch(where) is not None
