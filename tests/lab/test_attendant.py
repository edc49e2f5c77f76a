"""The packed attendant on a real Temporal server: how it sees, drains and restarts an image's own worker."""

from __future__ import annotations

import asyncio
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

pytestmark = pytest.mark.lab

_WORKER = pathlib.Path(__file__).parents[1] / 'integration' / 'own_worker.py'
_COMMAND = (sys.executable, '-c', 'import os; exec(os.environ["PROGRAM"])')
_PASSWORD = 'stand-in-password'


@pytest.fixture(scope='session')
def program(dist: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The attendant out of the charm."""
    with zipfile.ZipFile(dist / 'temporal-worker-k8s.charm') as archive:
        found = pathlib.Path(archive.extract('bin/temporal-attendant', tmp_path_factory.mktemp('attendant')))
    found.chmod(0o755)
    return found


class Attended:
    """Commands with an attendant each, one after the other.

    Args:
        program: the attendant.
        folder: for its files.
        client: of the server.
    """

    def __init__(self, program: pathlib.Path, folder: pathlib.Path, client: Client):
        self.client = client
        with socket.create_server(('127.0.0.1', 0)) as free:
            self._listen = f'127.0.0.1:{free.getsockname()[1]}'
        variables = {
            'TEMPORAL_ADDRESS': client.service_client.config.target_host,
            'TEMPORAL_NAMESPACE': client.namespace,
            'TEMPORAL_TLS': 'false',
            'TWC_QUEUE': 'own',
            'PASSWORD': _PASSWORD,
            'PROGRAM': _WORKER.read_text(),
        }
        (folder / 'environment.json').write_text(json.dumps(variables))
        options = {'environment': folder / 'environment.json', 'restarts': folder / 'restarts.json', 'queue': 'own'}
        self._program = [program, '-listen', self._listen, *(f'-{name}={value}' for name, value in options.items())]

    @asynccontextmanager
    async def running(self, *command: str) -> AsyncIterator[int]:
        """A command that runs; the attendant's process."""
        process = subprocess.Popen([*self._program, '--', *command])
        try:
            yield process.pid
        finally:
            process.terminate()
            await asyncio.to_thread(process.wait)

    def _ask(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f'http://{self._listen}/', timeout=2) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            return json.load(error)
        except OSError:
            return {'polling': False, 'operator': False, 'problem': '', 'restarts': 0}

    async def until(self, met: Callable[[dict[str, Any]], bool], seconds: float = 60) -> dict[str, Any]:
        """Wait for an answer."""
        end = time.monotonic() + seconds
        while not met(answer := await asyncio.to_thread(self._ask)):
            assert time.monotonic() < end, answer
            await asyncio.sleep(0.1)
        return answer


def _on_a_server(
    program: pathlib.Path, folder: pathlib.Path, scenario: Callable[[Attended], Coroutine[Any, Any, None]]
) -> None:
    server = shutil.which('temporal')
    assert server, 'there is no program temporal on the PATH: eval "$(make -s env)"'

    async def run() -> None:
        async with await WorkflowEnvironment.start_local(dev_server_existing_path=server) as environment:
            await scenario(Attended(program, folder, environment.client))

    asyncio.run(run())


def test_a_worker_of_an_image_from_its_first_poll_to_its_last(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    _on_a_server(program, tmp_path, _worked)


@pytest.mark.soak
def test_a_program_that_does_not_poll(program: pathlib.Path, tmp_path: pathlib.Path) -> None:
    _on_a_server(program, tmp_path, _idle)


async def _idle(attended: Attended) -> None:
    async with attended.running('sleep', '1000'):
        answer = await attended.until(lambda answer: answer['operator'], 90)
        assert 'has seen nobody poll queue own from this unit for 60 s' in answer['problem']


async def _worked(attended: Attended) -> None:
    client = attended.client
    async with attended.running(*_COMMAND):
        await attended.until(lambda answer: answer['polling'])
        assert await client.execute_workflow('Tell', 'PASSWORD', id='tell', task_queue='own') == _PASSWORD
        climb = await client.start_workflow('Climb', 20, id='climb', task_queue='own')
        await asyncio.sleep(4)

    async with attended.running(*_COMMAND) as attendant:
        # What polled before is still among the server's pollers, and does not count.
        await attended.until(lambda answer: answer['polling'])
        assert await asyncio.wait_for(climb.result(), 60) >= 4
        # One that ends at once would not count as restarted.
        await asyncio.sleep(11)
        children = pathlib.Path(f'/proc/{attendant}/task').glob('*/children')
        os.kill(next(int(pid) for file in children for pid in file.read_text().split()), signal.SIGKILL)
        answer = await attended.until(lambda answer: answer['restarts'] == 1)
        assert answer['reason'].endswith('UTC: it ended (signal: killed)')
        await attended.until(lambda answer: answer['polling'])

    async with attended.running(sys.executable, '-c', f'raise ValueError("not {_PASSWORD}")'):
        answer = await attended.until(lambda answer: answer['operator'])
        assert answer['problem'] == 'worker-command ended at once (exit status 1: ValueError: not ***)'
