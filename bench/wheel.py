"""Makes wheels, and archives of wheels for `workflows-file`."""

from __future__ import annotations

import pathlib
import tarfile
import zipfile
from collections.abc import Mapping, Sequence


def archive(folder: pathlib.Path, name: str, text: str) -> pathlib.Path:
    """A tar archive of one wheel with one package of one module.

    Args:
        folder: where both are written.
        name: of the package and of the wheel.
        text: of the module.
    """
    return together(folder / f'{name}.tar', wheel(folder, name, {f'{name}/__init__.py': text}, ['temporalio']))


def wheel(folder: pathlib.Path, name: str, files: Mapping[str, str], requires: Sequence[str] = ()) -> pathlib.Path:
    """A wheel.

    Args:
        folder: where it is written.
        name: of the distribution, with `_` for whatever is neither letter nor digit.
        files: path to content.
        requires: names of other distributions.
    """
    path = folder / f'{name}-1.0-py3-none-any.whl'
    info = f'{name}-1.0.dist-info'
    needs = ''.join(f'Requires-Dist: {each}\n' for each in requires)
    content = {
        **files,
        f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{needs}',
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    record = ''.join(f'{each},,\n' for each in [*content, f'{info}/RECORD'])
    with zipfile.ZipFile(path, 'w') as packed:
        for each, text in {**content, f'{info}/RECORD': record}.items():
            packed.writestr(each, text)
    return path


def together(path: pathlib.Path, *wheels: pathlib.Path) -> pathlib.Path:
    """A tar archive of wheels."""
    with tarfile.open(path, 'w') as packed:
        for each in wheels:
            packed.add(each, each.name)
    return path
