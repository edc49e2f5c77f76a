"""Where the workflow code's environment comes from: the file `env-file`, and Juju's user secrets."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import re
from collections.abc import Iterator, Mapping

import ops
from temporal_charms.secret_cache import SecretCache
from temporal_charms.secret_text import is_binary

from user_secrets import URI, Unreadable, read

_NAME = re.compile(r'[A-Za-z_][A-Za-z0-9_]*')
_ENTRY = re.compile(
    rf'(?:(?P<variable>{_NAME.pattern})=)?'
    rf'{URI}'
    r'(?:#(?P<key>[a-z][a-z0-9-]*))?'
)


@dataclasses.dataclass(frozen=True)
class Variables:
    """The environment of `env-file`.

    Attributes:
        values: name to value.
        problem: which line cannot be read; never what stands in it.
    """

    values: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    problem: str = ''

    @classmethod
    def load(cls, path: pathlib.Path | None, app: str) -> Variables:
        """Read the dotenv file as python-dotenv defines it: quotes, `export`, several lines, `${NAME:-default}`.

        What `${NAME}` refers to is looked up in the file alone: the charm's own environment is none of the code's.
        """
        if path is None:
            return cls()
        remedy = f'mend it and juju attach-resource {app} env-file=FILE.env'
        try:
            # Editors on Windows put a mark before the first name.
            text = path.read_text(encoding='utf-8-sig')
        except UnicodeDecodeError:
            return cls(problem=f'env-file is no text: {remedy}')
        from dotenv import parser, variables

        values: dict[str, str] = {}
        for binding in parser.parse_stream(io.StringIO(text)):
            if binding.error or (binding.key is not None and binding.value is None):
                return cls(problem=f'env-file: line {_line(binding.original)} is not NAME=VALUE: {remedy}')
            if binding.key is not None and binding.value is not None:
                if not _NAME.fullmatch(binding.key) or '\0' in binding.value:
                    return cls(problem=f'env-file: line {_line(binding.original)} is no variable: {remedy}')
                atoms = variables.parse_variables(binding.value)
                values[binding.key] = ''.join(atom.resolve(values) for atom in atoms)
        return cls(values)


def _line(original) -> int:
    """The line on which a binding's text stands; the parser counts the blank ones before it, too."""
    blank = len(original.string) - len(original.string.lstrip('\n'))
    return original.line + blank


@dataclasses.dataclass(frozen=True)
class Wish:
    """An entry of the option `environment-secrets`.

    Attributes:
        uri: of the secret.
        identifier: its last part, as `juju grant-secret` takes it.
        key: of the secret; empty for all.
        variable: what it is to be called; empty for the keys' own names.
    """

    uri: str
    identifier: str
    key: str = ''
    variable: str = ''

    def take(self, content: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Variables and the secret's keys that they come from.

        Raises:
            KeyError: when the secret lacks the key.
        """
        if self.variable:
            if self.key not in content:
                raise KeyError(self.key)
            yield self.variable, self.key
        else:
            for key in content:
                yield key.upper().replace('-', '_'), key


def wishes(option: str, app: str) -> tuple[tuple[Wish, ...], str]:
    """The entries of `environment-secrets`, and what is wrong with them.

    What is wrong is named by its number: an operator may have pasted the secret itself.
    """
    found = []
    for number, entry in enumerate(option.replace(',', ' ').split(), 1):
        match = _ENTRY.fullmatch(entry)
        if not match or bool(match['variable']) != bool(match['key']):
            return (), (
                f'environment-secrets: entry {number} is neither secret:ID nor VARIABLE=secret:ID#KEY: '
                f'juju secrets tells the IDs, juju config {app} environment-secrets=...'
            )
        found.append(Wish(match['uri'], match['id'], match['key'] or '', match['variable'] or ''))
    return tuple(found), ''


@dataclasses.dataclass(frozen=True)
class Secrets:
    """The environment of `environment-secrets`.

    Attributes:
        values: name to value.
        problem: which secret cannot be read, and what to do.
        comes: whether that can change without Juju telling: it sends no event when a secret is granted.
    """

    values: Mapping[str, str] = dataclasses.field(default_factory=dict, repr=False)
    problem: str = ''
    comes: bool = False

    @classmethod
    def load(cls, model: ops.Model, option: str, app: str, secrets: SecretCache, *, anew: bool) -> Secrets:
        """Read the secrets.

        Args:
            model: Juju's.
            option: `environment-secrets`.
            app: this application's name.
            secrets: remembers what they held.
            anew: whether to ask Juju all the same, which alone notices that a secret is gone.
        """
        wanted, problem = wishes(option, app)
        if problem:
            return cls(problem=problem)
        values: dict[str, str] = {}
        sources: dict[str, tuple[str, str]] = {}
        for wish in wanted:
            try:
                content = read(model, 'environment-secrets', wish.uri, app, secrets, anew=anew)
                for variable, key in wish.take(content):
                    if sources.setdefault(variable, (wish.identifier, key)) != (wish.identifier, key):
                        return cls(problem=f'environment-secrets gives {variable} twice: take one of them away')
                    if not _NAME.fullmatch(variable):
                        remedy = 'name it, as VARIABLE=secret:ID#KEY does, or mend the secret'
                        return cls(problem=_cannot(wish.identifier, f'has a key {key[:40]}, no variable', remedy))
                    if is_binary(content[key]):
                        return cls(problem=_cannot(wish.identifier, f'has binary data under {key}', 'mend the secret'))
                    values[variable] = content[key]
            except KeyError:
                remedy = 'mend the secret or environment-secrets'
                return cls(problem=_cannot(wish.identifier, f'has no key {wish.key}', remedy))
            except Unreadable as error:
                return cls(problem=str(error), comes=error.comes)
        return cls(values)


def _cannot(identifier: str, what: str, remedy: str) -> str:
    return f'environment-secrets: secret:{identifier} {what}: {remedy}'
