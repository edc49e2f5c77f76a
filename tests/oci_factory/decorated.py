"""What a worker finds in the wheel by what is decorated, as the worker charm does: workflows and activities."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from typing import Any

import oci_factory


def _marked(mark: str) -> Iterator[Any]:
    for module in pkgutil.iter_modules(oci_factory.__path__, 'oci_factory.'):
        for thing in vars(importlib.import_module(module.name)).values():
            if getattr(thing, '__module__', '') == module.name and mark in getattr(thing, '__dict__', {}):
                yield thing


WORKFLOWS: list[type] = list(_marked('__temporal_workflow_definition'))
ACTIVITIES: list[Callable[..., Any]] = list(_marked('__temporal_activity_definition'))
