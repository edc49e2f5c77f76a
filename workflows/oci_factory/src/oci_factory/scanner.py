"""Asks a vulnerability scanner over HTTP: Harbor's interface for scanners, which adapters of Trivy and others speak.

The interface (goharbor/pluggable-scanner-spec, version 1.1) takes a request to scan an image, and is asked for the
report until there is one: 302 means that it is not there yet, 404 that the request is not known any more, 500 that the
scan has failed. Requests have exactly the keys that it names; of reports only what is needed here is read, since
adapters add keys of their own.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

import httpx
import pydantic
from temporalio.exceptions import ApplicationError

from oci_factory import web
from oci_factory.scan_model import Finding, Target
from oci_factory.settings import is_token, is_url, wrong
from oci_factory.web import Web, content

IMAGES = 'https://ghcr.io/canonical/oci-factory'
"""Where the OCI Factory keeps all revisions."""

LEAST, USUAL, MOST = 1, 5, 60
"""Seconds until a report is asked for again; `USUAL` where the scanner does not say when."""

FAILED = 'ScanFailed'
LOST = 'ScanLost'
"""Types of failures after which the scan has to be asked for anew."""

_REQUEST = 'application/vnd.scanner.adapter.scan.request+json; version=1.0'
_REPORT = 'application/vnd.security.vulnerability.report; version=1.1'
_INDEX = 'application/vnd.oci.image.index.v1+json'
_ADVICE = {
    400: 'compare its version of the interface for scanners with 1.1',
    401: 'give a valid token as OCI_FACTORY_SCANNER_TOKEN',
    403: 'give a token that may scan as OCI_FACTORY_SCANNER_TOKEN',
    404: 'check OCI_FACTORY_SCANNER',
    415: 'the scanner gives no reports of version 1.1: take another one',
    422: 'check OCI_FACTORY_SCANNED',
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Which scanner, and where it gets images.

    Attributes:
        url: `OCI_FACTORY_SCANNER`: base URL of its interface, like `https://scanner.example/api/v1`.
        token: `OCI_FACTORY_SCANNER_TOKEN`: for the scanner; empty if it wants none.
        images: `OCI_FACTORY_SCANNED`: URL of a registry with the path that images' names are appended to.
        user: `OCI_FACTORY_SCANNED_USER`: as whom the scanner gets images; empty if they are public.
        password: `OCI_FACTORY_SCANNED_PASSWORD`.
    """

    url: str
    token: str = dataclasses.field(repr=False)
    images: str
    user: str
    password: str = dataclasses.field(repr=False)

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Settings:
        """Read and check the variables.

        Raises:
            ApplicationError: not to be retried: a variable is missing or cannot be right; the sentence names it.
        """
        names = ('SCANNER', 'SCANNER_TOKEN', 'SCANNED', 'SCANNED_USER', 'SCANNED_PASSWORD')
        url, token, images, user, password = (environ.get(f'OCI_FACTORY_{name}', '').strip() for name in names)
        if not url:
            raise wrong('OCI_FACTORY_SCANNER is not set: give it to the worker')
        images = images or IMAGES
        for name, value in (('OCI_FACTORY_SCANNER', url), ('OCI_FACTORY_SCANNED', images)):
            if not is_url(value):
                raise wrong(f'{name} is no http(s) URL: change it')
            if '@' in value.split('/')[2]:
                raise wrong(f'{name} has a password in it, which logs would show: leave it out')
        if token and not is_token(token):
            raise wrong('OCI_FACTORY_SCANNER_TOKEN has characters that no token has: change it')
        if bool(user) != bool(password):
            raise wrong('OCI_FACTORY_SCANNED_USER and OCI_FACTORY_SCANNED_PASSWORD belong together: give both or none')
        return cls(url.rstrip('/'), token, images.rstrip('/'), user, password)

    @property
    def authorization(self) -> str:
        """What the scanner is to tell the registry; empty for nothing."""
        if not self.user:
            return ''
        return f'Basic {base64.b64encode(f"{self.user}:{self.password}".encode()).decode()}'


