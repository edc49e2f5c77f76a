"""Release files as the OCI Factory keeps them: `oci/IMAGE/_releases.json` on a branch at GitHub."""

from __future__ import annotations

from collections.abc import Collection
from urllib.parse import quote

from oci_factory.settings import Settings
from oci_factory.web import Web, content

BRANCH = '_releases'

_VERSION = {'X-GitHub-Api-Version': '2022-11-28'}
_JSON = {'Accept': 'application/vnd.github+json', **_VERSION}
_RAW = {'Accept': 'application/vnd.github.raw+json', **_VERSION}
_ADVICE = {
    401: 'give a valid token as GITHUB_TOKEN; it is sent where OCI_FACTORY_RELEASES is what OCI_FACTORY_GITHUB is',
    403: 'give GITHUB_TOKEN the right to read contents',
    404: 'check OCI_FACTORY_RELEASES and OCI_FACTORY_REPOSITORY, and that GITHUB_TOKEN may read the repository',
}


class ReleasesBranch:
    """The branch; a context manager.

    Args:
        settings: which repository.
    """

    def __init__(self, settings: Settings) -> None:
        self._url = f'{settings.releases}/repos/{settings.repository}/contents/oci'
        # The token is GitHub's, and nobody else's business.
        self._web = Web(settings.token if settings.releases == settings.github else '', follows=True)

    def __enter__(self) -> ReleasesBranch:
        return self

    def __exit__(self, *details: object) -> None:
        self._web.__exit__(*details)

    def images(self) -> Collection[str]:
        """See `sources.Releases`. GitHub lists a directory of up to 1000 entries, and all at once."""
        listing = content(self._web.get(self._url, _ADVICE, params={'ref': BRANCH}, headers=_JSON))
        return {entry['name'] for entry in listing if entry['type'] == 'dir'}

    def file(self, image: str) -> bytes | None:
        """See `sources.Releases`."""
        url = f'{self._url}/{quote(image)}/_releases.json'
        response = self._web.find(url, _ADVICE, params={'ref': BRANCH}, headers=_RAW)
        return None if response is None else response.content
