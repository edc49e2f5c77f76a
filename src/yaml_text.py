"""Reads what people write as YAML into an option: a value, or one sentence on what is wrong, never another exception.

PyYAML alone takes keys that stand there twice, and lets through whatever Python raises for a number, a date or a tag
that makes no sense.
"""

from __future__ import annotations

from typing import Any

import yaml

LONGEST = 100_000
"""Characters: PyYAML takes about a second for them, in each hook."""

DEEPEST = 40
"""Levels of lists and mappings."""

_LARGEST = 1 << 63
"""Numbers from here on are not for the server, which is written in Go; Python does not even print the longest ones."""

_TOO_DEEP = f'has more than {DEEPEST} levels of lists and mappings'
_MERGE = 'tag:yaml.org,2002:merge'


class Unreadable(Exception):
    """A text cannot be read; what follows the option's name in a sentence ("is no YAML: line 1: ...")."""


def load(text: str) -> Any:
    """Read a text.

    Args:
        text: as people wrote it, with its indentation.

    Returns:
        What it describes; None where it is empty or has only comments.

    Raises:
        Unreadable: when it makes no sense, or is too large to look at.
    """
    if len(text) > LONGEST:
        raise Unreadable(f'is longer than {LONGEST} characters')
    try:
        loader = _Loader(text.rstrip())
        node = loader.get_single_node()
        if node is None:
            return None
        _check(node)
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f'line {error.problem_mark.line + 1}: ' if error.problem_mark else ''
        # Some problems are only the second half of a sentence.
        context = f'{error.context}, ' if error.context and str(error.problem).startswith('but ') else ''
        raise Unreadable(f'is no YAML: {line}{context}{error.problem}') from error
    except yaml.YAMLError as error:
        raise Unreadable(f'is no YAML: {str(error).splitlines()[0][:120]}') from error
    except RecursionError as error:
        raise Unreadable(_TOO_DEEP) from error


class _Loader(yaml.SafeLoader):
    """PyYAML's own, which says where a value stands that makes no sense."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            found = super().construct_object(node, deep)
            if isinstance(found, str):
                found.encode()
            if isinstance(found, int) and not -_LARGEST <= found < _LARGEST:
                raise ValueError('beyond 64 bits')
        except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            what = f'{str(node.value)[:40]!r} is no {node.tag.rpartition(":")[2]} that can be read'
            raise yaml.constructor.ConstructorError(None, None, what, node.start_mark) from error
        return found


def _check(root: yaml.Node) -> None:
    """Look for what must not be built: cycles, what is too deep or too large, keys that stand there twice.

    Raises:
        Unreadable: when there is any.
        yaml.MarkedYAMLError: for a key.
    """
    measures: dict[int, tuple[int, int] | None] = {}

    def measure(node: yaml.Node) -> tuple[int, int]:
        """How many values there are with each alias written out, and how many levels."""
        if id(node) in measures:
            if found := measures[id(node)]:
                return found
            raise Unreadable('has an alias for what it stands in')
        measures[id(node)] = None
        size, levels = 1, 0
        for child in _children(node):
            its_size, its_levels = measure(child)
            size, levels = size + its_size, max(levels, its_levels)
        levels += isinstance(node, yaml.CollectionNode)
        if levels > DEEPEST:
            raise Unreadable(_TOO_DEEP)
        if size > LONGEST:
            raise Unreadable(f'comes to more than {LONGEST} values with its aliases')
        measures[id(node)] = size, levels
        return size, levels

    measure(root)


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        return node.value
    if not isinstance(node, yaml.MappingNode):
        return []
    seen = set()
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode) or key.tag == _MERGE:
            continue
        if (key.tag, key.value) in seen:
            problem = f'the key {key.value[:60]!r} stands there twice'
            raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        seen.add((key.tag, key.value))
    return [each for pair in node.value for each in pair]
