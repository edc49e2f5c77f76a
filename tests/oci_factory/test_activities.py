"""What the activities read, from services and from files; and what a worker sees of them."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import generator
import pytest
from acting import DISPATCH, dispatches, fail, failure, given_up, run
from oci_factory import activities, mendable, options, settings
from served import SEED, TOKEN
from stand_ins.server import Server
from stand_ins.wire import Request
from temporalio.exceptions import ApplicationError

WORLD = generator.make(SEED)
BIG = max(WORLD.releases, key=lambda image: sum(name.startswith(f'{image}/') for name in WORLD.objects))
"""The image with most stored objects, which take several pages."""


@pytest.fixture
def directory(environment: Server, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The same world as files."""
    for number, (image, releases) in enumerate(WORLD.releases.items()):
        # Both ways to name them, in turn.
        name = f'{image}/_releases.json' if number % 2 else f'{image}._releases.json'
        path = tmp_path / 'releases' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(releases))
    for name, text in WORLD.objects.items():
        path = tmp_path / 'builds' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv('OCI_FACTORY_RELEASES', str(tmp_path / 'releases'))
    monkeypatch.setenv('OCI_FACTORY_BUILDS', f'{tmp_path}/builds/')
    return tmp_path


def test_the_images(environment: Server) -> None:
    # `vault` is there, and has no releases yet.
    assert run(activities.list_released, '*') == sorted([*WORLD.releases, 'vault'])
    assert run(activities.list_released, 'litmuschaos-*r') == sorted(
        name for name in WORLD.releases if name.startswith('litmuschaos-') and name.endswith('r')
    )
    assert run(activities.list_released, 'valkey') == ['valkey']
    error = failure(activities.list_released, 'nothing')
    assert error.non_retryable and 'no image of canonical/oci-factory is called nothing' in error.message


@pytest.mark.parametrize('image', ['valkey', 'mock-rock', generator.ODD])
def test_the_releases_of_an_image(environment: Server, image: str) -> None:
    assert run(activities.read_releases, image) == WORLD.releases[image]


def test_an_image_without_releases(environment: Server) -> None:
    assert run(activities.read_releases, 'vault') == {}


def test_build_metadata_come_page_by_page(seen: list[Request]) -> None:
    beats: list[tuple[Any, ...]] = []
    stored = {
        '/'.join(name.split('/')[1:3]): text
        for name, text in WORLD.objects.items()
        if name.startswith(f'{BIG}/') and name.endswith('/build_metadata.json')
    }
    revisions = sorted(int(name.split('/')[1]) for name in stored)[:-2]
    found = run(activities.read_build_metadata, BIG, revisions, on_heartbeat=lambda *args: beats.append(args))
    wanted = {name: text for name, text in stored.items() if int(name.split('/')[1]) in revisions}
    assert set(found) == set(wanted)
    for name, metadata in found.items():
        try:
            whole = json.loads(wanted[name])
        except ValueError:
            whole = None
        if isinstance(whole, dict):
            # What a rebuild does not need does not go through the workflow's history.
            assert metadata.items() <= whole.items()
            assert 'dir_identifier' not in metadata and ('source' in metadata) == ('source' in whole)
        else:
            assert metadata is None
    listings = [request for request in seen if request.path == '/builds']
    assert len(listings) > 2
    assert {request.query['prefix'] for request in listings} == {f'{BIG}/'}
    assert len(beats) >= len(listings) + len(found)


def test_an_object_that_went_while_it_was_listed(environment: Server) -> None:
    name = next(name for name in WORLD.objects if name.endswith('build_metadata.json'))
    image, _, revision, _ = name.split('/')
    fail(environment, 404, match=f'/builds/{name}')
    assert run(activities.read_build_metadata, image, [int(revision)]) == {}


