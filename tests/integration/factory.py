"""An OCI Factory of one image, on the lab's own address: it records what it is asked, and outlives what is killed.

Nothing is released on most of Ubuntu's series, so that a rebuild for them asks a little and ends. Requests to
dispatch are recorded each time that they come, and answered late: whoever dies meanwhile does not know what became of
his.
"""

from __future__ import annotations

import collections
import json
import pathlib
import sys
import time
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / 'oci_factory'))
import generator
from stand_ins import notified
from stand_ins.server import Server, StandIns
from stand_ins.wire import Answer, Request

IMAGE = 'storm'

RELEASED, UNRELEASED = 'noble', 'jammy'
"""A series on which the image is released, and one on which it is not."""

TOKEN = 'stand-in-token'
_LATE = 4.0
_DIGEST = f'sha256:{"5" * 64}'


def _world() -> generator.World:
    track = '1-24.04'
    metadata = {
        'source': f'canonical/{IMAGE}-rock',
        'commit': '5' * 40,
        'directory': '.',
        'ignored-vulnerabilities': '',
        'base': 'ubuntu:24.04',
        'digest': _DIGEST,
    }
    return generator.World(
        releases={IMAGE: {track: {'end-of-life': '2090-01-01T00:00:00Z', 'stable': {'target': '1'}}}},
        objects={f'{IMAGE}/{track}/1/build_metadata.json': json.dumps(metadata)},
        tags={IMAGE: {f'{track}_stable': _DIGEST, f'{track}_1': _DIGEST}},
    )


class _Late(StandIns):
    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        if request.path.endswith('/contents/oci'):
            # Without what else they have there: each would cost two cores a workflow for each event.
            return Answer(answer.status, [one for one in answer.body if one['name'] == IMAGE])
        if request.method == 'POST' and request.path.endswith('/dispatches'):
            time.sleep(_LATE)
        return answer


class Factory:
    """What the workflows ask; a context manager.

    Args:
        host: to listen on.
    """

    def __init__(self, host: str) -> None:
        self._stand_ins = _Late(_world(), TOKEN)
        self._server = Server(self._stand_ins, host)

    def __enter__(self) -> Factory:
        self._server.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._server.__exit__(*details)

    def environment(self) -> dict[str, str]:
        """With which a worker finds it."""
        url = self._server.url
        return {
            'OCI_FACTORY_RELEASES': f'{url}/github',
            'OCI_FACTORY_BUILDS': f'{url}/builds',
            'OCI_FACTORY_REGISTRY': f'{url}/registry',
            'OCI_FACTORY_GITHUB': f'{url}/github',
            'GITHUB_TOKEN': TOKEN,
        }

    def mattermost(self) -> dict[str, str]:
        """With which a worker tells people."""
        return {
            'MATTERMOST_SERVER': f'{self._server.url}/mattermost',
            'MATTERMOST_TOKEN': notified.TOKEN,
            'MATTERMOST_CHANNEL_ID': notified.CHANNEL,
        }

    def posts(self) -> list[dict[str, Any]]:
        """What stands in the channel."""
        return self._stand_ins.notified.recorded()['posts']

    def fail(self, *faults: dict[str, Any]) -> None:
        """Let requests fail, as stand_ins/faults.py describes it; without any fault, no more."""
        self._stand_ins.faults.clear()
        self._stand_ins.faults.add(list(faults))

    def dispatched(self) -> collections.Counter[str]:
        """How often GitHub was asked for a run, by external reference."""
        recorded = self._stand_ins.github.recorded()
        return collections.Counter(one['inputs'].get('external_ref_id', '') for one in recorded)
