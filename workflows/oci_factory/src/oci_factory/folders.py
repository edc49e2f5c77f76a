"""Releases and build metadata as files, for those who have a copy."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Collection, Iterator

from temporalio.exceptions import ApplicationError

_FILE = '_releases.json'
_OBJECT = 'build_metadata.json'


class ReleasesFolder:
    """`IMAGE/_releases.json` or `IMAGE._releases.json`.

    Args:
        path: of the folder.
    """

    def __init__(self, path: str) -> None:
        self._folder = _folder('OCI_FACTORY_RELEASES', path)

    def images(self) -> Collection[str]:
        """See `sources.Releases`."""
        names = {path.parent.name for path in self._folder.glob(f'*/{_FILE}')}
        return names | {path.name.removesuffix(f'.{_FILE}') for path in self._folder.glob(f'*.{_FILE}')}

    def file(self, image: str) -> bytes | None:
        """See `sources.Releases`."""
        paths = (self._folder / image / _FILE, self._folder / f'{image}.{_FILE}')
        return next((path.read_bytes() for path in paths if path.is_file()), None)


class BuildsFolder:
    """`IMAGE/TRACK/REVISION/build_metadata.json`.

    Args:
        path: of the folder.
    """

    def __init__(self, path: str) -> None:
        self._folder = _folder('OCI_FACTORY_BUILDS', path)

    def names(self, image: str, alive: Callable[[], None]) -> Iterator[str]:
        """See `sources.Builds`."""
        alive()
        for path in sorted((self._folder / image).glob(f'*/*/{_OBJECT}')):
            yield f'{path.parts[-3]}/{path.parts[-2]}'

    def file(self, image: str, name: str) -> bytes | None:
        """See `sources.Builds`."""
        path = self._folder / image / name / _OBJECT
        return path.read_bytes() if path.is_file() else None


def _folder(variable: str, path: str) -> pathlib.Path:
    folder = pathlib.Path(path)
    if not folder.is_dir():
        raise ApplicationError(f'{variable} is neither an http(s) URL nor a directory: change it', non_retryable=True)
    return folder
