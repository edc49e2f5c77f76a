"""The options of config.yaml: read once, checked, each wrong value named in a sentence for the operator."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from typing import Any

import declared
from declared import Wanted
from roles import FRONTEND, ROLES, Role

LOG_LEVELS = ('debug', 'info', 'warn', 'error')
_LABEL = r'[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?'
# An Ingress takes no address: what stands after the last dot is no number.
_HOSTNAME = re.compile(rf'({_LABEL}\.)*(?![0-9]+$){_LABEL}')
_MOST_SHARDS = 16384
_MOST_CONNECTIONS = 1000
_MOST_RPS = 1_000_000
_YAML = ('dynamic-config', declared.OPTION)


@dataclasses.dataclass(frozen=True)
class Options:
    """The options, valid or with a problem.

    Attributes:
        roles: `services`.
        shards: `num-history-shards`.
        log_level: `log-level`.
        persistence_connections: `persistence-max-conns`: size of a role's pool for the database of workflows.
        visibility_connections: `visibility-max-conns`: likewise for the list of workflows.
        global_rps: `global-rps-limit`: requests per second for a namespace that has no limit of its own.
        namespace_rps: `namespace-rps-limit`: namespace to its own limit.
        hostname: `external-hostname`, or the application's name.
        dynamic_config: `dynamic-config`: key to list of `{value, constraints}`.
        declared: `declared-namespaces`.
        problem: what is wrong with them, one sentence; the values are not to be used then.
    """

    roles: tuple[Role, ...]
    shards: int
    log_level: str
    persistence_connections: int
    visibility_connections: int
    global_rps: int
    namespace_rps: dict[str, int]
    hostname: str
    dynamic_config: dict[str, Any]
    declared: tuple[Wanted, ...] = ()
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Options:
        """Read and check the options.

        Args:
            raw: as Juju has them.
            app: the application's name.
        """
        # Without the indentation of its first line, YAML is another text, or none.
        text = {name: str(value) if name in _YAML else str(value).strip() for name, value in raw.items()}
        services = _words(text['services'])
        hostname = text['external-hostname'] or app
        limits, limits_problem = _limits(text['namespace-rps-limit'])
        dynamic_config, dynamic_problem = _dynamic_config(text['dynamic-config'])
        namespaces, namespaces_problem = declared.load(text[declared.OPTION])
        return cls(
            roles=tuple(role for name, role in ROLES.items() if name in services),
            shards=int(text['num-history-shards']),
            log_level=text['log-level'],
            persistence_connections=int(text['persistence-max-conns']),
            visibility_connections=int(text['visibility-max-conns']),
            global_rps=int(text['global-rps-limit']),
            namespace_rps=limits,
            hostname=hostname,
            dynamic_config=dynamic_config,
            declared=namespaces,
            problem=next(
                filter(
                    None,
                    (_services(services), *_ranges(text), _log_level(text), _hostname(hostname), limits_problem,
                     dynamic_problem, namespaces_problem),
                ),
                '',
            ),
        )  # fmt: skip

    @property
    def has_frontend(self) -> bool:
        """Whether this application answers clients."""
        return FRONTEND in self.roles

    @property
    def connections_per_unit(self) -> int:
        """Database connections that one unit may open: each role has pools of its own."""
        return len(self.roles) * (self.persistence_connections + self.visibility_connections)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(',')) if word)


def _services(names: tuple[str, ...]) -> str:
    if not names:
        return f'services is empty: it takes {", ".join(ROLES)}, comma-separated'
    for name in names:
        if name == 'internal-frontend':
            return 'services: internal-frontend gives every caller all rights, and this charm has no authorisation yet'
        if name not in ROLES:
            return f'services: there is no {name[:40]}; it takes {", ".join(ROLES)}, comma-separated'
    return ''


def _ranges(text: Mapping[str, str]) -> Iterator[str]:
    for name, least, most in (
        ('num-history-shards', 1, _MOST_SHARDS),
        ('persistence-max-conns', 1, _MOST_CONNECTIONS),
        ('visibility-max-conns', 1, _MOST_CONNECTIONS),
        ('global-rps-limit', 1, _MOST_RPS),
    ):
        if not least <= int(text[name]) <= most:
            yield f'{name} must be between {least} and {most}, not {text[name]}'


def _log_level(text: Mapping[str, str]) -> str:
    level = text['log-level']
    return (
        '' if level in LOG_LEVELS else f'log-level must be one of {", ".join(LOG_LEVELS)}, not {level[:40] or "empty"}'
    )


def _hostname(hostname: str) -> str:
    if _HOSTNAME.fullmatch(hostname) and len(hostname) <= 253:
        return ''
    return (
        'external-hostname is no DNS name (lower case letters, digits and "-", at most 63 between dots, no address): '
        f'{hostname[:60]}'
    )


def _limits(text: str) -> tuple[dict[str, int], str]:
    """`orders:100|stock:200` as a mapping, and what is wrong with it."""
    limits: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split('|'))):
        name, colon, number = (piece.strip() for piece in part.partition(':'))
        # Python reads no number of thousands of digits.
        digits = number.isascii() and number.isdigit() and len(number) <= len(str(_MOST_RPS))
        if not (name and colon and digits and 1 <= int(number) <= _MOST_RPS):
            return {}, f'namespace-rps-limit takes NAMESPACE:REQUESTS|NAMESPACE:REQUESTS, not {part[:60]}'
        if name in limits:
            return {}, f'namespace-rps-limit names {name[:60]} twice'
        limits[name] = int(number)
    return limits, ''


def _dynamic_config(text: str) -> tuple[dict[str, Any], str]:
    """The option as a mapping, and what is wrong with its form; what stands in it is for the server to judge."""
    if not text.strip():
        return {}, ''
    # Imported here: most deployments never set it.
    import yaml_text

    try:
        content = yaml_text.load(text)
    except yaml_text.Unreadable as wrong:
        return {}, f'dynamic-config {wrong}'
    if content is None:
        return {}, ''
    if not isinstance(content, dict):
        return (
            {},
            'dynamic-config must be a mapping from keys to lists of values, like "limit.blobSize.error: [{value: 1}]"',
        )
    problems = (_entry(key, values) for key, values in content.items())
    return content, next(filter(None, problems), '') or _same(content)


def _same(content: Mapping[str, object]) -> str:
    """Two keys that are one for the server, which looks at no case and would take either."""
    first: dict[str, str] = {}
    for key in content:
        if (other := first.setdefault(key.lower(), key)) != key:
            return (
                f'dynamic-config: {other[:60]} and {key[:60]} are the same key for the server, which looks at no case'
            )
    return ''


def _entry(key: object, values: object) -> str:
    """What is wrong with the form of one entry of a dynamic configuration."""
    if not isinstance(key, str):
        return f'dynamic-config: the key {str(key)[:60]} is no text'
    if not isinstance(values, list) or not all(isinstance(v, dict) and 'value' in v for v in values):
        return f'dynamic-config: {key[:60]} must be a list of values, like "- value: 1"'
    for value in values:
        if unknown := sorted(set(map(str, value)) - {'value', 'constraints'}):
            return f'dynamic-config: {key[:60]} takes value and constraints, not {unknown[0][:40]}'
    return ''
