"""From facts to what is to be done to the schema, what the server is told, and the status. Pure."""

from __future__ import annotations

import dataclasses

import ops
from temporal_charms import admin, versions
from temporal_charms.conditions import Condition, first_unmet
from temporal_charms.databases import Database

from facts import Facts, Found


@dataclasses.dataclass(frozen=True)
class Step:
    """One run of temporal-sql-tool.

    Attributes:
        command: `setup-schema` makes the tables that hold versions, `update-schema` everything else.
        schema: the name of the schema that the tool carries.
        database: to work on.
    """

    command: str
    schema: str
    database: Database


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the charm wants to be so.

    Attributes:
        unmet: the first condition that keeps the charm from working on the schema; None if nothing does.
        steps: to be run, in this order.
    """

    unmet: Condition[Facts] | None
    steps: tuple[Step, ...]


def _image_sentence(facts: Facts) -> str:
    remedy = f'juju attach-resource {facts.app} temporal-admin-image=IMAGE'
    if facts.image.version is None:
        return f'temporal-admin-image has no temporal-sql-tool: {remedy}'
    wanted = facts.server.request.server_version if facts.server.request else versions.SUPPORTED
    who = facts.server.app or 'this charm'
    return f'temporal-admin-image is {facts.image.version_text}, {who} needs {wanted}: {remedy}'


def _image_suffices(facts: Facts) -> bool:
    """Whether the tool carries the schema that the server needs; its own version must be a supported one."""
    carried = versions.required_schema(facts.image.version) if facts.image.version else None
    if carried is None or facts.server.request is None:
        return carried is not None
    wanted = versions.parse(facts.server.request.server_version)
    needed = versions.required_schema(wanted) if wanted else None
    return needed is not None and versions.at_least(carried, needed)


CONDITIONS: tuple[Condition[Facts], ...] = (
    Condition(
        'admin-relation',
        lambda facts: bool(facts.server.app),
        lambda facts: ops.BlockedStatus(f'no server: juju integrate {facts.app}:admin temporal-k8s:admin'),
    ),
    Condition(
        'container',
        lambda facts: facts.image.reachable,
        lambda facts: ops.WaitingStatus('waiting for the container to start'),
    ),
    Condition('image', _image_suffices, lambda facts: ops.BlockedStatus(_image_sentence(facts))),
    Condition(
        'databases',
        lambda facts: not facts.leader or facts.found.asked,
        lambda facts: ops.WaitingStatus(f'waiting for {facts.server.app} to name its databases'),
    ),
    Condition(
        'reachable',
        lambda facts: not facts.found.problem,
        lambda facts: ops.WaitingStatus(facts.found.problem),
    ),
)


def make(facts: Facts) -> Plan:
    """Decide."""
    unmet = first_unmet(CONDITIONS, facts)
    steps = () if unmet or not facts.leader else tuple(_steps(facts))
    return Plan(unmet, steps)


def _steps(facts: Facts) -> list[Step]:
    assert facts.image.version and facts.server.persistence and facts.server.visibility
    carried = versions.required_schema(facts.image.version)
    assert carried is not None
    steps = []
    for found, newest, database, name in (
        (facts.found.persistence, carried.persistence, facts.server.persistence, 'temporal'),
        (facts.found.visibility, carried.visibility, facts.server.visibility, 'visibility'),
    ):
        if found is None:
            steps.append(Step('setup-schema', f'postgresql/v12/{name}', database))
        if (versions.parse(found or '0.0') or ()) < (versions.parse(newest) or ()):
            steps.append(Step('update-schema', f'postgresql/v12/{name}', database))
    return steps


def answer(facts: Facts, found: Found, failure: str) -> admin.Schema | None:
    """What the leader tells the server.

    Args:
        facts: as before the steps.
        found: as read after them.
        failure: of a step, if one failed.

    Returns:
        None while there is nothing to be said.
    """
    request = facts.server.request
    if request is None:
        return None
    of = request.fingerprint
    if failure:
        return admin.Schema(admin.FAILED, found.versions, of, failure, found.limits)
    if not _image_suffices(facts) and facts.image.reachable:
        return admin.Schema(admin.FAILED, found.versions, of, _image_sentence(facts), found.limits)
    if found.versions is None:
        return None
    return admin.Schema(admin.READY, found.versions, of, limits=found.limits)
