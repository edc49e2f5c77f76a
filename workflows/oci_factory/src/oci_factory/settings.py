"""Where the activities find what they work on, from environment variables; read when an activity runs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

from temporalio.exceptions import ApplicationError

from oci_factory.mendable import WRONG_SETTING, mendable

WEB_INTERFACE = 'OCI_FACTORY_TEMPORAL_WEB'
"""The variable with the base URL of Temporal's web interface, to which notifications link."""

_REPOSITORY = 'canonical/oci-factory'
_CONTAINER = 'oci-factory'
_TOKEN = re.compile(r'[\x21-\x7e]+')
_OWNER_NAME = re.compile(r'[\w.-]+/[\w.-]+', re.ASCII)


@dataclasses.dataclass(frozen=True)
class Keystone:
    """As whom to ask for build metadata that are not public, by the names that OpenStack's clients have for it.

    Attributes:
        url: `OS_AUTH_URL`.
        user: `OS_USERNAME`.
        password: `OS_PASSWORD`.
        project: `OS_PROJECT_NAME`.
        user_domain: `OS_USER_DOMAIN_NAME`, else `Default`.
        project_domain: `OS_PROJECT_DOMAIN_NAME`, else `Default`.
    """

    url: str
    user: str
    password: str = dataclasses.field(repr=False)
    project: str
    user_domain: str
    project_domain: str

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Keystone | None:
        """Read and check the variables; None if there is no `OS_AUTH_URL`.

        Raises:
            ApplicationError: a variable is missing or cannot be right; the sentence names it.
        """
        url = environ.get('OS_AUTH_URL', '').strip()
        if not url:
            return None
        if not is_url(url) or '@' in url.split('/')[2]:
            raise wrong('OS_AUTH_URL is no http(s) URL, or has a password in it: change it')
        values = []
        for name in ('OS_USERNAME', 'OS_PASSWORD', 'OS_PROJECT_NAME'):
            values.append(environ.get(name, '').strip())
            if not values[-1]:
                raise wrong(f'{name} is not set, but OS_AUTH_URL is: give it to the worker')
        domains = [environ.get(f'OS_{kind}_DOMAIN_NAME', '').strip() or 'Default' for kind in ('USER', 'PROJECT')]
        return cls(url, *values, *domains)


@dataclasses.dataclass(frozen=True)
class Settings:
    """What the environment says.

    Attributes:
        releases: `OCI_FACTORY_RELEASES`: a directory, or the base URL of GitHub's API (or of one like it).
        builds: `OCI_FACTORY_BUILDS`: a directory, or the URL of an object store's container; without it, the container
            `oci-factory` at `OS_STORAGE_URL`.
        registry: `OCI_FACTORY_REGISTRY`: base URL of the registry's gallery.
        github: `OCI_FACTORY_GITHUB`: base URL of GitHub's API.
        repository: `OCI_FACTORY_REPOSITORY`: OWNER/NAME of the OCI Factory.
        issues: `OCI_FACTORY_ISSUES`: OWNER/NAME of the repository with all issues on vulnerabilities; without it, each
            image has its issue where its source is.
        token: `GITHUB_TOKEN`; may read the repository and run its workflows.
        keystone: as whom to ask for the builds; None if they are public.
    """

    releases: str
    builds: str
    registry: str
    github: str
    repository: str
    token: str = dataclasses.field(repr=False)
    keystone: Keystone | None = None
    issues: str = ''

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Settings:
        """Read and check the variables.

        Raises:
            ApplicationError: a variable is missing or cannot be right; the sentence names it.
        """
        values = {}
        for field, name in _VARIABLES.items():
            values[field] = environ.get(name, '').strip()
            if field == 'builds' and not values[field] and environ.get('OS_STORAGE_URL', '').strip():
                values[field] = f'{environ["OS_STORAGE_URL"].strip().rstrip("/")}/{_CONTAINER}'
            if not values[field]:
                raise wrong(f'{name} is not set: give it to the worker')
        for field in ('registry', 'github'):
            if not is_url(values[field]):
                raise wrong(f'{_VARIABLES[field]} is no http(s) URL: change it')
        for field in _PLACES:
            if is_url(values[field]) and '@' in values[field].split('/')[2]:
                raise wrong(f'{_VARIABLES[field]} has a password in it, which logs would show: leave it out')
        # Tested here since HTTP libraries quote in their errors the headers that they refuse.
        if not is_token(values['token']):
            raise wrong('GITHUB_TOKEN has characters that no token has: change it')
        for field in _PLACES:
            # Paths are appended to them. A lone slash is a directory.
            values[field] = values[field].rstrip('/') or '/'
        return cls(
            **values,
            repository=environ.get('OCI_FACTORY_REPOSITORY', '').strip() or _REPOSITORY,
            keystone=Keystone.load(environ),
            issues=_issues(environ),
        )


_VARIABLES = {
    'releases': 'OCI_FACTORY_RELEASES',
    'builds': 'OCI_FACTORY_BUILDS',
    'registry': 'OCI_FACTORY_REGISTRY',
    'github': 'OCI_FACTORY_GITHUB',
    'token': 'GITHUB_TOKEN',
}
_PLACES = ('releases', 'builds', 'registry', 'github')


def is_url(address: str) -> bool:
    """Whether an address is a URL rather than a directory."""
    return address.startswith(('http://', 'https://'))


def is_token(text: str) -> bool:
    """Whether a text can stand in an HTTP header as a token."""
    return _TOKEN.fullmatch(text) is not None


def _issues(environ: Mapping[str, str]) -> str:
    issues = environ.get('OCI_FACTORY_ISSUES', '').strip()
    if issues and not _OWNER_NAME.fullmatch(issues):
        raise wrong('OCI_FACTORY_ISSUES is not OWNER/NAME of a repository: change it')
    return issues


def wrong(sentence: str) -> ApplicationError:
    """A failure by what an operator has set."""
    return mendable(sentence, WRONG_SETTING)
