"""The environment of the workflow code: what the charm says itself, and which source is stronger than which. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from temporal_charms.admin import Frontend

from options import Config

_PREFIXES = ('TWC_', 'TEMPORAL_')
"""The charm temporal-worker-k8s of Canonical gives each option under both."""

_AS_ELSEWHERE = {
    **dict.fromkeys(
        (
            'AUTH_PROVIDER', 'CANDID_PRIVATE_KEY', 'CANDID_PUBLIC_KEY', 'CANDID_URL', 'CANDID_USERNAME', 'DB_NAME',
            'ENCRYPTION_KEY', 'OIDC_AUTH_CERT_URL', 'OIDC_AUTH_URI', 'OIDC_CLIENT_CERT_URL', 'OIDC_CLIENT_EMAIL',
            'OIDC_CLIENT_ID', 'OIDC_PRIVATE_KEY', 'OIDC_PRIVATE_KEY_ID', 'OIDC_PROJECT_ID', 'OIDC_TOKEN_URI',
            'SENTRY_DSN', 'SENTRY_ENVIRONMENT', 'SENTRY_RELEASE',
        ),
        '',
    ),
    'OIDC_AUTH_TYPE': 'service_account',
    'SENTRY_REDACT_PARAMS': 'false',
    'SENTRY_SAMPLE_RATE': '1.0',
}  # fmt: skip
"""Options of that charm, with its defaults: code that reads them takes it for granted that they are set."""


def compose(
    config: Config,
    frontend: Frontend,
    given: Mapping[str, str],
    proxies: Mapping[str, str],
    own: Mapping[str, str],
) -> dict[str, str]:
    """All variables: defaults and the model's proxies, then what the operator gives, then what the charm itself knows.

    Args:
        config: the options.
        frontend: where the server answers.
        given: the operator's own variables.
        proxies: the model's, by the names of variables.
        own: what options and their secrets give besides, by names without their prefixes.
    """
    defaults = {f'{prefix}{name}': value for prefix in _PREFIXES for name, value in _AS_ELSEWHERE.items()}
    # Some programs look for one spelling, some for the other: an operator's own replaces both.
    spellings = [(name, name.lower(), value) for name, value in proxies.items()]
    models = {
        name: value for upper, lower, value in spellings if not {upper, lower} & given.keys() for name in (upper, lower)
    }
    named = {f'{prefix}{name}': value for prefix in _PREFIXES for name, value in own.items()}
    return {**defaults, **models, **given, **named, **_own(config, frontend)}


def _own(config: Config, frontend: Frontend) -> dict[str, str]:
    options = {
        'HOST': frontend.address,
        'NAMESPACE': config.namespace,
        'QUEUE': config.queue,
        'LOG_LEVEL': config.log_level,
        'TLS_ROOT_CAS': frontend.ca,
        'PROMETHEUS_PORT': str(config.prometheus_port),
    }
    # The revisions that took a wheel gave these, too.
    older = {
        'TWC_SUPPORTED_WORKFLOWS': ','.join(config.workflows) or 'all',
        'TWC_SUPPORTED_ACTIVITIES': ','.join(config.activities) or 'all',
        'TWC_WORKFLOWS_FILE_NAME': config.file_name,
    }
    # What temporalio.envconfig reads, so that code can make a client of its own.
    sdk = {'TEMPORAL_ADDRESS': frontend.address, 'TEMPORAL_TLS': str(frontend.tls).lower()}
    if frontend.ca:
        sdk['TEMPORAL_TLS_SERVER_CA_CERT_DATA'] = frontend.ca
    return {**{f'{prefix}{name}': value for prefix in _PREFIXES for name, value in options.items()}, **older, **sdk}
