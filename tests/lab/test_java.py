"""Kafka and the schema registry are what is pinned, or they are not there."""

from __future__ import annotations

import hashlib
import pathlib
import re
import tarfile
from typing import Any

import pytest

from lab import debian, java, programs, settings
from lab.progress import LabError


@pytest.fixture
def maven(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A folder of programs of its own, with a Maven that brings one jar and a registry."""
    pins = tmp_path / 'pins'
    pins.mkdir()
    brought = tmp_path / 'brought'
    (brought / 'registry').mkdir(parents=True)
    (brought / 'one.jar').write_bytes(b'jar')
    (brought / 'registry/app-runner.jar').write_bytes(b'runner')
    with tarfile.open(brought / 'registry.tar.gz', 'w:gz') as archive:
        archive.add(brought / 'registry/app-runner.jar', 'app-runner.jar')
    sums = {'kafka/one.jar': brought / 'one.jar', 'registry.tar.gz': brought / 'registry.tar.gz'}
    lines = [f'{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n' for name, path in sums.items()]
    (pins / 'sums.txt').write_text(''.join(lines))

    def run(argv: list[str], *, cwd: pathlib.Path, **_: Any) -> None:
        told = dict(one.removeprefix('-D').split('=', 1) for one in argv if one.startswith('-D'))
        if 'outputDirectory' in told:
            target = pathlib.Path(told['outputDirectory'], 'one.jar')
            source = brought / 'one.jar'
        else:
            group, artifact, version, kind, classifier = told['artifact'].split(':')
            folder = pathlib.Path(told['maven.repo.local'], group.replace('.', '/'), artifact, version)
            target = folder / f'{artifact}-{version}-{classifier}.{kind}'
            source = brought / 'registry.tar.gz'
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())

    monkeypatch.setattr(settings, 'PROGRAMS', tmp_path / 'programs')
    monkeypatch.setattr(programs, 'folder', lambda _: pins)
    monkeypatch.setattr(programs, 'built', lambda name: tmp_path / 'programs' / f'{name}-key')
    monkeypatch.setattr(java.commands, 'run', run)
    monkeypatch.setattr(java.shutil, 'which', lambda program: f'/usr/bin/{program}')
    return brought


def test_given_nothing_when_it_is_wanted_then_it_is_fetched_once(maven, monkeypatch):
    folder = java.ensure()

    assert {str(p.relative_to(folder)) for p in folder.rglob('*.jar')} == {'kafka/one.jar', 'registry/app-runner.jar'}
    assert not (folder.parent / 'kafka.work').exists()
    monkeypatch.setattr(java, '_fetch', lambda _: pytest.fail('fetched again'))
    assert java.ensure() == folder


def test_given_another_file_when_it_is_fetched_then_it_is_refused_and_not_kept(maven):
    (maven / 'one.jar').write_bytes(b'another jar')

    with pytest.raises(LabError, match=r'Maven brought another kafka/one\.jar than lab/programs/kafka/sums\.txt pins'):
        java.ensure()

    assert not java.fetched().exists()


def test_given_no_java_when_the_machine_is_another_one_then_it_is_said(maven, monkeypatch):
    def check() -> None:
        raise LabError('the lab runs on Debian 12 on amd64')

    monkeypatch.setattr(java.shutil, 'which', lambda _: None)
    monkeypatch.setattr(debian, 'check', check)

    with pytest.raises(LabError, match=r'Kafka needs java \(17\) and mvn, install both; the lab runs on Debian 12'):
        java.ensure()


def test_given_no_java_when_the_machine_is_the_labs_then_both_are_installed(maven, monkeypatch):
    installed: list[str] = []
    monkeypatch.setattr(java.shutil, 'which', lambda _: None)
    monkeypatch.setattr(debian, 'check', lambda: None)
    monkeypatch.setattr(debian, 'install', installed.append)

    java.ensure()

    assert installed == ['debian-java.txt']
    assert debian.wanted('debian-java.txt') == ['maven', 'openjdk-17-jre-headless']


def test_given_the_pins_then_each_file_has_one_sum():
    lines = (settings.LAB / 'programs/kafka/sums.txt').read_text().splitlines()

    assert all(re.fullmatch(r'[0-9a-f]{64}  (kafka/[\w.-]+\.jar|registry\.tar\.gz)', line) for line in lines)
    assert len({line.split()[1] for line in lines}) == len(lines) > 40
    assert any('kafka_2.13-4.3.1.jar' in line for line in lines)
