"""Running tools: what is an answer, and what is an error."""

from __future__ import annotations

from typing import Any

import pytest
from ops import pebble

from workload import Output, Workload


class Container:
    """A container whose programs end as told."""

    def __init__(self, failure: Exception | None = None):
        self.failure = failure

    def exec(self, command: list[str], **_: Any) -> Container:
        """Start."""
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
