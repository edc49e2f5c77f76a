"""What the integrator knows: its options and the operator's secret, read once per hook and checked."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping

import ops
from temporal_charms.external_service import NAME, URL
from temporal_charms.secret_cache import identifier
from temporal_charms.secret_text import is_binary

# A port is digits: a password before an `@`, which may have `/`, `?` and `#` in it, passes for no host.
_HOST = r'(\[[0-9A-Fa-f:.]+\]|[^\s\x00-\x1f\x7f@/?#:,\[\]]+)(:\d{1,5})?'
_URL = re.compile(rf'[A-Za-z][A-Za-z0-9+.-]*://{_HOST}(,{_HOST})*([/?#][^\s\x00-\x1f\x7f]*)?')

# Terraform's provider makes secrets with any keys, and ops refuses to hand over such.
_KEY = re.compile(r'[a-z](-?[a-z0-9]){2,}')


@dataclasses.dataclass(frozen=True)
class Config:
    """The options, valid or with a problem.

    Attributes:
        name: `name`, or the application's.
        url: `url`.
        credentials: URI of the operator's secret; empty where there is none.
        problem: what is wrong with them.
    """

    name: str
    url: str
    credentials: str
    problem: str = ''

    @classmethod
    def load(cls, raw: Mapping[str, object], app: str) -> Config:
        """Read and check the options."""
        name, url = str(raw['name']).strip() or app, str(raw['url']).strip()
        problem = ''
        if not NAME.fullmatch(name):
            problem = (
                f'name must be up to 63 letters, digits and -, beginning with a letter: juju config {app} name=NAME'
            )
        elif not url:
            problem = f'no url: juju config {app} url=https://...'
        elif not _URL.fullmatch(url):
            # An operator may have written a password into it: it is not repeated.
            problem = (
                'url must be like https://HOST/PATH, without user and password (these go into credentials): '
                f'juju config {app} url=https://...'
            )
        return cls(name, url, str(raw.get('credentials', '')), problem)


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What the operator's secret holds.

    Attributes:
        content: key to value; empty where there is no secret.
        problem: why it cannot be handed over.
    """

    content: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    problem: str = ''

    @classmethod
    def load(cls, model: ops.Model, uri: str) -> Credentials:
        """Read its newest revision."""
        app = model.app.name
        if not uri:
            return cls()
        name = identifier(uri)
        try:
            content = model.get_secret(id=uri).get_content(refresh=True)
        except ops.ModelError:
            remedy = f'mend credentials, or juju grant-secret {name} {app}'
            return cls(problem=f'credentials: secret:{name} is not there, or not granted: {remedy}')
        if URL in content:
            return cls(problem=f'credentials: secret:{name} has a key {URL}, which is the option: take it out there')
        if refused := next((key for key in content if not _KEY.fullmatch(key)), ''):
            return cls(
                problem=f'credentials: secret:{name} has a key {refused[:40]}, which Juju does not let charms use '
                '(three or more of a-z, 0-9 and -, beginning with a letter): give it another name there'
            )
        if binary := next((key for key, value in content.items() if is_binary(value)), ''):
            return cls(problem=f'credentials: secret:{name} has binary data under {binary}: mend the secret')
        return cls(content)


@dataclasses.dataclass(frozen=True)
class Facts:
    """Everything that is decided from."""

    config: Config
    credentials: Credentials

    @classmethod
    def load(cls, charm: ops.CharmBase) -> Facts:
        """Read every source once."""
        config = Config.load(charm.config, charm.app.name)
        return cls(config, Credentials.load(charm.model, config.credentials))
