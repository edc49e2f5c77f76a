"""What must be so before the server may run: the one list behind the gate and the unit's status.

The order is the operator's: first what only a person can do, then what comes by itself. What can only be told once the
hook has done its work stands in `OUTCOMES`. docs/how-to/statuses.md explains each by its name.
"""

from __future__ import annotations

import dataclasses

import ops
from temporal_charms import admin, versions
from temporal_charms.conditions import Condition

import budget
from facts import Facts
from namespaces import Problem
from probe import Health
from roles import ROLES


def _attach(facts: Facts) -> str:
    return f'juju attach-resource {facts.here.app} temporal-server-image=IMAGE'


def _image_sentence(facts: Facts) -> str:
    if facts.image.version is None:
        return f'temporal-server-image has no temporal-server: {_attach(facts)}'
    return (
        f'temporal-server-image is {facts.image.version_text}, this charm runs {versions.SUPPORTED}: {_attach(facts)}'
    )


def _shards_sentence(facts: Facts) -> str:
    fixed, answer = facts.fixed_shards, facts.schema.answer
    since = 'in the database' if answer and answer.shards else 'since the first start'
    return (
        f'num-history-shards is {facts.options.shards}, but fixed at {fixed} {since}: '
        f'juju config {facts.here.app} num-history-shards={fixed}'
    )


def _schema_is_ready(facts: Facts) -> bool:
    answer, pair = facts.schema.answer, facts.databases.pair
    if answer is None or pair is None or answer.status != admin.READY or not answer.versions:
        return False
    return answer.of == facts.fingerprint and _schema_suffices(facts)


def _schema_suffices(facts: Facts) -> bool:
    """Whether the versions found are new enough; true while they are not known."""
    found = facts.schema.answer.versions if facts.schema.answer else None
    needed = versions.required_schema(facts.image.version) if facts.image.version else None
    return not (found and needed) or versions.at_least(found, needed)


def _schema_status(facts: Facts) -> ops.StatusBase:
    answer = facts.schema.answer
    if answer and answer.status == admin.FAILED:
        return ops.BlockedStatus(f'schema: {answer.reason or "the admin charm failed; see its status"}')
    if answer and answer.status == admin.MIGRATING:
        return ops.WaitingStatus('waiting for the admin charm, which is migrating the schema')
    if facts.member:
        return ops.WaitingStatus(f'waiting for {facts.membership.provider} to have its schema ready')
    return ops.WaitingStatus('waiting for the admin charm to report the schema')


def _supported(facts: Facts) -> bool:
    return facts.image.version is not None and versions.required_schema(facts.image.version) is not None


def _upgrade(facts: Facts) -> str:
    """Why the image's version may not follow the one that served last; empty if it may."""
    served, image = facts.peers.version, facts.image.version
    return versions.check_upgrade(served, image) if served and image else ''


def _agrees(facts: Facts) -> bool:
    """Whether a member runs the version of its cluster; neighbouring ones may be mixed while an upgrade goes on."""
    told, own = facts.membership.told, facts.image.version
    theirs = versions.parse(told.server_version) if told else None
    if theirs is None or own is None or theirs[:2] == own[:2]:
        return True
    return facts.peers.version is not None and not versions.check_upgrade(own, theirs)


def _options_of_the_provider(facts: Facts) -> list[str]:
    """Options of a member that only the application with the databases can have."""
    options = facts.options
    given = {
        'declared-namespaces': options.declared,
        'dynamic-config': options.dynamic_config,
        'namespace-rps-limit': options.namespace_rps,
    }
    return [name for name, value in given.items() if value] if facts.member else []


def _missing_roles(facts: Facts) -> list[str]:
    """Roles that no application of the cluster runs; for its provider to know."""
    if facts.member:
        return []
    present = {role.name for role in facts.options.roles}
    present |= {name for member in facts.membership.members for name in member.services}
    return [name for name in ROLES if name not in present]


def _connections_sentence(facts: Facts) -> str:
    return (
        f'units x roles x connections is {budget.of(facts)}, PostgreSQL allows {budget.of(facts).allowed}: lower '
        'persistence-max-conns, visibility-max-conns or the number of units, or raise max_connections'
    )


