"""From facts to what is to be done to the schema, what the server is told, and what the watcher is told. Pure."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import ops
from temporal_charms import admin, versions
from temporal_charms.conditions import Condition, first_unmet
from temporal_charms.databases import Database
from temporal_charms.workload import File

import conditions
from conditions import CONDITIONS, Step
from facts import Facts

FOLDER = '/etc/temporal-charm'
DATABASES_FILE, KNOWN_FILE = f'{FOLDER}/databases.json', f'{FOLDER}/known.json'

_AT_ONCE, _LATER = 1, 60
"""Seconds until the watcher wakes the charm whatever it sees: to go on, and to try again what failed."""


@dataclasses.dataclass(frozen=True)
class Plan:
    """What the charm wants to be so.

    Attributes:
        unmet: the first condition that keeps the charm from working on the schema; None if nothing does.
        steps: to be done now.
        todo: to be done now or, if a condition is unmet, later.
        watches: whether the watcher is to run: on the leader, as soon as the databases are named.
        files: what the watcher and the migrations read to log in.
    """

    unmet: Condition[Facts] | None
    steps: tuple[Step, ...]
    todo: tuple[Step, ...]
    watches: bool
    files: tuple[File, ...]


def make(facts: Facts) -> Plan:
    """Decide."""
    unmet = first_unmet(CONDITIONS, facts)
    todo = conditions.steps(facts) if facts.leader else ()
    watches = facts.leader and facts.found.asked and facts.image.reachable
    return Plan(unmet, () if unmet else todo, todo, watches, _files(facts) if watches else ())


def _files(facts: Facts) -> tuple[File, ...]:
    """How to log in: a file that only root reads, and authorities that the tool reads, too."""
    content, authorities = {}, []
    for name, database in (('persistence', facts.server.persistence), ('visibility', facts.server.visibility)):
        assert database
        content[name] = _login(database)
        if database.endpoint.ca:
            content[name]['ca-file'] = f'{FOLDER}/{name}-ca.pem'
            authorities.append(File(f'{FOLDER}/{name}-ca.pem', database.endpoint.ca))
    return *authorities, File(DATABASES_FILE, json.dumps(content), 0o600, owner=0)


def _login(database: Database) -> dict[str, Any]:
    login = dataclasses.asdict(database.endpoint)
    return login | {'user': database.username, 'password': database.password}


def known_before(facts: Facts, todo: tuple[Step, ...]) -> File:
    """What the watcher compares with while this unit migrates: it is not to wake the charm for that."""
    states = {name: look.state for name, look in facts.found.looks.items()}
    return _known(states | {step.name: 'busy' for step in todo})


def _known(states: dict[str, str], *, again: int = 0, unused: bool = False) -> File:
    content = json.dumps({'states': states, 'again': again, 'unused': unused})
    return File(KNOWN_FILE, content, owner=0)


def known(facts: Facts, after: Plan, failure: str) -> File:
    """What the watcher compares with: it wakes the charm when it sees something else.

    Args:
        facts: as after the migration.
        after: the plan made of them.
        failure: of the migration, if it failed.
    """
    name = after.unmet.name if after.unmet else ''
    again = 0
    if failure or name in ('rights', 'extension', 'went-back'):
        # Nothing else that the watcher looks at may tell when that is over.
        again = _LATER
    elif after.steps:
        again = _AT_ONCE
    states = {name: look.state for name, look in facts.found.looks.items()}
    return _known(states, again=again, unused=name == 'went-back')


def answer(facts: Facts, unmet: Condition[Facts] | None, failure: str) -> admin.Schema | None:
    """What the leader tells the server; None while there is nothing to be said.

    Args:
        facts: as after the migration.
        unmet: the first condition that is unmet then.
        failure: of the migration, if it failed.
    """
    request, found, least = facts.server.request, facts.found, conditions.needed(facts)
    if request is None:
        return None
    told = facts.told if facts.told and facts.told.of == request.fingerprint else None
    status = unmet.status(facts) if unmet else None
    reason = failure or (status.message if isinstance(status, ops.BlockedStatus) else '')
    if told and found.versions is None and not any(look.missing for look in found.looks.values()):
        # A server that runs is not to stop because PostgreSQL is away: what was said holds until the schema is read.
        return told
    if found.versions and least and versions.at_least(found.versions, least) and not conditions.schema_sentence(facts):
        # Whatever keeps this charm from working on the schema: the server can work with it.
        word, reason = admin.READY, ''
    elif reason:
        word = admin.FAILED
    elif told or any(look.state == 'busy' for look in found.looks.values()):
        word = admin.MIGRATING
        reason = status.message if unmet and status and unmet.name == 'went-back' else ''
    else:
        return None
    return admin.Schema(
        word,
        found.versions,
        request.fingerprint,
        reason,
        found.limits,
        found.shards,
    )
