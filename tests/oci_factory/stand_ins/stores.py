"""The object store with the build metadata, and the registry with the tags."""

from __future__ import annotations

import base64
from typing import Any

import generator

from stand_ins.wire import Answer, Request, refuse

OBJECTS_PER_PAGE = 20
TAGS_PER_PAGE = 10
"""Both far smaller than those of the services, so that everything comes in pages."""


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
    size = int(request.query.get('limit', OBJECTS_PER_PAGE))
    if size > OBJECTS_PER_PAGE:
        return Answer(412, f'Maximum limit is {OBJECTS_PER_PAGE}')
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


TOKEN = 'swift-token-which-nobody-may-see'
PASSWORD = 'keystone-password-which-nobody-may-see'


def private(world: generator.World, request: Request, path: str) -> Answer:
    """The same container, closed to those who do not say who they are."""
    if request.headers.get('x-auth-token') != TOKEN:
        return Answer(401, '<html><h1>Unauthorized</h1></html>')
    return builds(world, request, path)


def identity(request: Request, path: str) -> Answer:
    """OpenStack's Keystone: a token for the password of `factory` in the project `rocks`."""
    if path != 'v3/auth/tokens':
        return refuse(404, 'Not Found')
    auth = request.body['auth']
    domain = {'name': 'Default'}
    user = {'name': 'factory', 'domain': domain, 'password': PASSWORD}
    wanted = {'identity': {'methods': ['password'], 'password': {'user': user}}}
    wanted['scope'] = {'project': {'name': 'rocks', 'domain': domain}}
    if auth != wanted:
        return Answer(401, {'error': {'code': 401, 'title': 'Unauthorized', 'message': 'The request requires auth'}})
    token = {'methods': ['password'], 'expires_at': '2090-01-01T00:00:00.000000Z', 'catalog': []}
    return Answer(201, {'token': token}, {'X-Subject-Token': TOKEN})