CONDITIONS: tuple[Condition[Facts], ...] = (
    Condition(
        'options',
        lambda facts: not facts.options.problem,
        lambda facts: ops.BlockedStatus(facts.options.problem),
        stops=False,
    ),
    Condition(
        'cluster-relation',
        lambda facts: not facts.membership.problem and (facts.member or facts.options.has_frontend),
        lambda facts: ops.BlockedStatus(
            facts.membership.problem
            or f'services has no frontend: add it, or juju integrate {facts.here.app}:join-cluster FRONTEND:cluster'
        ),
        stops=False,
    ),
    Condition(
        'cluster-options',
        lambda facts: not _options_of_the_provider(facts),
        lambda facts: ops.BlockedStatus(
            f'{", ".join(_options_of_the_provider(facts))}: to be set on {facts.membership.provider}, whose cluster '
            f'this is: juju config {facts.here.app} --reset {",".join(_options_of_the_provider(facts))}'
        ),
        stops=False,
    ),
    Condition(
        'clients',
        lambda facts: facts.options.has_frontend or not facts.clients,
        lambda facts: ops.BlockedStatus(
            f'services has no frontend, which {", ".join(facts.clients)} need: relate the application that has it, and '
            f'juju remove-relation {facts.here.app}:{facts.clients[0]} OTHER'
        ),
        stops=False,
    ),
    Condition(
        'database-relations',
        lambda facts: not facts.databases.problem,
        lambda facts: ops.BlockedStatus(facts.databases.problem),
        # A relation too many takes no database away; where there is none, `databases` stops the server.
        stops=False,
    ),
    Condition(
        'admin-relation',
        lambda facts: facts.schema.related,
        lambda facts: ops.BlockedStatus(
            f'no admin tools: juju integrate {facts.here.app}:admin temporal-admin-k8s:admin'
        ),
        # Nothing is wrong with the databases of a running server; it only could not be started again.
        stops=False,
    ),
    Condition(
        'shards',
        lambda facts: facts.member or facts.fixed_shards in (None, facts.options.shards),
        lambda facts: ops.BlockedStatus(_shards_sentence(facts)),
        stops=False,
    ),
    Condition(
        'container',
        lambda facts: facts.image.reachable,
        lambda facts: ops.WaitingStatus('waiting for the container to start'),
        # Pebble may only have been slow to answer: a server that runs all the same goes on.
        stops=False,
    ),
    Condition(
        'image',
        lambda facts: not facts.image.reachable or _supported(facts),
        lambda facts: ops.BlockedStatus(_image_sentence(facts)),
    ),
    Condition(
        'upgrade',
        lambda facts: not _upgrade(facts),
        lambda facts: ops.BlockedStatus(f'{_upgrade(facts)}: {_attach(facts)}'),
    ),
    Condition(
        'databases',
        lambda facts: facts.databases.pair is not None,
        lambda facts: ops.WaitingStatus(f'waiting for {facts.databases.provider} to provide the databases'),
    ),
    Condition(
        'cluster-version',
        _agrees,
        lambda facts: ops.BlockedStatus(
            f'temporal-server-image is {facts.image.version_text}, but {facts.membership.provider} runs '
            f'{facts.membership.told.server_version if facts.membership.told else ""}: {_attach(facts)}'
        ),
        stops=False,
    ),
    Condition(
        'schema-suffices',
        _schema_suffices,
        lambda facts: _schema_status(facts),
    ),
    Condition(
        'schema',
        _schema_is_ready,
        lambda facts: _schema_status(facts),
        stops=False,
    ),
    Condition(
        'connections',
        lambda facts: budget.of(facts).fits,
        lambda facts: ops.BlockedStatus(_connections_sentence(facts)),
        stops=False,
    ),
    Condition(
        'dynamic-config',
        lambda facts: not facts.dynamic_config_problem,
        lambda facts: ops.BlockedStatus(f'dynamic-config: {facts.dynamic_config_problem}'),
        stops=False,
    ),
    Condition(
        'roles',
        lambda facts: not _missing_roles(facts),
        lambda facts: ops.BlockedStatus(
            f'nobody runs {", ".join(_missing_roles(facts))}: add it to services, or juju integrate '
            f'OTHER:join-cluster {facts.here.app}:cluster'
        ),
        stops=False,
    ),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What the hook has led to.

    Attributes:
        starts: whether no server ended right after it was started.
        health: what the server answers now.
        namespaces: why a declared namespace is not as it should be; None if all are.
    """

    starts: bool
    health: Health
    namespaces: Problem | None = None


def _namespaces_status(outcome: Outcome) -> ops.StatusBase:
    problem = outcome.namespaces
    assert problem is not None
    sentence = f'declared-namespaces: {problem.sentence}'
    return ops.WaitingStatus(sentence) if problem.passing else ops.BlockedStatus(sentence)


OUTCOMES: tuple[Condition[Outcome], ...] = (
    Condition(
        'starts',
        lambda outcome: outcome.starts,
        lambda _: ops.WaitingStatus(
            'the server ended as it started and is started again; juju debug-log has its words'
        ),
    ),
    Condition(
        'serving',
        lambda outcome: outcome.health.serving,
        lambda outcome: ops.WaitingStatus(f'waiting for {outcome.health.detail}'),
    ),
    Condition(
        'databases-answer',
        lambda outcome: not outcome.health.silent,
        lambda outcome: ops.WaitingStatus(f'PostgreSQL does not answer the server ({outcome.health.silent})'),
    ),
    Condition(
        'declared-namespaces',
        lambda outcome: outcome.namespaces is None,
        lambda outcome: _namespaces_status(outcome),
    ),
)
