"""The object store with the build metadata, and the registry with the tags."""

from __future__ import annotations

import base64
from typing import Any

import generator

from stand_ins.wire import Answer, Request, refuse

OBJECTS_PER_PAGE = 20
TAGS_PER_PAGE = 10
"""Both far smaller than anybody asks for, so that everything comes in pages."""


def builds(world: generator.World, request: Request, name: str) -> Answer:
    """A container of an object store like OpenStack Swift's.

    Args:
        world: what is in it.
        request: what is asked.
        name: of an object; empty for the listing.
    """
    if name:
        return Answer(200, world.objects[name]) if name in world.objects else Answer(404, 'Not Found')
    prefix, marker = request.query.get('prefix', ''), request.query.get('marker', '')
    size = min(int(request.query.get('limit', 10000)), OBJECTS_PER_PAGE)
    names = [key for key in world.objects if key.startswith(prefix) and key > marker][:size]
    if request.query.get('format') == 'json':
        return Answer(200, [{'name': key, 'bytes': len(world.objects[key])} for key in names])
    return Answer(200, '\n'.join(names)) if names else Answer(204)


def registry(world: generator.World, request: Request) -> Answer:
    """The tags of an image, as the gallery of Amazon ECR gives them."""
    body = request.body if isinstance(request.body, dict) else {}
    image = body.get('repositoryName', '')
    alias = 'rocksdev' if image.startswith('mock-') else 'ubuntu'
    if image not in world.tags or body.get('registryAliasName') != alias:
        return refuse(400, f'The repository with name {image} does not exist')
    tags = sorted(world.tags[image].items())
    token = body.get('nextToken', '')
    start = int(base64.b64decode(token)) if token else 0
    end = start + min(int(body.get('maxResults', 100)), TAGS_PER_PAGE)
    answer: dict[str, Any] = {
        'imageTagDetails': [
            {'imageTag': tag, 'imageDetail': {'imageDigest': digest}} for tag, digest in tags[start:end]
        ]
    }
    if end < len(tags):
        answer['nextToken'] = base64.b64encode(str(end).encode()).decode()
    return Answer(200, answer)
