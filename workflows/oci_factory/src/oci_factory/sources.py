"""Reads what the OCI Factory knows of its images, from files or services: releases, build metadata, registry tags."""

from __future__ import annotations

import fnmatch
import json
import pathlib
from collections.abc import Callable, Collection, Iterator
from typing import Any
from urllib.parse import quote

from temporalio.exceptions import ApplicationError

from oci_factory import builds
from oci_factory.settings import Settings, is_url
from oci_factory.web import Web, content

BRANCH = '_releases'
"""Where the OCI Factory keeps `oci/IMAGE/_releases.json`."""

_FILE = '_releases.json'
_OBJECT = 'build_metadata.json'
_PAGE = 1000


def images(settings: Settings, pattern: str) -> list[str]:
    """The names of the images that match a shell pattern, sorted.

    Raises:
        ApplicationError: as `Web.request` does, or when the directory does not exist.
    """
    if is_url(settings.releases):
        url = f'{settings.releases}/repos/{settings.repository}/contents/oci'
        with _releases_web(settings) as web:
            listing = content(web.get(url, _RELEASES_ADVICE, params={'ref': BRANCH}, headers=_JSON))
        names = {entry['name'] for entry in listing if entry['type'] == 'dir'}
    else:
        folder = _folder('OCI_FACTORY_RELEASES', settings.releases)
        names = {path.parent.name for path in folder.glob(f'*/{_FILE}')}
        names |= {path.name.removesuffix(f'.{_FILE}') for path in folder.glob(f'*.{_FILE}')}
    return sorted(fnmatch.filter(names, pattern))


def releases(settings: Settings, image: str) -> Any:
    """An image's `_releases.json`, parsed; empty if it has none, like an image that was never released.

    Raises:
        ApplicationError: as `Web.request` does, or when the file is no JSON.
    """
    if not is_url(settings.releases):
        folder = _folder('OCI_FACTORY_RELEASES', settings.releases)
        paths = (folder / image / _FILE, folder / f'{image}.{_FILE}')
        raw = next((path.read_bytes() for path in paths if path.is_file()), b'{}')
    else:
        url = f'{settings.releases}/repos/{settings.repository}/contents/oci/{quote(image)}/{_FILE}'
        with _releases_web(settings) as web:
            response = web.find(url, _RELEASES_ADVICE, params={'ref': BRANCH}, headers=_RAW)
            raw = b'{}' if response is None else response.content
    try:
        return json.loads(raw)
    except ValueError:
        raise ApplicationError(f'{_FILE} of {image} is no JSON: repair it', non_retryable=True) from None


def build_metadata(
    settings: Settings, image: str, revisions: Collection[int], alive: Callable[[], None]
) -> dict[str, Any]:
    """The build metadata of some revisions of an image.

    Args:
        settings: where they are.
        image: its name.
        revisions: the ones that matter.
        alive: called between the steps.

    Returns:
        TRACK/REVISION to what a rebuild needs of `build_metadata.json`; None where that is no JSON object.

    Raises:
        ApplicationError: as `Web.request` does, or when the directory does not exist.
    """
    read = _stored_builds if is_url(settings.builds) else _local_builds
    found = {}
    for name, raw in read(settings.builds, image, revisions, alive):
        try:
            parsed = json.loads(raw)
        except ValueError:
            parsed = None
        # Only what is needed goes through the workflow's history.
        found[name] = {key: parsed[key] for key in builds.KEYS if key in parsed} if isinstance(parsed, dict) else None
        alive()
    return found


