"""Takes `workflows-file` apart and installs it: a wheel, or an archive of wheels with everything they need."""

from __future__ import annotations

import email.parser
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile


class CodeProblem(Exception):
    """The code cannot run; a sentence for the operator that names the resource or option."""


def unpack(archive: pathlib.Path, target: pathlib.Path) -> list[pathlib.Path]:
    """Put the wheels into a folder, under the names that their own metadata gives them.

    Raises:
        CodeProblem: when the file is neither a wheel nor an archive of wheels.
    """
    target.mkdir(parents=True, exist_ok=True)
    try:
        # In this order: to zipfile, a tar that ends with a wheel is that wheel.
        if tarfile.is_tarfile(archive):
            with tarfile.open(archive) as file:
                members = [member for member in file.getmembers() if member.isfile() and member.name.endswith('.whl')]
                contents = [(member.name, _content(file, member)) for member in members]
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                if any(name.endswith('.dist-info/WHEEL') for name in file.namelist()):
                    return [_copy_wheel(archive, target)]
                contents = [(name, file.read(name)) for name in file.namelist() if name.endswith('.whl')]
        else:
            contents = []
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise CodeProblem(f'workflows-file cannot be read ({error}): attach it again') from error
    if not contents:
        raise CodeProblem('workflows-file is neither a wheel nor an archive of wheels: attach one')
    for name, content in contents:
        wheel = target / pathlib.PurePath(name).name
        wheel.write_bytes(content)
        if not zipfile.is_zipfile(wheel):
            raise CodeProblem(f'workflows-file holds {wheel.name}, which is no wheel: attach one')
    return sorted(target.glob('*.whl'))


def _content(file: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = file.extractfile(member)
    assert stream is not None
    return stream.read()


def _copy_wheel(archive: pathlib.Path, target: pathlib.Path) -> pathlib.Path:
    """A resource has lost its file's name, and pip insists on it."""
    with zipfile.ZipFile(archive) as file:
        metadata, tags = _metadata(file), _headers(file, 'WHEEL').get_all('Tag', [])
    pythons, abis, platforms = (sorted({tag.split('-')[i] for tag in tags}) for i in range(3))
    name = re.sub(r'[-_.]+', '_', metadata['Name'])
    path = target / f'{name}-{metadata["Version"]}-{".".join(pythons)}-{".".join(abis)}-{".".join(platforms)}.whl'
    shutil.copy(archive, path)
    return path


def _headers(file: zipfile.ZipFile, name: str):
    found = next((n for n in file.namelist() if n.count('/') == 1 and n.endswith(f'.dist-info/{name}')), None)
    if found is None:
        raise CodeProblem(f'a wheel in workflows-file has no {name}: build it again')
    return email.parser.Parser().parsestr(file.read(found).decode())


def _metadata(file: zipfile.ZipFile):
    return _headers(file, 'METADATA')


def main_wheel(wheels: list[pathlib.Path], file_name: str) -> pathlib.Path:
    """The wheel with the workflows: the one that is named, or the one that no other one needs.

    Raises:
        CodeProblem: when there is no such wheel, or none can be told from the others.
    """
    if file_name:
        for wheel in wheels:
            if wheel.name == file_name:
                return wheel
        there = ', '.join(w.name for w in wheels[:3])
        raise CodeProblem(
            f'workflows-file-name is {file_name}, but workflows-file holds {there}: set it to one of them'
        )
    needed: set[str] = set()
    names: dict[pathlib.Path, str] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as file:
            metadata = _metadata(file)
        names[wheel] = _normal(metadata['Name'])
        needed |= {
            _normal(re.split(r'[^\w.-]', requirement)[0]) for requirement in metadata.get_all('Requires-Dist', [])
        }
    roots = [wheel for wheel in wheels if names[wheel] not in needed]
    if len(roots) != 1:
        some = ', '.join(w.name for w in (roots or wheels)[:3])
        raise CodeProblem(f'workflows-file holds several wheels that could be meant ({some}): set workflows-file-name')
    return roots[0]


def _normal(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def distribution(wheel: pathlib.Path) -> str:
    """The name under which a wheel is installed."""
    with zipfile.ZipFile(wheel) as file:
        return _metadata(file)['Name']


def install(wheel: pathlib.Path, wheels: pathlib.Path, environment: pathlib.Path) -> None:
    """Install a wheel and what it needs from a folder of wheels, on top of what the image has; no index is asked.

    Raises:
        CodeProblem: when something it needs is neither in the folder nor in the image.
    """
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', '--system-site-packages', environment], check=True)
    result = subprocess.run(
        [sys.executable, '-m', 'pip', '--python', environment / 'bin/python', 'install', '--quiet', '--no-index',
         '--no-cache-dir', '--disable-pip-version-check', '--find-links', wheels, wheel],
        capture_output=True,
        text=True,
    )  # fmt: skip
    if result.returncode == 0:
        return
    errors = [line.removeprefix('ERROR: ') for line in result.stderr.splitlines() if line.startswith('ERROR: ')]
    for line in errors:
        if match := re.match(r'No matching distribution found for ([^ ;(]+)', line):
            raise CodeProblem(f'workflows-file lacks a wheel for {match[1]}: add it to the archive')
    if 'No module named pip' in result.stderr:
        raise CodeProblem('temporal-worker-image has no pip: attach an image with Python, pip and temporalio')
    raise CodeProblem(f'workflows-file cannot be installed: {(errors or result.stderr.splitlines() or ["?"])[0]}')
