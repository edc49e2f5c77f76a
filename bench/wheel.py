"""Makes an archive for `workflows-file` out of one module."""

from __future__ import annotations

import pathlib
import tarfile
import zipfile


def archive(folder: pathlib.Path, name: str, text: str) -> pathlib.Path:
    """A tar archive of one wheel with one package of one module.

    Args:
        folder: where both are written.
        name: of the package and of the wheel.
        text: of the module.
    """
    wheel = folder / f'{name}-1.0-py3-none-any.whl'
    info = f'{name}-1.0.dist-info'
    files = {
        f'{name}/__init__.py': text,
        f'{info}/METADATA': f'Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: temporalio\n',
        f'{info}/WHEEL': 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n',
    }
    record = ''.join(f'{path},,\n' for path in [*files, f'{info}/RECORD'])
    with zipfile.ZipFile(wheel, 'w') as packed:
        for path, content in {**files, f'{info}/RECORD': record}.items():
            packed.writestr(path, content)
    with tarfile.open(folder / f'{name}.tar', 'w') as packed:
        packed.add(wheel, wheel.name)
    return folder / f'{name}.tar'
