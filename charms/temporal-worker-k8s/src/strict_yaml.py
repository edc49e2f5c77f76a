"""YAML whose mistakes are all told as such; imported where it is used, since most units read none."""

from __future__ import annotations

from typing import Any

import yaml


def load(text: str) -> Any:
    """Read a document.

    Raises:
        yaml.YAMLError: when it is none.
    """
    loader = _Loader(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """PyYAML's own lets the last of equal keys win, and what Python raises for an impossible value escape."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        found: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in found:
                    raise _mistake(key, 'stands there twice')
                found.add(key.value)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):
            raise _mistake(node, f'is no {node.tag.rpartition(":")[2]}') from None


def _mistake(node: yaml.Node, what: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f'{str(node.value)[:60]} {what}', problem_mark=node.start_mark)
