"""GitHub's API, as much as the OCI Factory's workflows use of it."""

from __future__ import annotations

import base64
import datetime
import json
import threading
from typing import Any

import generator

from stand_ins.issues import Issues
from stand_ins.wire import Answer, Request, refuse

REPOSITORY = 'canonical/oci-factory'
_INPUTS = {'oci-image-name', 'b64-image-trigger', 'upload', 'external_ref_id'}
_WORKFLOW = f'repos/{REPOSITORY}/actions/workflows/Image.yaml'


class GitHub:
    """The API.

    Args:
        world: what the branch `_releases` has.
        token: the one that is accepted.
    """

    def __init__(self, world: generator.World, token: str) -> None:
        self._world, self._token = world, token
        self._lock = threading.Lock()
        self._recorded: list[dict[str, Any]] = []
        self.issues = Issues()

    def recorded(self) -> list[dict[str, Any]]:
        """The dispatches so far: `inputs`, `ref`, `headers` (without the token), `at`, `ended`."""
        with self._lock:
            return list(self._recorded)

    def forget(self) -> None:
        """Start anew."""
        with self._lock:
            self._recorded.clear()
        self.issues.forget()

    def answer(self, request: Request, path: str) -> Answer:
        """Answer.

        Args:
            request: what is asked.
            path: below the API's base URL.
        """
        if request.headers.get('authorization') != f'Bearer {self._token}':
            return refuse(401, 'Bad credentials')
        if path.startswith(f'repos/{REPOSITORY}/contents/oci'):
            return self._contents(request, path.removeprefix(f'repos/{REPOSITORY}/contents/oci').strip('/'))
        parts = path.split('/')
        if parts[0] == 'repos' and parts[3:4] == ['issues'] and len(parts) < 6:
            return self.issues.answer(request, '/'.join(parts[1:3]), '/'.join(parts[4:]))
        if path == f'{_WORKFLOW}/dispatches' and request.method == 'POST':
            return self._dispatch(request)
        if path == f'{_WORKFLOW}/runs':
            return self._runs(request)
        runs = f'repos/{REPOSITORY}/actions/runs/'
        if path.startswith(runs):
            number, _, rest = path.removeprefix(runs).partition('/')
            if number.isdigit() and 1 <= int(number) <= len(self.recorded()) and rest in ('', 'jobs'):
                return self._jobs(int(number)) if rest else self._run(request, int(number))
        return refuse(404, 'Not Found')

    def _contents(self, request: Request, path: str) -> Answer:
        if request.query.get('ref') != '_releases':
            return refuse(404, 'Not Found')
        if not path:
            # One image there has no releases yet, and somebody has left a file.
            names = sorted([*self._world.releases, 'vault'])
            folders = [{'name': name, 'path': f'oci/{name}', 'type': 'dir'} for name in names]
            return Answer(200, [*folders, {'name': 'README.md', 'path': 'oci/README.md', 'type': 'file'}])
        image, _, file = path.partition('/')
        if image not in self._world.releases or file != '_releases.json':
            return refuse(404, 'Not Found')
        text = json.dumps(self._world.releases[image], indent=4)
        if 'raw' in request.headers.get('accept', ''):
            return Answer(200, text)
        encoded = base64.b64encode(text.encode()).decode()
        return Answer(200, {'name': file, 'type': 'file', 'encoding': 'base64', 'content': encoded})

    def _dispatch(self, request: Request) -> Answer:
        body = request.body if isinstance(request.body, dict) else {}
        inputs = body.get('inputs') or {}
        if body.get('ref') != 'main':
            return refuse(422, f'No ref found for: {body.get("ref")}')
        if set(inputs) - _INPUTS:
            return refuse(422, f'Unexpected inputs provided: {sorted(set(inputs) - _INPUTS)}')
        missing = [name for name in ('oci-image-name', 'upload') if name not in inputs]
        if missing:
            return refuse(422, f"Required input '{missing[0]}' not provided")
        at = datetime.datetime.now(datetime.UTC)
        headers = {key: value for key, value in request.headers.items() if key != 'authorization'}
        with self._lock:
            self._recorded.append(
                {'ref': 'main', 'inputs': inputs, 'headers': headers, 'at': at.isoformat(), 'ended': False}
            )
            number = len(self._recorded)
        if not body.get('return_run_details'):
            return Answer(204)
        page = _page(request, number)
        return Answer(200, {'workflow_run_id': number, 'run_url': page, 'html_url': page})

    def _runs(self, request: Request) -> Answer:
        query = request.query
        since = datetime.datetime.fromisoformat(query.get('created', '>=1970-01-01T00:00:00Z').removeprefix('>='))
        runs = [
            self._shown(request, number)
            for number, one in enumerate(self.recorded(), 1)
            if datetime.datetime.fromisoformat(one['at']) >= since
        ]
        # The newest first.
        runs.reverse()
        size, page = int(query.get('per_page', 30)), int(query.get('page', 1))
        return Answer(200, {'total_count': len(runs), 'workflow_runs': runs[(page - 1) * size :][:size]})

    def _run(self, request: Request, number: int) -> Answer:
        """A run; it ends when somebody looks at it."""
        with self._lock:
            self._recorded[number - 1]['ended'] = True
        return Answer(200, self._shown(request, number))

    def _shown(self, request: Request, number: int) -> dict[str, Any]:
        one = self.recorded()[number - 1]
        return {
            'id': number,
            'name': 'Image',
            'display_title': f'Image - {one["inputs"]["oci-image-name"]} - refs/heads/main',
            'event': 'workflow_dispatch',
            'status': 'completed' if one['ended'] else 'in_progress',
            'conclusion': 'success' if one['ended'] else None,
            'created_at': one['at'],
            'html_url': _page(request, number),
        }

    def _jobs(self, number: int) -> Answer:
        reference = self.recorded()[number - 1]['inputs'].get('external_ref_id', 'default-id')
        steps = [{'name': name} for name in ('Set up job', reference, 'Validate image from dispatch')]
        return Answer(200, {'total_count': 1, 'jobs': [{'name': 'Prepare build', 'steps': steps}]})


def _page(request: Request, number: int) -> str:
    return f'http://{request.headers.get("host", "")}/{REPOSITORY}/actions/runs/{number}'
