"""GitHub's issues, of any repository."""

from __future__ import annotations

import threading
from typing import Any

from stand_ins.wire import Answer, Request, refuse

LONGEST = 65536
"""Characters of a body."""


class Issues:
    """All issues. Each repository has a pull request and somebody's question already."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._issues: dict[str, list[dict[str, Any]]] = {}

    def recorded(self) -> dict[str, list[dict[str, Any]]]:
        """Repository to its issues, as they are now; `edits` counts the changes of each."""
        with self._lock:
            return {name: [dict(one) for one in found] for name, found in self._issues.items()}

    def forget(self) -> None:
        """Start anew."""
        with self._lock:
            self._issues.clear()

    def plant(self, repository: str, body: str, host: str = 'github.example', **more: Any) -> dict[str, Any]:
        """Have somebody make an issue."""
        with self._lock:
            return self._make(repository, host, {'title': 'Somebody has made this', 'body': body, **more})

    def answer(self, request: Request, repository: str, number: str) -> Answer:
        """Answer.

        Args:
            request: what is asked.
            repository: OWNER/NAME.
            number: of an issue; empty for all.
        """
        host = request.headers.get('host', '')
        with self._lock:
            found = self._known(repository, host)
            if not number:
                return self._list(request, found) if request.method == 'GET' else self._post(request, repository, host)
            if not number.isdigit() or not 1 <= int(number) <= len(found) or request.method != 'PATCH':
                return refuse(404, 'Not Found')
            one = found[int(number) - 1]
            one.update({key: value for key, value in request.body.items() if key in ('title', 'body', 'state')})
            one['edits'] += 1
            return Answer(200, one)

    def _known(self, repository: str, host: str) -> list[dict[str, Any]]:
        if repository not in self._issues:
            self._make(repository, host, {'title': 'A change', 'body': None, 'pull_request': {'url': '...'}})
            self._make(repository, host, {'title': 'A question', 'body': 'Why?'})
        return self._issues[repository]

    def _list(self, request: Request, found: list[dict[str, Any]]) -> Answer:
        query = request.query
        wanted = [one for one in found if one['state'] == query.get('state', 'open')]
        if query.get('direction', 'desc') == 'desc':
            wanted.reverse()
        size, page = int(query.get('per_page', 30)), int(query.get('page', 1))
        return Answer(200, wanted[(page - 1) * size :][:size])

    def _post(self, request: Request, repository: str, host: str) -> Answer:
        body = request.body if isinstance(request.body, dict) else {}
        if not body.get('title') or len(body.get('body') or '') > LONGEST:
            return refuse(422, 'Validation Failed')
        return Answer(201, self._make(repository, host, body))

    def _make(self, repository: str, host: str, content: dict[str, Any]) -> dict[str, Any]:
        found = self._issues.setdefault(repository, [])
        number = len(found) + 1
        url = f'http://{host}/{repository}/issues/{number}'
        found.append({'number': number, 'html_url': url, 'state': 'open', 'edits': 0, **content})
        return found[-1]
