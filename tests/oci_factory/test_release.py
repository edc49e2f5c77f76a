"""Which Ubuntu release an event is about, and that nothing is guessed."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from oci_factory import release
from temporalio.exceptions import ApplicationError

EXAMPLE: dict[str, Any] = json.loads((pathlib.Path(__file__).parent / 'data' / 'event.json').read_text())


def event(**changes: object) -> dict[str, Any]:
    """The example of the OCI Factory's repository, changed; a key that is changed to `...` is left out."""
    return {key: value for key, value in (EXAMPLE | changes).items() if value is not ...}


def test_the_example() -> None:
    # Its tags say 22.04: they are not asked.
    assert EXAMPLE['series'] == 'lunar'
    assert release.decide(EXAMPLE) == '23.04'


@pytest.mark.parametrize(
    ('changes', 'version'),
    [
        ({'release': '24.04'}, '24.04'),
        ({'release': 'ubuntu:24.04'}, '24.04'),
        ({'release': 'Ubuntu 24.04.1 LTS'}, '24.04'),
        ({'release': 'noble'}, '24.04'),
        ({'release': None}, '23.04'),
        ({'release': ''}, '23.04'),
        ({'series': 'Noble '}, '24.04'),
        ({'series': '24.04'}, '24.04'),
        ({'series': 'resolute'}, '26.04'),
        # Newer than what is pinned.
        ({'series': 'zzz', 'registry_tags': ['ubuntu.azurecr.io/ubuntu:27.04']}, '27.04'),
        ({'series': 'zzz', 'registry_tags': ['docker.io/ubuntu:27.04_edge', 'docker.io/ubuntu:latest']}, '27.04'),
        ({'series': ..., 'registry_tags': ['localhost:5000/ubuntu:noble-20240101', 'x/ubuntu:24.04']}, '24.04'),
        ({'series': 7, 'registry_tags': ['x/ubuntu:noble', None, 'x/ubuntu', 'x/ubuntu@sha256:24.04']}, '24.04'),
    ],
)
def test_the_release_is(changes: dict[str, object], version: str) -> None:
    assert release.decide(event(**changes)) == version


@pytest.mark.parametrize(
    ('changes', 'said'),
    [
        ({'release': 'devel'}, "release is 'devel'"),
        ({'release': 24.04}, 'release is 24.04'),
        # The tags of the example disagree with each other once one of them is of another release.
        ({'series': 'zzz', 'registry_tags': ['x/ubuntu:22.04', 'x/ubuntu:noble']}, 'its tags name 22.04, 24.04'),
        ({'series': 'zzz', 'registry_tags': ['x/ubuntu:latest', 'x/ubuntu:124.04', 'x:1/ubuntu']}, 'no tag names'),
        ({'series': 'zzz', 'registry_tags': ['x/ubuntu:24.04.5.1']}, 'no tag names'),
        ({'series': 'zzz', 'registry_tags': 'x/ubuntu:24.04'}, 'no tag names'),
        ({'series': ..., 'registry_tags': ...}, 'its series None is unknown'),
        ({'release': 'x' * 2_000_000}, 'xxx..., which is no Ubuntu release'),
        ({'series': 'x' * 2_000_000, 'registry_tags': []}, 'xxx... is unknown, and no tag names a release'),
    ],
)
def test_what_does_not_tell_is_no_case_for_another_try(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ApplicationError) as caught:
        release.decide(event(**changes))
    assert caught.value.non_retryable and caught.value.type == release.UNDECIDABLE
    assert said in caught.value.message and len(caught.value.message) < 300


def test_all_series_have_versions() -> None:
    assert len(release.series()) > 40
    assert {'noble': '24.04', 'jammy': '22.04', 'warty': '4.10'}.items() <= release.series().items()
