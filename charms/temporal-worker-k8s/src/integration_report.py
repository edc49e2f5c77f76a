"""Tells which applications the code uses, since when and with what, for the action `show-integrations`; never a value.

As JSON, whose keys stay as they are:
    unit: who answers.
    required: the names in `required-integrations`.
    problem: what the unit's status says of the integrations, where it does; else empty.
    integrations: list, one for each relation and for each name that is required and has none:
        name: the endpoint, or the external service as its provider calls it; empty until that is said.
        endpoint, application: of this application, and who is at the other end; the latter is empty without relation.
        state: `ready`, `waiting` (not everything is there), `refused` (a secret cannot be read) or `missing`.
        required: whether the code does not run without it.
        since: since when this unit's container has it without a break (RFC 3339); null where it has not.
        changed: when a value changed last.
        fingerprint: changes with the values, and tells nothing of them; to be compared within one container's life.
        variables: names of the variables that it gives.
        replaced: those of them that `env-file` or `environment-secrets` gives, too, and so replaces.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import hashlib
import hmac
import json
import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import ops
from ops import pebble
from temporal_charms import results
from temporal_charms.workload import File, push, read

from integration_options import ENDPOINTS, EXTERNAL
from integrations import Integration, Integrations

_PATH = '/etc/temporal-charm/integrations.json'


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is remembered of an integration.

    Attributes:
        fingerprint: of its values.
        since: RFC 3339.
        changed: RFC 3339.
    """

    fingerprint: str
    since: str
    changed: str


class Ledger:
    """The memory of what was there when: a file of root's in the workload's container, which goes with it.

    Args:
        container: the workload's.
    """

    def __init__(self, container: ops.Container):
        self._container = container

    def note(self, found: Iterable[Integration]) -> None:
        """Remember what is ready now, and forget what is not."""
        ready = [each for each in found if each.ready]
        salt, known = self._load()
        if not ready and not known:
            return
        # Without something that nobody knows a weak password could be guessed from its fingerprint.
        salt = salt or secrets.token_hex(16)
        now = _now()
        entries = {}
        for each in ready:
            mark, before = _fingerprint(salt, each.values), known.get(_key(each))
            if before and before.fingerprint == mark:
                entries[_key(each)] = before
            else:
                entries[_key(each)] = Entry(mark, before.since if before else now, now)
        content = {'salt': salt, 'entries': {key: dataclasses.asdict(entry) for key, entry in entries.items()}}
        push(self._container, [File(_PATH, json.dumps(content), 0o600, owner=0)])

    def entry(self, integration: Integration) -> Entry | None:
        """What is remembered of one; None where it was not seen yet, or where there is no container."""
        with contextlib.suppress(pebble.ConnectionError):
            return self._load()[1].get(_key(integration))
        return None

    def _load(self) -> tuple[str, dict[str, Entry]]:
        text = read(self._container, _PATH)
        if not text:
            return '', {}
        content = json.loads(text)
        return content['salt'], {key: Entry(**entry) for key, entry in content['entries'].items()}


def run(event: ops.ActionEvent, unit: str, found: Integrations, given: Collection[str], ledger: Ledger) -> None:
    """Run the action.

    Args:
        event: Juju's.
        unit: who answers.
        found: the integrations.
        given: names of the operator's own variables.
        ledger: knows since when.
    """
    content = gather(unit, found, given, ledger)
    if event.params['format'] == 'json':
        event.set_results(results.shortened('integrations', content))
    else:
        event.set_results(results.cut('integrations', text(content)))


def gather(unit: str, found: Integrations, given: Collection[str], ledger: Ledger) -> dict[str, Any]:
    """The content of the report; the arguments are those of `run`."""
    related = [_row(each, found, given, ledger.entry(each) if each.ready else None) for each in found.found]
    absent = [
        {
            **_row(Integration(name, name if name in ENDPOINTS else EXTERNAL, -1, ''), found, given, None),
            'state': 'missing',
        }
        for name in found.missing
        if not any(each.serves(name) for each in found.found)
    ]
    return {
        'unit': unit,
        'required': list(found.required),
        'problem': found.problem,
        'integrations': [*related, *absent],
    }


def text(content: Mapping[str, Any]) -> str:
    """A report for a terminal.

    Args:
        content: what `gather` gives.
    """
    lines = [f'{content["unit"]}: {content["problem"] or _summary(content["integrations"])}']
    for each in content['integrations']:
        by = f' by {each["application"]}' if each['application'] else ''
        lines += ['', f'{each["name"] or each["endpoint"]}: {each["state"]}{by}']
        rows = {
            'endpoint': each['endpoint'],
            'required': 'yes' if each['required'] else 'no',
            'since': each['since'],
            'changed': each['changed'],
            'fingerprint': each['fingerprint'],
            'variables': ', '.join(each['variables']),
            'replaced': ', '.join(each['replaced']),
        }
        lines += [f'  {name:11}  {value}' for name, value in rows.items() if value]
    return '\n'.join(lines)


def _summary(rows: list[dict[str, Any]]) -> str:
    if not rows:
        return 'no integrations'
    ready = sum(row['state'] == 'ready' for row in rows)
    return f'{ready} of {len(rows)} integrations ready'


def _row(each: Integration, found: Integrations, given: Collection[str], entry: Entry | None) -> dict[str, Any]:
    return {
        'name': each.name,
        'endpoint': each.endpoint,
        'application': each.application,
        'state': 'ready' if each.ready else 'refused' if each.refused else 'waiting',
        'required': any(each.serves(name) for name in found.required),
        'since': entry.since if entry else None,
        'changed': entry.changed if entry else None,
        'fingerprint': entry.fingerprint if entry else None,
        'variables': sorted(each.values),
        'replaced': sorted(each.values.keys() & set(given)),
    }


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec='seconds')


def _key(each: Integration) -> str:
    return f'{each.endpoint}:{each.relation}'


def _fingerprint(salt: str, values: Mapping[str, str]) -> str:
    return hmac.new(salt.encode(), json.dumps(values, sort_keys=True).encode(), hashlib.sha256).hexdigest()[:12]
