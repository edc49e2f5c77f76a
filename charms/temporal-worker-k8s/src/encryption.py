"""What encrypts the payloads: the operator's keys, the one in use first."""

from __future__ import annotations

import base64
import binascii
import dataclasses
from collections.abc import Mapping

import ops
from temporal_charms.secret_cache import SecretCache

from access import Access
from user_secrets import Unreadable, identifier, read

_FIRST = 'encryption-key'
_LENGTHS = (16, 24, 32)
"""Bytes of a key of AES."""


@dataclasses.dataclass(frozen=True)
class Encryption:
    """The keys.

    Attributes:
        keys: in base64, the one that encrypts first; none where payloads are not encrypted.
        problem: what is wrong with the secret, and what to do; never what stands in it.
        comes: whether it can become readable without Juju telling.
    """

    keys: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    problem: str = ''
    comes: bool = False

    @classmethod
    def load(
        cls,
        model: ops.Model,
        access: Access,
        credentials: Mapping[str, str],
        app: str,
        secrets: SecretCache,
        *,
        anew: bool,
    ) -> Encryption:
        """Read the keys and check them.

        Args:
            model: Juju's.
            access: the options.
            credentials: what the secret of `auth-secret-id` holds, where Canonical's charm has the key.
            app: this application's name.
            secrets: remembers what secrets held.
            anew: whether to ask Juju all the same.
        """
        if access.problem:
            return cls()
        if not access.encryption:
            return cls.check(f'auth-secret-id: secret:{identifier(access.secret)}', credentials)
        try:
            content = read(model, 'encryption-secret-id', access.encryption, app, secrets, anew=anew)
        except Unreadable as error:
            return cls(problem=str(error), comes=error.comes)
        where = f'encryption-secret-id: secret:{identifier(access.encryption)}'
        if not content.get(_FIRST, '').strip():
            return cls(problem=f'{where} has no key {_FIRST}: juju update-secret takes it')
        return cls.check(where, content)

    @classmethod
    def check(cls, where: str, content: Mapping[str, str]) -> Encryption:
        """The keys in a secret: `encryption-key`, then all whose names go on from there, sorted.

        Args:
            where: names the option and the secret, for the sentence.
            content: of the secret.
        """
        others = sorted(name for name in content if name.startswith(f'{_FIRST}-'))
        names = [name for name in (_FIRST, *others) if content.get(name, '').strip()]
        if names and names[0] != _FIRST:
            return cls(problem=f'{where} has {names[0]}, but no {_FIRST} that encrypts: juju update-secret takes it')
        for name in names:
            if problem := _problem(content[name].strip()):
                return cls(problem=f'{where} has under {name} {problem}: openssl rand -base64 32 makes a key')
        return cls(tuple(content[name].strip() for name in names))

    @property
    def variables(self) -> dict[str, str]:
        """Variables for code that encrypts by itself, by the name of Canonical's option, without its prefixes."""
        return {'ENCRYPTION_KEY': self.keys[0]} if self.keys else {}


def _problem(text: str) -> str:
    try:
        length = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        return 'what is no base64'
    if length not in _LENGTHS:
        return f'a key of {length} bytes, and AES takes {", ".join(map(str, _LENGTHS[:-1]))} or {_LENGTHS[-1]}'
    return ''
