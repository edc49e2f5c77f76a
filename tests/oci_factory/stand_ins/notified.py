"""Those who are told: a Mattermost server with one channel, and a service that takes webhooks."""

from __future__ import annotations

import threading
from typing import Any

from stand_ins.wire import Answer, Request, refuse

TOKEN = 'mattermost-token'
CHANNEL = 'channel'


class Notified:
    """What they have been told."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._posts: dict[str, dict[str, Any]] = {}
        self._hooks: list[dict[str, Any]] = []

    def recorded(self) -> dict[str, Any]:
        """`posts` as they are now, and `hooks`: what came in, with `body` and `signature`."""
        with self._lock:
            return {'posts': [dict(post) for post in self._posts.values()], 'hooks': list(self._hooks)}

    def forget(self) -> None:
        """Start anew."""
        with self._lock:
            self._posts.clear()
            self._hooks.clear()

    def hook(self, request: Request) -> Answer:
        """Take a webhook."""
        with self._lock:
            self._hooks.append({'body': request.body, 'signature': request.headers.get('x-hub-signature-256', '')})
        return Answer(200, 'ok')

    def mattermost(self, request: Request, path: str) -> Answer:
        """Answer as Mattermost's API does.

        Args:
            request: what is asked.
            path: below the server's base URL.
        """
        if request.headers.get('authorization') != f'Bearer {TOKEN}':
            return refuse(401, 'Invalid or expired session, please login again.')
        place, _, rest = path.removeprefix('api/v4/posts').strip('/').partition('/')
        with self._lock:
            if request.method == 'POST' and not place:
                return self._create(request.body)
            if place not in self._posts:
                return refuse(404, 'Unable to get the post.')
            post = self._posts[place]
            if request.method == 'PUT' and rest == 'patch':
                post.update({key: request.body[key] for key in ('message', 'props') if key in request.body})
            return Answer(200, post)

    def _create(self, body: dict[str, Any]) -> Answer:
        if body.get('channel_id') != CHANNEL:
            return refuse(403, 'You do not have the appropriate permissions.')
        for post in self._posts.values():
            # A client that tries again gets what it has made before.
            if body.get('pending_post_id') and post['pending_post_id'] == body['pending_post_id']:
                return Answer(201, post)
        name = f'post{len(self._posts) + 1}'
        # The server adds properties of its own.
        props = {**body.get('props', {}), 'from_bot': 'true'}
        self._posts[name] = {
            'id': name,
            'channel_id': CHANNEL,
            'message': body.get('message', ''),
            'props': props,
            'pending_post_id': body.get('pending_post_id', ''),
            'root_id': body.get('root_id', ''),
        }
        return Answer(201, self._posts[name])
