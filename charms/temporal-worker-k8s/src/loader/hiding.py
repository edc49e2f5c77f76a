"""Takes what is secret out of texts that leave the container: problems for the status, reports for Sentry."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable
from typing import Any

from loader import layout

_SHORTEST = 4
"""Characters of a value that is hidden; a shorter one is no secret, and would hide what is said."""

_OWN = frozenset(
    (
        *(
            f'{prefix}_{name}'
            for prefix in ('TWC', 'TEMPORAL')
            for name in (
                'AUTH_PROVIDER', 'CANDID_URL', 'CANDID_USERNAME', 'HOST', 'LOG_LEVEL', 'NAMESPACE',
                'OIDC_AUTH_CERT_URL', 'OIDC_AUTH_TYPE', 'OIDC_AUTH_URI', 'OIDC_CLIENT_CERT_URL', 'OIDC_CLIENT_EMAIL',
                'OIDC_CLIENT_ID', 'OIDC_PROJECT_ID', 'OIDC_TOKEN_URI', 'PROMETHEUS_PORT', 'QUEUE', 'SENTRY_ENVIRONMENT',
                'SENTRY_REDACT_PARAMS', 'SENTRY_RELEASE', 'SENTRY_SAMPLE_RATE', 'TLS_ROOT_CAS',
            )
        ),
        'TWC_SUPPORTED_ACTIVITIES', 'TWC_SUPPORTED_WORKFLOWS', 'TWC_WORKFLOWS_FILE_NAME',
        'TEMPORAL_ADDRESS', 'TEMPORAL_TLS', 'TEMPORAL_TLS_SERVER_CA_CERT_DATA',
    )
)  # fmt: skip
"""What the charm itself tells and is no secret. Its prefixes alone do not tell: TEMPORAL_API_KEY is an operator's."""


def values() -> list[str]:
    """What is to be hidden, the longest first: the operator's variables, line by line, the credentials and the keys."""
    given = json.loads(pathlib.Path(layout.ENVIRONMENT).read_text())
    own = {value for name, value in given.items() if name in _OWN}
    credentials, keys = _content(layout.CREDENTIALS), _content(layout.KEYS)
    secret = [credentials.get('token', ''), credentials.get('private_key', ''), keys.get('key', '')]
    found = {*(value for value in given.values() if value not in own), *secret, *keys.get('encryption', ())}
    lines = {line.strip() for value in found for line in value.splitlines()}
    return sorted((line for line in lines if len(line) >= _SHORTEST), key=len, reverse=True)


def hide(text: str, hidden: Iterable[str]) -> str:
    """A text without these values."""
    for value in hidden:
        text = text.replace(value, '***')
    return text


def hide_all(thing: Any, hidden: Iterable[str]) -> Any:
    """The same for each text in something made of lists and dictionaries, names included."""
    if isinstance(thing, str):
        return hide(thing, hidden)
    if isinstance(thing, dict):
        return {hide_all(name, hidden): hide_all(value, hidden) for name, value in thing.items()}
    if isinstance(thing, list | tuple):
        return [hide_all(each, hidden) for each in thing]
    return thing


def _content(path: str) -> dict[str, Any]:
    try:
        return json.loads(pathlib.Path(path).read_text())
    except FileNotFoundError:
        return {}
