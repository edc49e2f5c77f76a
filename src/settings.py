"""The files that the server reads: its configuration, its dynamic configuration, passwords and authorities. Pure."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import pathlib
from typing import Any

import yaml
from temporal_charms.databases import Database
from temporal_charms.workload import File

from facts import Facts
from roles import ROLES

CONFIG_FILE = '/etc/temporal/config.yaml'
DYNAMIC_CONFIG_FILE = '/etc/temporal/dynamic-config.yaml'
_TEMPLATES = pathlib.Path(__file__).parent.parent / 'templates'

_HEADER = """\
# Written by the charm; the server reads it again every ten seconds, without a restart.
"""


class _Dumper(yaml.SafeDumper):
    """PyYAML's own, with quotes."""


_Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar('tag:yaml.org,2002:str', text, style='"'))

_DRAIN = {
    'frontend.shutdownFailHealthCheckDuration': '1s',
    'frontend.shutdownDrainDuration': '7s',
    # Who waits for a workflow's result asks that often: the answer comes before the frontend is gone.
    'history.longPollExpirationInterval': '6s',
    'history.shutdownDrainDuration': '2s',
    'matching.shutdownDrainDuration': '2s',
}
"""How long a server that stops lets others take over from each of its roles, in turn. Together below Pebble's
kill-delay, and that below the 30 seconds after which Kubernetes kills a pod."""


@dataclasses.dataclass(frozen=True)
class Store:
    """A database as the server's configuration has it.

    Attributes:
        name: `default` or `visibility`.
        database: where it is and who logs in.
        connections: size of the pool, per role.
    """

    name: str
    database: Database
    connections: int

    @property
    def password_file(self) -> str:
        """Read by the server for every new connection: a rotated password needs no restart."""
        return f'/etc/temporal/secrets/{self.name}-password'

    @property
    def ca_file(self) -> str:
        """The authority of the database's certificate; empty if none was named."""
        return f'/etc/temporal/secrets/{self.name}-ca.pem' if self.database.endpoint.ca else ''

    def files(self) -> list[File]:
        """What the server reads besides its configuration."""
        files = [File(self.password_file, self.database.password, 0o600)]
        if self.ca_file:
            files.append(File(self.ca_file, self.database.endpoint.ca, restarts=True))
        return files


def files(facts: Facts, pair: tuple[Database, Database]) -> tuple[File, ...]:
    """Everything that the server reads.

    Args:
        facts: what the charm knows.
        pair: the two databases.
    """
    stores = _stores(facts, pair)
    context = {
        'log_level': facts.options.log_level,
        'shards': facts.shards,
        'stores': stores,
        # All of them: a server finds the others' ports here.
        'roles': ROLES.values(),
        'address': facts.here.address,
        'frontend': facts.frontend,
        'dynamic_config_file': DYNAMIC_CONFIG_FILE,
    }
    return (
        File(CONFIG_FILE, _environment().get_template('config.yaml.j2').render(context), 0o600, restarts=True),
        File(DYNAMIC_CONFIG_FILE, dynamic_config(facts)),
        *(file for store in stores for file in store.files()),
    )


def passwords(facts: Facts, pair: tuple[Database, Database]) -> tuple[File, ...]:
    """What reaches a running server, whatever keeps it from being started anew."""
    return tuple(file for store in _stores(facts, pair) for file in store.files() if not file.restarts)


def dynamic_config(facts: Facts) -> str:
    """Dynamic configuration, the same for all applications of a cluster.

    Returns:
        YAML. The option `dynamic-config` wins over what the charm sets.
    """
    if facts.membership.told:
        return facts.membership.told.dynamic_config
    options = facts.options
    # PostgreSQL's columns for identifiers are shorter than Temporal's default limit.
    content: dict[str, Any] = {'limit.maxIDLength': [{'value': 255}]}
    limits: list[dict[str, Any]] = [
        {'value': limit, 'constraints': {'namespace': namespace}} for namespace, limit in options.namespace_rps.items()
    ]
    content['frontend.namespaceRPS'] = [*limits, {'value': options.global_rps}]
    if facts.peers.units > 1 or any(member.units > 1 for member in facts.membership.members):
        # A server that is alone has nobody to hand over to.
        content |= {key: [{'value': duration}] for key, duration in _DRAIN.items()}
    # The server looks at no case, and of two keys that differ in nothing else it takes either.
    given = {key.lower() for key in options.dynamic_config}
    content = {key: value for key, value in content.items() if key.lower() not in given}
    return _HEADER + dump(content | options.dynamic_config)


def dump(content: dict[str, Any]) -> str:
    """YAML that the server reads as we do: texts in quotes, since Go takes some for numbers that Python does not."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=True, width=1_000_000)


def causes(facts: Facts, pair: tuple[Database, Database]) -> dict[str, str]:
    """What a restart can be owed to: the name that an operator knows it by, to its value. Nothing secret.

    It stands in the service's environment, so that a later hook can tell what has changed since the server started.
    """
    options = facts.options
    values = {
        'services': ','.join(role.name for role in options.roles),
        'num-history-shards': facts.shards,
        'log-level': options.log_level,
        'persistence-max-conns': options.persistence_connections,
        'visibility-max-conns': options.visibility_connections,
        'pod-address': facts.here.address,
        'frontend-address': facts.frontend.address,
        'image': facts.image.version_text,
    }
    for store in _stores(facts, pair):
        endpoint = store.database.endpoint
        ca = hashlib.sha256(endpoint.ca.encode()).hexdigest()[:8]
        tls = f'verified by {ca}' if endpoint.ca else 'encrypted' if endpoint.tls else 'plain'
        values[f'{store.name}-database'] = (
            f'{store.database.username}@{endpoint.host}:{endpoint.port}/{endpoint.name} {tls}'
        )
    return {f'CHARM_{name.upper().replace("-", "_")}': str(value) for name, value in values.items()}


def _stores(facts: Facts, pair: tuple[Database, Database]) -> tuple[Store, ...]:
    options = facts.options
    return (
        Store('default', pair[0], options.persistence_connections),
        Store('visibility', pair[1], options.visibility_connections),
    )


@functools.cache
def _environment():
    # Imported here: hooks that come before the databases never render.
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        # YAML, not HTML: what comes from outside goes through tojson in the template.
        autoescape=False,  # noqa: S701
    )
