"""The content of `workflows-file`: what counts as a wheel or an archive of some, and which of them is meant."""

from __future__ import annotations

import pathlib
import tarfile
import zipfile

import pytest
import world

from loader import wheels
from loader.wheels import CodeProblem


def test_given_a_wheel_when_unpacked_then_it_gets_its_name_back(tmp_path):
    archive = tmp_path / 'workflows-file'
    tags = ('cp311-cp311-manylinux_2_17_x86_64', 'cp311-cp311-manylinux2014_x86_64')
    world.wheel(tmp_path, 'Some-Thing', tags=tags).rename(archive)

    (found,) = wheels.unpack(archive, tmp_path / 'out')

    assert found.name == 'Some_Thing-1.0-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.whl'


def test_given_archives_when_unpacked_then_the_wheels_come_out(tmp_path):
    both = [world.wheel(tmp_path, 'a'), world.wheel(tmp_path, 'b')]
    tar = world.tar(tmp_path / 'x.tar', *both)
    with tarfile.open(tmp_path / 'x.tar.gz', 'w:gz') as archive:
        archive.add(both[0], '../../a-1.0-py3-none-any.whl')
    with zipfile.ZipFile(tmp_path / 'x.zip', 'w') as archive:
        archive.write(both[1], 'some/folder/b-1.0-py3-none-any.whl')

    names = [
        [wheel.name for wheel in wheels.unpack(path, tmp_path / f'out{i}')]
        for i, path in enumerate([tar, tmp_path / 'x.tar.gz', tmp_path / 'x.zip'])
    ]

    assert names == [
        ['a-1.0-py3-none-any.whl', 'b-1.0-py3-none-any.whl'],
        ['a-1.0-py3-none-any.whl'],
        ['b-1.0-py3-none-any.whl'],
    ]


def test_given_an_archive_with_requirements_when_unpacked_then_they_come_out_and_are_no_wheel(tmp_path):
    requirements = tmp_path / 'requirements.txt'
    requirements.write_text('x')
    tar = world.tar(tmp_path / 'x.tar', world.wheel(tmp_path), requirements)

    found = wheels.unpack(tar, tmp_path / 'out')

    assert [wheel.name for wheel in found] == ['hello-1.0-py3-none-any.whl']
    assert (tmp_path / 'out' / 'requirements.txt').read_text() == 'x'


def test_given_wheels_then_those_in_one_version_are_told(tmp_path):
    for version in ('1.0', '2.0'):
        world.wheel(tmp_path, 'Some_Lib', version=version)
    world.wheel(tmp_path, 'An.Other')

    assert wheels.versions(tmp_path) == ['an-other==1.0']


def _text(path: pathlib.Path) -> pathlib.Path:
    path.write_text('just text')
    return path


def _truncated(path: pathlib.Path) -> pathlib.Path:
    wheels = [world.wheel(path.parent, name) for name in ('a', 'b')]
    whole = world.tar(path.with_name('whole.tar'), *wheels).read_bytes()
    # In the middle of the second one.
    path.write_bytes(whole[: 512 + 1024 + 512 + 100])
    return path


def _zip_without_metadata(path: pathlib.Path) -> pathlib.Path:
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('x-1.0.dist-info/WHEEL', 'Tag: py3-none-any')
    return path


@pytest.mark.parametrize(
    ('make', 'sentence'),
    [
        (_text, 'workflows-file is neither a wheel nor an archive of wheels: attach one'),
        (
            lambda path: world.tar_of_bytes(path, 'readme.txt', b'x'),
            'workflows-file is neither a wheel nor an archive of wheels: attach one',
        ),
        (
            lambda path: world.tar_of_bytes(path, 'x-1.0-py3-none-any.whl', b'no zip'),
            'workflows-file holds x-1.0-py3-none-any.whl, which is no wheel: attach one',
        ),
        (_truncated, 'workflows-file cannot be read (unexpected end of data): attach it again'),
        (_zip_without_metadata, 'a wheel in workflows-file has no METADATA: build it again'),
    ],
)
def test_given_something_else_when_unpacked_then_the_problem_is_named(tmp_path, make, sentence):
    with pytest.raises(CodeProblem) as problem:
        wheels.unpack(make(tmp_path / 'workflows-file'), tmp_path / 'out')

    assert str(problem.value) == sentence


def test_given_several_wheels_then_the_one_that_nobody_needs_is_meant(tmp_path):
    main = world.wheel(tmp_path, 'main', requires=('Some.Lib>=1; python_version > "3"', 'other[extra]'))
    needed = [world.wheel(tmp_path, 'some-lib', requires=('other',)), world.wheel(tmp_path, 'other')]

    assert wheels.main_wheel([*needed, main], '') == main


def test_given_a_name_then_that_wheel_is_meant(tmp_path):
    both = [world.wheel(tmp_path, 'a'), world.wheel(tmp_path, 'b')]

    assert wheels.main_wheel(both, both[1].name) == both[1]


@pytest.mark.parametrize(
    ('file_name', 'sentence'),
    [
        (
            '',
            'workflows-file holds several wheels that could be meant (a-1.0-py3-none-any.whl, b-1.0-py3-none-any.whl): '
            'set workflows-file-name',
        ),
        (
            'c.whl',
            'workflows-file-name is c.whl, but workflows-file holds a-1.0-py3-none-any.whl, b-1.0-py3-none-any.whl: '
            'set it to one of them',
        ),
    ],
)
def test_given_wheels_among_which_none_can_be_told_then_the_option_is_named(tmp_path, file_name, sentence):
    with pytest.raises(CodeProblem) as problem:
        wheels.main_wheel([world.wheel(tmp_path, 'a'), world.wheel(tmp_path, 'b')], file_name)

    assert str(problem.value) == sentence
