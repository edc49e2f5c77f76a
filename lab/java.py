"""Kafka and a schema registry (Apicurio), for tests and demonstrations: fetched by Maven when they are first needed.

Nothing else of the lab needs them, nor the Debian packages that they need. What Maven brings is compared with the sums
in lab/programs/kafka/sums.txt, which pin it to the byte.
"""

from __future__ import annotations

import hashlib
import pathlib
import shutil

from lab import commands, debian, programs, settings
from lab.progress import LabError, Meter, step

NAME = 'kafka'

_PACKAGES = 'debian-java.txt'
_COPY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies'
# A later one wants parents of the artifact that are not published.
_GET = 'org.apache.maven.plugins:maven-dependency-plugin:2.8:get'
_REGISTRY = ('io.apicurio', 'apicurio-registry-app', '3.0.9', 'all')


def fetched() -> pathlib.Path:
    """The folder with the jars, whether it is there or not: `kafka/` and `registry/`."""
    return programs.built(NAME)


def ensure() -> pathlib.Path:
    """Fetch what is missing.

    Returns:
        The folder with the jars.

    Raises:
        LabError: when Java or Maven is missing and cannot be installed, a download fails, or brings something else.
    """
    if not all(shutil.which(program) for program in ('java', 'mvn')):
        try:
            debian.check()
        except LabError as error:
            raise LabError(f'Kafka needs java (17) and mvn, install both; {error}') from None
        debian.install(_PACKAGES)
    if not fetched().is_dir():
        with step(f'programs: {NAME}') as meter:
            _fetch(meter)
    return fetched()


def _fetch(meter: Meter) -> None:
    work = settings.PROGRAMS / f'{NAME}.work'
    shutil.rmtree(work, ignore_errors=True)
    out = work / 'out'
    out.mkdir(parents=True)
    _maven(work, meter, [_COPY, f'--file={programs.folder(NAME) / "pom.xml"}', '-DincludeScope=runtime',
                         f'-DoutputDirectory={out / "kafka"}'])  # fmt: skip
    group, artifact, version, classifier = _REGISTRY
    _maven(work, meter, [_GET, f'-Dartifact={group}:{artifact}:{version}:tar.gz:{classifier}', '-Dtransitive=false'])
    archive = out / 'registry.tar.gz'
    name = f'{artifact}-{version}-{classifier}.tar.gz'
    shutil.move(work / 'repository' / group.replace('.', '/') / artifact / version / name, archive)
    _check(out)
    shutil.unpack_archive(archive, out / 'registry')
    archive.unlink()
    out.rename(fetched())
    shutil.rmtree(work)


def _maven(work: pathlib.Path, meter: Meter, arguments: list[str]) -> None:
    """Run Maven with a repository of its own, in a folder without a project."""
    commands.run(
        ['mvn', '--batch-mode', f'-Dmaven.repo.local={work / "repository"}', *arguments],
        cwd=work,
        what=f'fetching {NAME}',
        log=f'build-{NAME}',
        on_line=meter.show,
    )


def _check(folder: pathlib.Path) -> None:
    """Compare the files with the pinned ones.

    Raises:
        LabError: when there is another one, or one is missing or different.
    """
    lines = (programs.folder(NAME) / 'sums.txt').read_text().splitlines()
    wanted = {name: digest for digest, name in (line.split() for line in lines)}
    files = [path for path in folder.rglob('*') if path.is_file()]
    found = {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    if different := sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name)):
        raise LabError(f'Maven brought another {different[0]} than lab/programs/{NAME}/sums.txt pins')
