"""The Terraform modules as data: what a test can know of them without a provider."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import hcl2
from hcl2.utils import SerializationOptions
from surface import ROOT

TERRAFORM = ROOT / 'terraform'

_PLAIN = SerializationOptions(with_comments=False, explicit_blocks=False)


def _clean(value: Any) -> Any:
    """A parsed value without the quotes of its texts; an expression stays `${...}`."""
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


def parse(text: str) -> dict[str, Any]:
    """HCL as dictionaries: kind of block to a list of blocks, each label a level of its own."""
    return _clean(hcl2.loads(text, serialization_options=_PLAIN))


@dataclasses.dataclass(frozen=True)
class Module:
    """A folder with Terraform files.

    Attributes:
        folder: where it is.
        blocks: kind of block to all such blocks of all its files, in the files' order.
    """

    folder: pathlib.Path
    blocks: Mapping[str, list[dict[str, Any]]]

    @property
    def name(self) -> str:
        """Its path below terraform/."""
        return str(self.folder.relative_to(TERRAFORM))

    def named(self, kind: str) -> dict[str, dict[str, Any]]:
        """Variables, outputs, modules: label to what stands in the block."""
        return {label: body for block in self.blocks.get(kind, []) for label, body in block.items()}

    def resources(self, kind: str = '') -> dict[str, dict[str, Any]]:
        """Resources of one kind, or of all, by kind and label: `juju_application.server`."""
        found = {}
        for block in self.blocks.get('resource', []):
            for type_, labelled in block.items():
                found |= {f'{type_}.{label}': body for label, body in labelled.items() if kind in ('', type_)}
        return found

    def child(self, label: str) -> Module:
        """The module that one of its module blocks names."""
        return load((self.folder / self.named('module')[label]['source']).resolve())


@functools.cache
def load(folder: pathlib.Path) -> Module:
    """Read all Terraform files of a folder."""
    blocks: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob('*.tf')):
        for kind, found in parse(path.read_text()).items():
            blocks.setdefault(kind, []).extend(found)
    return Module(folder, blocks)


@functools.cache
def all_modules() -> Mapping[str, Module]:
    """Every folder below terraform/ that has Terraform files, by its path there."""
    folders = sorted({path.parent for path in TERRAFORM.rglob('*.tf') if '.terraform' not in path.parts})
    return {module.name: module for module in map(load, folders)}


def files() -> list[pathlib.Path]:
    """Every file with HCL in it: modules, tests, examples of variables."""
    found = [
        path for ending in ('*.tf', '*.tftest.hcl', '*.tfvars', '*.tfvars.example') for path in TERRAFORM.rglob(ending)
    ]
    return sorted(path for path in found if '.terraform' not in path.parts)


def maps(value: Any, key: str) -> Iterator[dict[str, Any]]:
    """All maps that stand somewhere in a value under a key."""
    if isinstance(value, list):
        for item in value:
            yield from maps(item, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name == key and isinstance(item, dict):
                yield item
            yield from maps(item, key)
