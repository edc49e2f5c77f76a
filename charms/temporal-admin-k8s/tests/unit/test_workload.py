"""Running tools: what is an answer, and what is an error."""

from __future__ import annotations

import io
from typing import Any

import pytest
from ops import pebble
from temporal_charms.databases import Database, Endpoint

from plan import Step
from workload import Output, Workload


class Container:
    """A container whose programs end as told."""

    def __init__(self, failure: Exception | None = None):
        self.failure = failure
        self.environment: dict[str, str] = {}
        self.files: dict[str, str] = {}

    def pull(self, path: str) -> io.StringIO:
        """Read."""
        if path not in self.files:
            raise pebble.PathError('not-found', path)
        return io.StringIO(self.files[path])

    def push(self, path: str, content: str, **_: Any) -> None:
        """Write."""
        self.files[path] = content

    def exec(self, command: list[str], *, environment: dict[str, str], **_: Any) -> Container:
        """Start."""
        self.environment = environment
        if isinstance(self.failure, pebble.APIError):
            raise self.failure
        return self

    def wait_output(self) -> tuple[str, str]:
        """End."""
        if self.failure:
            raise self.failure
        return 'out', 'err'


def _run(failure: Exception | None) -> Output:
    return Workload(Container(failure)).run(['tctl'], {}, timeout=60)  # type: ignore[arg-type]


def test_given_a_program_that_ends_then_its_output_is_told():
    assert _run(None) == Output(0, 'out', 'err')


def test_given_a_program_that_fails_then_its_status_is_told():
    assert _run(pebble.ExecError(['tctl'], 3, None, None)) == Output(3, '', '')


@pytest.mark.parametrize(
    ('failure', 'kind', 'sentence'),
    [
        (pebble.APIError({}, 400, 'no', 'no'), FileNotFoundError, 'the image has no tctl'),
        (pebble.ChangeError('timed out', None), TimeoutError, 'tctl did not end within 60 s'),  # type: ignore[arg-type]
        (pebble.TimeoutError('timed out'), TimeoutError, 'tctl did not end within 60 s'),
    ],
)
def test_given_a_program_that_cannot_run_or_does_not_end_then_the_sentence_says_so(failure, kind, sentence):
    with pytest.raises(kind, match=sentence):
        _run(failure)


@pytest.mark.parametrize('tls', [True, False])
def test_given_a_step_then_the_tool_learns_of_tls_by_its_environment(tls):
    container = Container()
    database = Database(Endpoint('pg', 5432, 'temporal', tls=tls), 'user', 'hush')

    Workload(container).run_step(Step('update-schema', 'postgresql/v12/temporal', database))  # type: ignore[arg-type]

    assert container.environment.get('SQL_TLS') == ('true' if tls else None)
    assert container.environment.get('SQL_TLS_DISABLE_HOST_VERIFICATION') == ('true' if tls else None)
    assert (container.environment['SQL_USER'], container.environment['SQL_PASSWORD']) == ('user', 'hush')


def test_given_the_databases_authority_then_the_tool_verifies_by_it():
    container = Container()
    database = Database(Endpoint('pg', 5432, 'temporal', tls=True, ca='PEM'), 'user', 'hush')

    Workload(container).run_step(Step('update-schema', 'postgresql/v12/temporal', database))  # type: ignore[arg-type]

    assert container.files[container.environment['SQL_TLS_CA_FILE']] == 'PEM'
    assert 'SQL_TLS_DISABLE_HOST_VERIFICATION' not in container.environment
