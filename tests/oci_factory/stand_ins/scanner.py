"""A vulnerability scanner behind Harbor's interface for scanners: a scan is asked for, and its report later."""

from __future__ import annotations

import hashlib
import threading
from typing import Any

from stand_ins.wire import Answer, Request

TOKEN = 'scanner-token-which-nobody-may-see'
PASSWORD = 'registry-password-which-nobody-may-see'
"""Of the user `puller`, where images are not public."""

_REQUEST = 'application/vnd.scanner.adapter.scan.request+json; version=1.0'
_REPORT = 'application/vnd.security.vulnerability.report; version=1.1'
_KEYS = {'registry': {'url', 'authorization'}, 'artifact': {'repository', 'digest', 'mime_type', 'tag'}}


class Scanner:
    """The scanner."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: list[dict[str, Any]] = []
        self._found: dict[str, list[dict[str, Any]]] = {}

    def recorded(self) -> list[dict[str, Any]]:
        """The scans that were asked for: what was sent, but `private` for a password that came with it."""
        with self._lock:
            return list(self._asked)

    def forget(self) -> None:
        """Start anew."""
        with self._lock:
            self._asked.clear()
            self._found.clear()

    def plant(self, digest: str, found: list[dict[str, Any]]) -> None:
        """Say what an image has, instead of what its digest makes up."""
        with self._lock:
            self._found[digest] = found

    def answer(self, request: Request, path: str) -> Answer:
        """Answer.

        Args:
            request: what is asked.
            path: below the interface's base URL.
        """
        if request.headers.get('authorization') != f'Bearer {TOKEN}':
            return _refuse(401, 'who are you?')
        parts = path.split('/')
        if request.method == 'POST' and parts == ['scan']:
            return self._begin(request)
        if request.method == 'GET' and parts[0] == 'scan' and parts[2:] == ['report']:
            return self._report(request, parts[1])
        return _refuse(404, 'no such page')

    def _begin(self, request: Request) -> Answer:
        body = request.body if isinstance(request.body, dict) else {}
        if request.headers.get('content-type') != _REQUEST or set(body) != set(_KEYS):
            return _refuse(400, 'that is no request for a scan')
        for key, known in _KEYS.items():
            if set(body[key]) - known:
                return _refuse(400, f'unknown: {sorted(set(body[key]) - known)}')
        registry = dict(body['registry'])
        if not body['artifact'].get('digest') or not registry.get('url'):
            return _refuse(422, 'missing artifact.digest or registry.url')
        secret = registry.pop('authorization', '')
        with self._lock:
            self._asked.append({'registry': registry, 'artifact': body['artifact'], 'private': bool(secret)})
            return Answer(202, {'id': f'scan-{len(self._asked)}'})

    def _report(self, request: Request, identifier: str) -> Answer:
        if request.headers.get('accept') != _REPORT:
            return _refuse(415, 'unsupported media type')
        number = identifier.removeprefix('scan-')
        with self._lock:
            if not number.isdigit() or not 1 <= int(number) <= len(self._asked):
                return _refuse(404, f'cannot find scan job: {identifier}')
            artifact = self._asked[int(number) - 1]['artifact']
            found = self._found.get(artifact['digest'])
        found = made_up(artifact['digest']) if found is None else found
        report: dict[str, Any] = {
            'generated_at': '2026-11-21T00:00:00Z',
            'artifact': artifact,
            'scanner': {'name': 'Stand-in', 'vendor': 'None', 'version': '1'},
        }
        if found:
            # As adapters written in Go do: what is empty is left out.
            report['vulnerabilities'] = found
        return Answer(200, report)


def made_up(digest: str) -> list[dict[str, Any]]:
    """What an image has, by its digest: often nothing, and mostly something that does not matter, too."""
    roll = hashlib.sha256(digest.encode()).digest()
    severities = ('Unknown', 'Low', 'Medium', 'High', 'Critical')
    return [
        vulnerability(
            f'CVE-2026-{2000 + one % 50}',
            f'package-{one % 7}',
            severity=severities[one % 5],
            fixed='' if one % 3 == 0 else '1.1',
        )
        for one in roll[1 : 1 + roll[0] % 6]
    ]


def vulnerability(
    name: str, package: str = 'openssl', version: str = '1.0', fixed: str = '1.1', severity: str = 'High'
) -> dict[str, Any]:
    """One of a report, with what scanners tell besides."""
    told: dict[str, Any] = {
        'id': name,
        'package': package,
        'version': version,
        'severity': severity,
        'description': 'It is as bad as it sounds.',
        'links': ['https://avd.example/nvd/cve'],
        'layer': None,
    }
    return {**told, 'fix_version': fixed} if fixed else told


def _refuse(status: int, message: str) -> Answer:
    return Answer(status, {'error': {'message': message}})