@pytest.mark.parametrize('image', [BIG, 'mock-rock'])
def test_tags_come_page_by_page(seen: list[Request], image: str) -> None:
    wanted = sorted(set(WORLD.tags[image].values()))[:4]
    tags = run(activities.resolve_channels, image, wanted)
    assert tags == {tag: digest for tag, digest in WORLD.tags[image].items() if digest in wanted}
    assert len(seen) == -(-len(WORLD.tags[image]) // 10)
    alias = 'rocksdev' if image.startswith('mock-') else 'ubuntu'
    assert {request.body['registryAliasName'] for request in seen} == {alias}
    assert {request.body['repositoryName'] for request in seen} == {image}


def test_a_registry_that_repeats_itself(environment: Server) -> None:
    for page in ('one', 'other', 'one'):
        body = {'imageTagDetails': [], 'nextToken': page}
        fail(environment, 200, match='describeImageTags', body=body)
    assert 'same pages' in str(failure(activities.resolve_channels, 'valkey', []))


def test_tags_that_lack_something_are_none(environment: Server) -> None:
    details = [{'imageTag': 'a'}, {'imageDetail': {'imageDigest': 'x'}}, {'imageTag': 'b', 'imageDetail': None}]
    details.append({'imageTag': 'edge', 'imageDetail': {'imageDigest': 'x'}})
    fail(environment, 200, match='describeImageTags', body={'imageTagDetails': details})
    assert run(activities.resolve_channels, 'valkey', ['x']) == {'edge': 'x'}


def test_an_image_that_the_registry_does_not_have(environment: Server) -> None:
    error = failure(activities.resolve_channels, 'vault', [])
    assert error.non_retryable
    assert 'check OCI_FACTORY_REGISTRY' in error.message and 'does not exist' in error.message


def test_files_instead_of_services(directory: pathlib.Path) -> None:
    assert run(activities.list_released, 'm*') == sorted(name for name in WORLD.releases if name.startswith('m'))
    for image in ('valkey', 'mock-rock', BIG):
        assert run(activities.read_releases, image) == WORLD.releases[image]
    assert run(activities.read_releases, 'vault') == {}


def test_build_metadata_in_files_are_the_same(
    environment: Server, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    revisions = [
        int(name.split('/')[2]) for name in WORLD.objects if name.startswith(f'{BIG}/') and name.count('/') > 2
    ]
    stored = run(activities.read_build_metadata, BIG, revisions)
    request.getfixturevalue('directory')
    assert run(activities.read_build_metadata, BIG, revisions) == stored
    assert len(stored) > 10


def test_a_directory_that_is_not_there(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('OCI_FACTORY_RELEASES', '/nowhere')
    monkeypatch.setenv('OCI_FACTORY_BUILDS', '/nowhere')
    for activity, args, name in (
        (activities.list_released, ['*'], 'OCI_FACTORY_RELEASES'),
        (activities.read_build_metadata, ['valkey', [1]], 'OCI_FACTORY_BUILDS'),
    ):
        error = failure(activity, *args)
        assert error.non_retryable
        assert name in error.message


def test_a_slash_at_the_end_of_a_url(environment: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ('RELEASES', 'BUILDS', 'REGISTRY', 'GITHUB'):
        monkeypatch.setenv(f'OCI_FACTORY_{name}', os.environ[f'OCI_FACTORY_{name}'] + '/')
    assert run(activities.read_releases, 'valkey') == WORLD.releases['valkey']
    assert run(activities.read_build_metadata, 'valkey', range(1, 100))
    assert run(activities.resolve_channels, 'valkey', set(WORLD.tags['valkey'].values())) == WORLD.tags['valkey']
    run(activities.dispatch_rebuild, DISPATCH)
    assert len(dispatches(environment)) == 1


def test_importing_needs_and_does_nothing() -> None:
    """A worker imports every module and takes what is decorated."""
    program = """
import importlib, pkgutil, threading, oci_factory
found = set()
for module in pkgutil.iter_modules(oci_factory.__path__, 'oci_factory.'):
    for name, thing in vars(importlib.import_module(module.name)).items():
        marks = getattr(thing, '__dict__', {})
        if '__temporal_activity_definition' in marks or '__temporal_workflow_definition' in marks:
            found.add(name)
print(threading.active_count(), *sorted(found))
"""
    paths = {'PYTHONPATH': os.pathsep.join(sys.path)}
    result = subprocess.run(
        [sys.executable, '-B', '-c', program], env=paths, capture_output=True, text=True, check=True
    )
    assert result.stderr == ''
    assert result.stdout.split() == [
        '1',
        'ConsumeEvents',
        'ConsumeEventsWorkflow',
        'DeadLetter',
        'ImageLock',
        'RebuildForRelease',
        'RebuildImage',
        'ScanImage',
        'ScanImages',
        'change_issue',
        'consume_events',
        'dispatch_rebuild',
        'find_issue',
        'find_trouble',
        'follow_run',
        'list_notifiers',
        'list_released',
        'notify',
        'read_build_metadata',
        'read_releases',
        'resolve_channels',
        'retry_letter',
        'scan_revision',
    ]


@pytest.mark.parametrize('name', list(settings._VARIABLES.values()))
@pytest.mark.parametrize('value', [None, '  '])
def test_a_missing_variable_is_named(
    environment: Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    error = failure(activities.list_released, '*')
    assert not given_up(error, options.READ) and given_up(error, options.SCAN_READ)
    assert error.message == f'{name} is not set: give it to the worker'


@pytest.mark.parametrize(
    ('name', 'value'),
    [('OCI_FACTORY_GITHUB', 'api.github.com'), ('OCI_FACTORY_REGISTRY', '/srv'), ('GITHUB_TOKEN', f'{TOKEN}\n\x00x')],
)
def test_a_variable_that_cannot_be_right_is_named(
    environment: Server, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    # os.environ refuses what a file may nevertheless hold.
    environ = {variable: 'http://127.0.0.1:1' for variable in settings._VARIABLES.values()} | {name: value}
    with pytest.raises(ApplicationError) as caught:
        settings.Settings.load(environ)
    assert caught.value.type == mendable.WRONG_SETTING and not caught.value.non_retryable
    assert name in caught.value.message and TOKEN not in caught.value.message
