"""What must be so before the server may run: the one list behind the gate and the unit's status.

The order is the operator's: first what only a person can do, then what comes by itself.
"""

from __future__ import annotations

import ops
from temporal_charms import admin, versions
from temporal_charms.conditions import Condition

from facts import Facts


def _image_sentence(facts: Facts) -> str:
    remedy = f'juju attach-resource {facts.here.app} temporal-server-image=IMAGE'
    if facts.image.version is None:
        return f'temporal-server-image has no temporal-server: {remedy}'
    return f'temporal-server-image is {facts.image.version_text}, this charm runs {versions.SUPPORTED}: {remedy}'


def _schema_is_ready(facts: Facts) -> bool:
    answer, pair = facts.schema.answer, facts.databases.pair
    if answer is None or pair is None or answer.status != admin.READY or not answer.versions:
        return False
    return answer.of == admin.fingerprint(*(database.endpoint for database in pair)) and _schema_suffices(facts)


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
    return ops.WaitingStatus('waiting for the admin charm to report the schema')


CONDITIONS: tuple[Condition[Facts], ...] = (
    Condition(
        'config',
        lambda facts: not facts.config.problem,
        lambda facts: ops.BlockedStatus(facts.config.problem),
        stops=False,
    ),
    Condition(
        'database-relations',
        lambda facts: not facts.databases.problem,
        lambda facts: ops.BlockedStatus(facts.databases.problem),
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
        lambda facts: facts.peers.shards in (None, facts.config.shards),
        lambda facts: ops.BlockedStatus(
            f'num-history-shards is {facts.config.shards}, but fixed at {facts.peers.shards} since the first start: '
            f'juju config {facts.here.app} num-history-shards={facts.peers.shards}'
        ),
        stops=False,
    ),
    Condition(
        'container',
        lambda facts: facts.image.reachable,
        lambda facts: ops.WaitingStatus('waiting for the container to start'),
    ),
    Condition(
        'image',
        lambda facts: facts.image.version is not None and versions.required_schema(facts.image.version) is not None,
        lambda facts: ops.BlockedStatus(_image_sentence(facts)),
    ),
    Condition(
        'databases',
        lambda facts: facts.databases.pair is not None,
        lambda facts: ops.WaitingStatus(f'waiting for {facts.databases.provider} to provide the databases'),
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
)
