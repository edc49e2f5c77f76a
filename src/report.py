"""Tells everything about a unit's server and its cluster on one page, for the action `status-report`; nothing secret.

As JSON, whose keys stay as they are:
    unit, leader, version: who answers, and with which server.
    status: `{name, message}`, as `juju status` has it.
    roles: role to `serving`, `not serving`, `unknown service` or `no answer`, for the roles of this unit.
    cluster: `{name, id, version, shards, persistence, visibility, members}`, as the server that answers sees it;
        `persistence` and `visibility` are kinds of databases, `members` is role to list of HOST:PORT. Or `{error}`.
    shards: `{option, fixed}`: `num-history-shards`, and what can no longer be changed (null before the first start).
    databases: `persistence` and `visibility`, each `{name, host, port, tls, reachable, version, connections: {used,
        allowed}, schema: {wanted, found}}`, as PostgreSQL answers now; without what it does not answer, and with
        `error`. Empty while there are none.
    connections: `{budget, total, allowed}`: what the whole cluster may open by its options, and what PostgreSQL allows
        as the admin charm has found (null while that is not known).
    schema: `{status, reason, persistence, visibility}`, as the admin charm has said last.
    namespaces: list of `{name, id, state, retention, description, owner, data, search-attributes, declared}`; the last
        is `yes`, `no`, or `removed` for one that is there and no longer in `declared-namespaces`. Or `{error}`.
    missing-namespaces: names in `declared-namespaces` that the server does not have.
    configuration-changed: when a file that the server reads was last written (RFC 3339); null where none was.
    restarts: list of `{time, what, why}`, oldest first, since the container started.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ops
from temporal_charms import postgresql, versions
from temporal_charms.conditions import first_unmet
from temporal_charms.databases import Database

import budget
import conditions
import namespaces
from client import Client, Namespace, Refused
from declared import period
from facts import Facts
from plan import Plan
from workload import Workload


def standing(facts: Facts, plan: Plan, observed: Iterable[Namespace] = ()) -> ops.StatusBase:
    """The unit's status, but for a server that ended as it was started: only the hook that started it knows.

    Args:
        facts: what the charm knows.
        plan: what it wants to be so.
        observed: the server's namespaces; without them nothing is said of those that are declared.
    """
    if plan.unmet:
        return plan.unmet.status(facts)
    declared = facts.options.declared if facts.here.leader and observed else ()
    conflicts = [step for step in namespaces.plan(observed, declared) if isinstance(step, namespaces.Conflict)]
    problem = namespaces.Problem(conflicts[0].sentence) if conflicts else None
    outcome = conditions.Outcome(True, facts.health, problem)
    failed = first_unmet(conditions.OUTCOMES, outcome)
    return failed.status(outcome) if failed else ops.ActiveStatus(plan.remark)


def namespace(found: Namespace) -> dict[str, object]:
    """A namespace as results and reports show it."""
    return {
        'name': found.name,
        'id': found.id,
        'state': found.state,
        'retention': period(found.retention),
        'description': found.description,
        'owner': found.owner,
        'data': dict(sorted(found.data.items())),
        'search-attributes': dict(sorted(found.search_attributes.items())),
    }


def gather(facts: Facts, plan: Plan, workload: Workload) -> dict[str, Any]:
    """Ask the server, the databases and the container.

    Returns:
        What the module's docstring describes.
    """
    with namespaces.ask(facts) as server:
        roles = _roles(server, facts)
        cluster = _cluster(server)
        observed = _observed(server)
    known = None if isinstance(observed, Refused) else {each.name for each in observed}
    status = standing(facts, plan, () if isinstance(observed, Refused) else observed)
    spent = budget.of(facts)
    answer = facts.schema.answer
    return {
        'unit': facts.here.unit,
        'leader': facts.here.leader,
        'version': facts.image.version_text,
        'status': {'name': status.name, 'message': status.message},
        'roles': roles,
        'cluster': cluster,
        'shards': {'option': facts.options.shards, 'fixed': facts.fixed_shards},
        'databases': _databases(facts),
        'connections': {'budget': str(spent), 'total': spent.total, 'allowed': spent.allowed},
        'schema': {
            'status': answer.status if answer else '',
            'reason': answer.reason if answer else '',
            'persistence': answer.versions.persistence if answer and answer.versions else None,
            'visibility': answer.versions.visibility if answer and answer.versions else None,
        },
        'namespaces': _namespaces(observed, facts),
        'missing-namespaces': [
            each.name for each in facts.options.declared if known is not None and each.name not in known
        ],
        'configuration-changed': workload.configuration_changed() if facts.image.reachable else None,
        'restarts': workload.journal() if facts.image.reachable else [],
    }


def _roles(server: Client, facts: Facts) -> dict[str, str]:
    services = {role.name: (f'127.0.0.1:{role.port}', role.health) for role in facts.options.roles}
    try:
        found = server.health(services)
    except Refused:
        found = {}
    return {name: found.get(name, 'no answer') for name in services}


def _cluster(server: Client) -> dict[str, Any]:
    try:
        found = server.cluster()
    except Refused as refused:
        return {'error': refused.sentence}
    members: dict[str, list[str]] = {}
    for member in found.members:
        members.setdefault(member.role, []).append(member.address)
    return {
        'name': found.name,
        'id': found.id,
        'version': found.version,
        'shards': found.shards,
        'persistence': found.persistence,
        'visibility': found.visibility,
        'members': {role: sorted(addresses) for role, addresses in members.items()},
    }


def _observed(server: Client) -> Sequence[Namespace] | Refused:
    try:
        return server.namespaces()
    except Refused as refused:
        return refused


def _namespaces(found: Sequence[Namespace] | Refused, facts: Facts) -> list[dict[str, Any]] | dict[str, str]:
    if isinstance(found, Refused):
        return {'error': found.sentence}
    wanted = {each.name for each in facts.options.declared}

    def is_declared(name: str) -> str:
        return 'yes' if name in wanted else 'removed' if name in facts.peers.declared else 'no'

    ordered = sorted(found, key=lambda each: each.name)
    return [namespace(each) | {'declared': is_declared(each.name)} for each in ordered]


def _databases(facts: Facts) -> dict[str, Any]:
    pair = facts.databases.pair
    needed = versions.required_schema(facts.image.version) if facts.image.version else None
    if not pair:
        return {}
    names = ('persistence', 'visibility')
    return {name: _database(each, getattr(needed, name, None)) for name, each in zip(names, pair, strict=True)}


def _database(database: Database, wanted: str | None) -> dict[str, Any]:
    endpoint = database.endpoint
    said: dict[str, Any] = {'name': endpoint.name, 'host': endpoint.host, 'port': endpoint.port}
    schema: dict[str, str | None] = {'wanted': wanted}
    try:
        found = postgresql.inspect(database)
    except postgresql.Unreachable as unreachable:
        return said | {'tls': endpoint.tls, 'reachable': False, 'error': str(unreachable), 'schema': schema}
    return said | {
        'tls': found.tls,
        'reachable': True,
        'version': found.server_version,
        'connections': {'used': found.used, 'allowed': found.allowed},
        'schema': schema | {'found': found.schema_version},
    }


def text(content: Mapping[str, Any]) -> str:
    """A report for a terminal.

    Args:
        content: what `gather` gives.
    """
    status, shards = content['status'], content['shards']
    leader = ' (leader)' if content['leader'] else ''
    said = f'{status["name"]}: {status["message"]}'.rstrip(': ')
    lines = [
        f'{content["unit"]}{leader}: {said}',
        f'server {content["version"] or "not known"}; history shards {shards["fixed"] or shards["option"]}',
        *_table('roles of this unit', content['roles'].items()),
        *_table('members of the cluster', _members(content['cluster'])),
        *_table(
            'databases', (row for name, each in content['databases'].items() for row in _database_rows(name, each))
        ),
        *_table('database connections', [('budget', _budget_line(content['connections']))]),
        *_table('schema, as the admin charm says', [('status', _schema_line(content['schema']))]),
        *_table('namespaces', _namespace_lines(content)),
        *_table('configuration', [('written', content['configuration-changed'] or 'never')]),
        *_table('starts and restarts', _restart_lines(content['restarts'])),
    ]
    return '\n'.join(lines)


def _table(title: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    found = list(rows) or [('none', '')]
    width = max(len(name) for name, _ in found)
    return ['', title, *(f'  {name:{width}}  {value}'.rstrip() for name, value in found)]


def _members(cluster: Mapping[str, Any]) -> list[tuple[str, str]]:
    if 'error' in cluster:
        return [('unknown', cluster['error'])]
    return [(role, ', '.join(addresses)) for role, addresses in cluster['members'].items()]


def _database_rows(name: str, database: Mapping[str, Any]) -> list[tuple[str, str]]:
    place = name, f'{database["name"]} on {database["host"]}:{database["port"]}'
    if not database['reachable']:
        return [place, ('', database['error'])]
    tls, connections, schema = database['tls'], database['connections'], database['schema']
    found = (
        f'PostgreSQL {database["version"]}{" with TLS" if tls else ""}; {connections["used"]} of '
        f'{connections["allowed"]} connections; schema {schema["found"] or "missing"}, wanted {schema["wanted"]}'
    )
    return [place, ('', found)]


def _budget_line(connections: Mapping[str, Any]) -> str:
    allowed = connections['allowed']
    return f'{connections["budget"]}, {"of an unknown number" if allowed is None else f"of {allowed}"}'


def _schema_line(schema: Mapping[str, Any]) -> str:
    found = f'persistence {schema["persistence"]}, visibility {schema["visibility"]}' if schema['persistence'] else ''
    return ': '.join(filter(None, (schema['status'] or 'nothing said', schema['reason'] or found)))


def _namespace_lines(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = content['namespaces']
    if isinstance(found, Mapping):
        return [('unknown', found['error'])]
    origin = {'yes': ', declared', 'removed': ', no longer declared', 'no': ''}
    rows = [
        (each['name'], ', '.join(filter(None, (each['retention'], each['description']))) + origin[each['declared']])
        for each in found
    ]
    return [*rows, *((name, 'declared, but missing') for name in content['missing-namespaces'])]


def _restart_lines(entries: Iterable[Mapping[str, Any]]) -> list[tuple[str, str]]:
    return [(entry['time'], f'{entry["what"]} {", ".join(entry["why"])}'.strip()) for entry in entries]
