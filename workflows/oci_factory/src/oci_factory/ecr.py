"""The registry's tags, from the gallery of Amazon's public registry (ECR)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from temporalio.exceptions import ApplicationError

from oci_factory.web import Web, content

_PAGE = 1000
_ADVICE: dict[int, str] = dict.fromkeys((400, 404), 'check OCI_FACTORY_REGISTRY, and that the image is published')


class Gallery:
    """The gallery; a context manager.

    Args:
        url: its base URL.
    """

    def __init__(self, url: str) -> None:
        self._url = f'{url}/describeImageTags'
        self._web = Web()

    def __enter__(self) -> Gallery:
        return self

    def __exit__(self, *details: object) -> None:
        self._web.__exit__(*details)

    def tags(self, image: str, alive: Callable[[], None]) -> Iterator[tuple[str, str]]:
        """See `sources.Registry`. The pages end with the one that names no next one.

        Raises:
            ApplicationError: as `Web.request` does; or retried, when the pages do not end.
        """
        # The OCI Factory publishes what it only tests with under a name of its own.
        query = {
            'repositoryName': image,
            'maxResults': _PAGE,
            'registryAliasName': 'rocksdev' if image.startswith('mock-') else 'ubuntu',
        }
        page, seen = '', set[str]()
        while True:
            seen.add(page)
            asked = {**query, 'nextToken': page} if page else query
            answer = content(self._web.request('POST', self._url, _ADVICE, json=asked))
            for detail in answer.get('imageTagDetails') or []:
                tag, digest = detail.get('imageTag'), (detail.get('imageDetail') or {}).get('imageDigest')
                if tag and digest:
                    yield tag, digest
            alive()
            page = answer.get('nextToken') or ''
            if not page:
                return
            if page in seen:
                raise ApplicationError(f'the registry gives the same pages of tags of {image} for ever')
