"""Reads the operator's Juju secrets, and says in a sentence why one cannot be read."""

from __future__ import annotations

import re
from collections.abc import Mapping

import ops
from temporal_charms.secret_cache import SecretCache

URI = r'(?P<uri>secret:(?://[0-9a-f-]{36}/)?(?P<id>[0-9a-z]{20}))'
"""A secret's URI as `juju add-secret` prints it, or with the model's identifier; group `id` is its last part."""


class Unreadable(Exception):
    """A secret cannot be read; a sentence for the operator.

    Args:
        problem: the sentence.
        comes: whether that can change without Juju telling: it sends no event when a secret is granted.
    """

    def __init__(self, problem: str, *, comes: bool = False):
        super().__init__(problem)
        self.comes = comes


def identifier(uri: str) -> str:
    """The last part of a secret's URI, as `juju grant-secret` takes it; empty if it is none."""
    match = re.fullmatch(URI, uri)
    return match['id'] if match else ''


def read(model: ops.Model, option: str, uri: str, app: str, secrets: SecretCache, *, anew: bool) -> Mapping[str, str]:
    """What a secret holds, in the revision that this unit has taken up.

    Args:
        model: Juju's.
        option: names the secret; for the sentence.
        uri: of the secret.
        app: this application's name.
        secrets: remembers what they held.
        anew: whether to ask Juju all the same, which alone notices that a secret is gone.

    Raises:
        Unreadable: when Juju does not let the unit read it.
    """
    try:
        return secrets.get(uri, lambda: model.get_secret(id=uri).get_content(), anew=anew)
    except ops.SecretNotFoundError:
        remedy = f'mend {option}, or juju grant-secret {identifier(uri)} {app}'
        raise Unreadable(f'{option}: secret:{identifier(uri)} is not there: {remedy}', comes=True) from None
    except ops.ModelError:
        remedy = f'juju grant-secret {identifier(uri)} {app}'
        what = f'secret:{identifier(uri)} is not granted to {app}'
        raise Unreadable(f'{option}: {what}: {remedy}', comes=True) from None
