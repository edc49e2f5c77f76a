"""Takes `workflows-file` apart: a wheel, or an archive of wheels with what they need."""

from __future__ import annotations

import email.parser
import pathlib
import re
import shutil
import signal
import tarfile
import zipfile

REQUIREMENTS = 'requirements.txt'
"""Kept from an archive: it may tell the hashes of what is to be installed."""


class CodeProblem(Exception):
    """The code cannot run; a sentence for the operator that names the resource or option.

    Args:
        sentence: what is wrong.
        remedy: what is to be done, as the end of the sentence; empty where that is to attach other code.
        passing: whether the same may go well later.

    Attributes:
        remedied: whether the sentence says what is to be done.
    """

    def __init__(self, sentence: str, remedy: str = '', *, passing: bool = False):
        super().__init__(f'{sentence}: {remedy}' if remedy else sentence)
        self.remedied = bool(remedy)
        self.passing = passing


def killed(what: str, number: int) -> CodeProblem:
    """The problem that a signal has ended a program, which may go well another time.

    Args:
        what: the program.
        number: of the signal.
    """
    why = ', mostly for want of memory' if number == signal.SIGKILL else ''
    return CodeProblem(f'{what} was killed by signal {number}{why}', 'it is tried again', passing=True)


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
                members = [member for member in file.getmembers() if member.isfile() and _is_wanted(member.name)]
                contents = [(member.name, _content(file, member)) for member in members]
        elif zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                if any(name.endswith('.dist-info/WHEEL') for name in file.namelist()):
                    return [_copy_wheel(archive, target)]
                contents = [(name, file.read(name)) for name in file.namelist() if _is_wanted(name)]
        else:
            contents = []
    except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise CodeProblem(f'workflows-file cannot be read ({error})', 'attach it again') from error
    if not any(name.endswith('.whl') for name, _ in contents):
        raise CodeProblem('workflows-file is neither a wheel nor an archive of wheels', 'attach one')
    for name, content in contents:
        file = target / pathlib.PurePath(name).name
        file.write_bytes(content)
        if file.suffix == '.whl' and not zipfile.is_zipfile(file):
            raise CodeProblem(f'workflows-file holds {file.name}, which is no wheel', 'attach one')
    return sorted(target.glob('*.whl'))


def _is_wanted(name: str) -> bool:
    return name.endswith('.whl') or pathlib.PurePath(name).name == REQUIREMENTS


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
            f'workflows-file-name is {file_name}, but workflows-file holds {there}', 'set it to one of them'
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
        raise CodeProblem(
            f'workflows-file holds several wheels that could be meant ({some})', 'set workflows-file-name'
        )
    return roots[0]


def _normal(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name).lower()


def distribution(wheel: pathlib.Path) -> str:
    """The name under which a wheel is installed."""
    with zipfile.ZipFile(wheel) as file:
        return _metadata(file)['Name']


def versions(folder: pathlib.Path) -> list[str]:
    """What a folder of wheels has in one version only, as pip's constraints."""
    found: dict[str, set[str]] = {}
    for wheel in sorted(folder.glob('*.whl')):
        with zipfile.ZipFile(wheel) as file:
            metadata = _metadata(file)
        found.setdefault(_normal(metadata['Name']), set()).add(metadata['Version'])
    return [f'{name}=={version}' for name, there in found.items() if len(there) == 1 for version in there]
