"""The action `preflight`: what is checked before a schema is worked on, by name, each with its result and a remedy.

The checks are the charm's conditions, in their order, and what a status does not tell: so the first that fails is what
the status says. Nothing is changed.
"""

from __future__ import annotations

import dataclasses
import json

import ops
from temporal_charms import admin

import conditions
from facts import Facts, Found

PASSED, FAILED, SKIPPED = 'passed', 'failed', 'skipped'

_SPARE = 3
"""Connections that a migration takes: for its lock, for the tool, and for what has to be prepared."""

REMEDIES = {
    'admin-relation': 'juju integrate this application with the server, endpoint admin on both sides',
    'container': 'wait; if it lasts, see kubectl describe pod',
    'image': "juju attach-resource an image of Temporal's admin tools, of the server's version; refresh an older charm",
    'databases': 'wait until the server has its databases; juju status shows what it waits for',
    'persistence': 'see that PostgreSQL runs, is reachable from here, and knows this login and this database',
    'visibility': 'see that PostgreSQL runs, is reachable from here, and knows this login and this database',
    'former-name': 'UPDATE schema_version to the new name, as the check says; or restore under the former name',
    'schema': 'run a newer server and newer admin tools, or restore the databases of this one',
    'rights': 'GRANT CREATE ON SCHEMA public TO the role, in the database named',
    'extension': 'juju config of PostgreSQL: enable the plugin btree_gin; or CREATE EXTENSION btree_gin as a superuser',
    'lock': 'wait: another unit or an earlier hook is at work',
    'went-back': 'wait until the units of the server have stopped; juju status shows those that cannot',
    'migration': 'see juju debug-log for what the tool said; it is tried again every minute',
    'tls': 'give PostgreSQL a certificate of an authority that its relation names',
    'connections': 'raise max_connections of PostgreSQL, or lower the pools of the server',
}


_NEEDED: dict[str, set[str]] = {
    'admin-relation': set(),
    'container': set(),
    'image': set(),
    'databases': {'admin-relation'},
    'persistence': {'databases'},
    'visibility': {'databases'},
    'former-name': {'databases', 'persistence', 'visibility'},
}
_ALL = {'databases', 'persistence', 'visibility', 'former-name'}
"""Which checks have to pass first: these, for what is not named."""

_TOLD = {'went-back'}
"""Conditions that go by what the leader last told the server, as `migration` does: Juju lets nobody else read that."""


@dataclasses.dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        name: of the condition, or of what else is checked.
        result: `passed`, `failed` or `skipped`, where an earlier one has to pass first, or this unit cannot know.
        detail: what was found, or why this unit cannot know.
        remedy: what to do; empty unless it failed.
    """

    name: str
    result: str
    detail: str = ''
    remedy: str = ''


def checks(facts: Facts) -> list[Check]:
    """All checks, in the order in which a status would name them.

    Args:
        facts: with what stands in the databases, whether this unit leads or not. Most conditions are met where it does
            not, since it has nothing to do; they are judged as if it did.
    """
    facts, leads = dataclasses.replace(facts, leader=True), facts.leader
    unknown = '' if leads else f'only the leader knows: juju run {facts.app}/leader preflight'
    found, details = [], _details(facts)
    failed: set[str] = set()
    for condition in conditions.CONDITIONS:
        if unknown and condition.name in _TOLD:
            found.append(Check(condition.name, SKIPPED, unknown))
            continue
        if failed & _NEEDED.get(condition.name, _ALL):
            found.append(Check(condition.name, SKIPPED))
        elif condition.met(facts):
            found.append(Check(condition.name, PASSED, details.get(condition.name, '')))
            continue
        else:
            message = condition.status(facts).message
            found.append(Check(condition.name, FAILED, message, REMEDIES[condition.name]))
        failed.add(condition.name)
    failing = facts.told is not None and facts.told.status == admin.FAILED and bool(conditions.steps(facts))
    told = facts.told.reason if facts.told and failing else ''
    migration = Check('migration', SKIPPED, unknown) if unknown else _check('migration', told, not told)
    return [*found, migration, *_more(facts)]


def _details(facts: Facts) -> dict[str, str]:
    """What is worth saying of conditions that are met."""
    wanted, found = conditions.needed(facts), facts.found.versions
    details = {'admin-relation': facts.server.app, 'image': facts.image.version_text}
    for name, look in facts.found.looks.items():
        if look.inspection:
            details[name] = f'PostgreSQL {look.inspection.server_version}'
    if wanted and found:
        todo = conditions.steps(facts)
        needs = f'needed {wanted.persistence} and {wanted.visibility}'
        doing = f'; to be migrated: {", ".join(map(str, todo))}' if todo else ''
        details['schema'] = f'found {found.persistence} and {found.visibility}, {needs}{doing}'
    return details


def _more(facts: Facts) -> list[Check]:
    """What is checked besides conditions."""
    pair = facts.found.inspections
    if not pair:
        return [Check('tls', SKIPPED), Check('connections', SKIPPED)]
    tls, unverified, connections, scarce = [], False, [], False
    for name, inspection, database in zip(
        ('persistence', 'visibility'), pair, (facts.server.persistence, facts.server.visibility), strict=True
    ):
        asked = bool(database and database.endpoint.tls)
        verified = asked and bool(database and database.endpoint.ca)
        tls.append(f'{name}: {_tls(asked=asked, encrypted=inspection.tls, verified=verified)}')
        unverified |= asked and not verified
        connections.append(f'{name}: {inspection.used} of {inspection.allowed} used')
        scarce |= inspection.allowed - inspection.used < _SPARE
    return [_check('tls', '; '.join(tls), not unverified), _check('connections', '; '.join(connections), not scarce)]


def _tls(*, asked: bool, encrypted: bool, verified: bool) -> str:
    """How safe a connection is; where the relation cannot ask for TLS it is taken where PostgreSQL offers it."""
    if verified:
        return 'verified'
    if asked:
        return 'encrypted, but not verified, since no authority is named'
    return f'not asked for by the relation, {"but encrypted" if encrypted else "and not encrypted"}'


def _check(name: str, detail: str, passed: bool) -> Check:
    return Check(name, PASSED, detail) if passed else Check(name, FAILED, detail, REMEDIES[name])


def run(event: ops.ActionEvent, facts: Facts) -> None:
    """Answer the action."""
    if not facts.found.asked:
        facts = dataclasses.replace(facts, found=Found.load(facts.server))
    found = checks(facts)
    failed = [check for check in found if check.result == FAILED]
    if event.params['format'] == 'json':
        text = json.dumps([dataclasses.asdict(check) for check in found])
    else:
        text = '\n'.join(_line(check) for check in found)
    event.set_results({'result': FAILED if failed else PASSED, 'checks': text})
    if failed:
        event.fail(f'{failed[0].name}: {failed[0].detail}')


def _line(check: Check) -> str:
    parts = [f'{check.name:<15}{check.result:<8}{check.detail}'.rstrip()]
    if check.remedy:
        parts.append(f'{"":<15}remedy: {check.remedy}')
    return '\n'.join(parts)