def tags(settings: Settings, image: str, digests: Collection[str], alive: Callable[[], None]) -> dict[str, str]:
    """The tags that an image's registry has on some digests; tag to digest.

    Raises:
        ApplicationError: as `Web.request` does, or when the pages do not end.
    """
    # The OCI Factory publishes what it only tests with under a name of its own.
    query = {
        'repositoryName': image,
        'maxResults': _PAGE,
        'registryAliasName': 'rocksdev' if image.startswith('mock-') else 'ubuntu',
    }
    found, page = {}, ''
    with Web() as web:
        while True:
            url = f'{settings.registry}/describeImageTags'
            answer = content(
                web.request('POST', url, _REGISTRY_ADVICE, json={**query, 'nextToken': page} if page else query)
            )
            for detail in answer.get('imageTagDetails') or []:
                digest = (detail.get('imageDetail') or {}).get('imageDigest')
                if digest in digests:
                    found[detail['imageTag']] = digest
            alive()
            page, last = answer.get('nextToken') or '', page
            if not page:
                return found
            if page == last:
                raise ApplicationError(f'the registry gives the same page of tags of {image} for ever')


_JSON = {'Accept': 'application/vnd.github+json', 'X-GitHub-Api-Version': '2022-11-28'}
_RAW = {'Accept': 'application/vnd.github.raw+json', 'X-GitHub-Api-Version': '2022-11-28'}
_RELEASES_ADVICE = {
    401: 'give a valid token as GITHUB_TOKEN; it is sent where OCI_FACTORY_RELEASES is what OCI_FACTORY_GITHUB is',
    403: 'give GITHUB_TOKEN the right to read contents',
    404: 'check OCI_FACTORY_RELEASES and OCI_FACTORY_REPOSITORY, and that GITHUB_TOKEN may read the repository',
}
_BUILDS_ADVICE: dict[int, str] = dict.fromkeys(
    (401, 403, 404), 'check OCI_FACTORY_BUILDS, and that the container is public'
)

_REGISTRY_ADVICE: dict[int, str] = dict.fromkeys(
    (400, 404), 'check OCI_FACTORY_REGISTRY, and that the image is published'
)


def _releases_web(settings: Settings) -> Web:
    # The token is GitHub's, and nobody else's business.
    return Web(settings.token if settings.releases == settings.github else '')


def _folder(variable: str, path: str) -> pathlib.Path:
    folder = pathlib.Path(path)
    if not folder.is_dir():
        raise ApplicationError(f'{variable} is neither an http(s) URL nor a directory: change it', non_retryable=True)
    return folder


def _local_builds(
    place: str, image: str, revisions: Collection[int], alive: Callable[[], None]
) -> Iterator[tuple[str, bytes]]:
    alive()
    for path in sorted((_folder('OCI_FACTORY_BUILDS', place) / image).glob(f'*/*/{_OBJECT}')):
        name = f'{path.parts[-3]}/{path.parts[-2]}'
        if builds.revision_of(name) in revisions:
            yield name, path.read_bytes()


def _stored_builds(
    place: str, image: str, revisions: Collection[int], alive: Callable[[], None]
) -> Iterator[tuple[str, bytes]]:
    """From a container of an object store that answers like OpenStack's Swift."""
    with Web() as web:
        for key in _keys(web, place, f'{image}/', alive):
            name = key.removeprefix(f'{image}/').removesuffix(f'/{_OBJECT}')
            if not key.endswith(f'/{_OBJECT}') or builds.revision_of(name) not in revisions:
                continue
            # Listings lag behind: an object may be gone already.
            response = web.find(f'{place}/{quote(key)}', _BUILDS_ADVICE)
            if response is not None:
                yield name, response.content


def _keys(web: Web, place: str, prefix: str, alive: Callable[[], None]) -> Iterator[str]:
    """The names of the objects, page by page: the last page is the empty one, whatever size the others have."""
    marker = ''
    while True:
        params = {'prefix': prefix, 'format': 'json', 'marker': marker, 'limit': _PAGE}
        response = web.get(place, _BUILDS_ADVICE, params=params)
        page = content(response) if response.content else []
        alive()
        if not page:
            return
        yield from (entry['name'] for entry in page)
        marker = page[-1]['name']
