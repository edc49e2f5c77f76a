"""What a rebuild of everything on 24.04 is to ask GitHub for, and what GitHub was asked."""

from __future__ import annotations

import base64
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import suite
import yaml


def expected(now: datetime.datetime) -> dict[str, dict[str, Any]]:
    """Image to trigger, by the second computation; in a process of its own, since its modules are not ours."""
    script = (
        'import datetime, json, sys; import expected, generator\n'
        'world, now = generator.make(1), datetime.datetime.fromisoformat(sys.argv[1])\n'
        'found = {image: expected.rebuild(world, image, "24.04", now)[0] for image in world.releases}\n'
        'print(json.dumps({image: content for image, content in found.items() if content["upload"]}))'
    )
    environment = {**os.environ, 'PYTHONPATH': str(suite.ROOT / 'tests' / 'oci_factory')}
    command = [sys.executable, '-c', script, now.isoformat()]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout)


def triggers(recorded: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Image to trigger, as GitHub got them; each image once."""
    found: dict[str, dict[str, Any]] = {}
    for dispatch in recorded:
        inputs = dispatch['inputs']
        assert inputs['oci-image-name'] not in found, f'{inputs["oci-image-name"]} was dispatched twice'
        found[inputs['oci-image-name']] = yaml.safe_load(base64.b64decode(inputs['b64-image-trigger']))
    return found