class _Sent(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra='forbid', frozen=True)


class Registry(_Sent):
    """Where the scanner gets an image."""

    url: str
    authorization: str | None = None


class Artifact(_Sent):
    """Which image."""

    repository: str = pydantic.Field(min_length=1)
    digest: str = pydantic.Field(min_length=1)
    mime_type: str = _INDEX


class ScanRequest(_Sent):
    """What the scanner is asked."""

    registry: Registry
    artifact: Artifact


class _Read(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra='ignore', frozen=True)


class Vulnerability(_Read):
    """One of a report."""

    id: str
    package: str = ''
    version: str = ''
    fix_version: str | None = None
    severity: str = 'Unknown'


class Report(_Read):
    """What the scanner has found; adapters leave the key out, or send null, for nothing."""

    vulnerabilities: list[Vulnerability] | None = None


@dataclasses.dataclass(frozen=True)
class NotYet:
    """There is no report yet.

    Attributes:
        seconds: until it should be asked for again.
    """

    seconds: int


class Scanner:
    """A scanner; a context manager.

    Args:
        settings: which one.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        secrets = (settings.authorization, settings.authorization.removeprefix('Basic '), settings.password)
        self._web = Web(settings.token, secrets=secrets)

    def __enter__(self) -> Scanner:
        return self

    def __exit__(self, *details: object) -> None:
        self._web.__exit__(*details)

    def begin(self, target: Target) -> str:
        """Have a revision scanned.

        Returns:
            The request's identifier.

        Raises:
            ApplicationError: as `Web.request` does.
        """
        place = urlsplit(self._settings.images)
        request = ScanRequest(
            registry=Registry(
                url=f'{place.scheme}://{place.netloc}', authorization=self._settings.authorization or None
            ),
            artifact=Artifact(repository=f'{place.path}/{target.image}'.lstrip('/'), digest=target.digest),
        )
        body = request.model_dump_json(exclude_none=True)
        headers = {'Content-Type': _REQUEST}
        response = self._web.request('POST', f'{self._settings.url}/scan', _ADVICE, content=body, headers=headers)
        told = content(response)
        identifier = told.get('id') if isinstance(told, dict) else None
        if not isinstance(identifier, str) or not identifier:
            raise ApplicationError('the scanner has not told how the scan is called', type='NoAnswer')
        return identifier

    def report(self, identifier: str) -> tuple[Finding, ...] | NotYet:
        """What a scan has found, or when to ask again.

        Raises:
            ApplicationError: as `Web.request` does; of type `LOST` when the scanner does not know the scan, `FAILED`
                when that has failed.
        """
        url = f'{self._settings.url}/scan/{quote(identifier, safe="")}/report'
        response = self._web.get(url, _ADVICE, accepted=(202, 302, 404, 500), headers={'Accept': _REPORT})
        if response.status_code in (202, 302):
            return NotYet(_seconds(response))
        if response.status_code == 404:
            raise ApplicationError('the scanner does not know the scan any more', type=LOST)
        if response.status_code == 500:
            raise ApplicationError(f'the scan has failed{self._web.said(response)}', type=FAILED)
        try:
            found = Report.model_validate(content(response)).vulnerabilities or []
        except pydantic.ValidationError as error:
            # The first thing that is wrong, and where; not what stands there.
            first = error.errors(include_input=False, include_url=False)[0]
            where = '.'.join(map(str, first['loc'])) or 'report'
            raise ApplicationError(f'the scanner gives odd reports: {where}: {first["msg"]}', type='NoAnswer') from None
        return tuple(Finding(one.id, one.package, one.version, one.fix_version or '', one.severity) for one in found)


def _seconds(response: httpx.Response) -> int:
    """By the interface's own header, or HTTP's."""
    for name in ('refresh-after', 'retry-after'):
        told = web.seconds(response.headers.get(name, ''))
        if told is not None:
            return min(max(told, LEAST), MOST)
    return USUAL
