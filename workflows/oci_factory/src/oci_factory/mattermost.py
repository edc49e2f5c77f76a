"""Tells people in a Mattermost channel: one post for each rebuild or scan, grey at first, green or red at its end.

What it waits for is an answer to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from oci_factory import telling
from oci_factory.model import Notice
from oci_factory.settings import WEB_INTERFACE, is_token, is_url, wrong
from oci_factory.web import Web, content

VARIABLES = ('MATTERMOST_SERVER', 'MATTERMOST_TOKEN', 'MATTERMOST_CHANNEL_ID')
"""Under the names that the OCI Factory's engine has had for them."""

TITLES = {
    'rebuild': '[OCI Factory Temporal Workflow]: RebuildForRelease: Rebuild rocks',
    'scan': '[OCI Factory Temporal Workflow]: ScanImages: Scan rocks for vulnerabilities',
}
COLORS = {
    'Triggered': '#B0B0B0',
    'Waiting': '#E8A000',
    'Success': '#33CC33',
    'Failed': '#CC0000',
    'Cancelled': '#CC0000',
}

_ADVICE = {
    401: 'give a valid token as MATTERMOST_TOKEN',
    403: 'let the owner of MATTERMOST_TOKEN post in the channel MATTERMOST_CHANNEL_ID',
    404: 'check MATTERMOST_SERVER and MATTERMOST_CHANNEL_ID',
}


class Mattermost:
    """A channel of a server.

    Args:
        server: base URL.
        token: of a user or a bot.
        channel: its identifier.
        web: base URL of Temporal's web interface; empty for none.
    """

    def __init__(self, server: str, token: str, channel: str, web: str) -> None:
        self._posts = f'{server.rstrip("/")}/api/v4/posts'
        self._token, self._channel, self._web = token, channel, web

    def tell(self, notice: Notice, origin: telling.Origin, handle: str, /) -> str:
        """Post, or change the post; see `telling.Notifier`."""
        text = self._text(notice, origin)
        attachment = {'fallback': text, 'title': TITLES[notice.job], 'text': text, 'color': COLORS[notice.status]}
        with Web(self._token, timeout=telling.TIMEOUT) as web:
            waits = notice.status == 'Waiting'
            if waits or not handle:
                # By the last one the server knows an attempt whose answer was lost.
                post = {
                    'channel_id': self._channel,
                    'props': {'attachments': [attachment]},
                    'pending_post_id': f'{origin.run}:{notice.status}',
                }
                if handle:
                    # Nobody is made aware of a post that was changed; of an answer to it they are.
                    post['root_id'] = handle
                made = str(content(web.request('POST', self._posts, _ADVICE, json=post))['id'])
                return handle if waits else made
            # Other properties of the post are not ours to drop.
            props: dict[str, Any] = content(web.get(f'{self._posts}/{handle}', _ADVICE)).get('props') or {}
            patch = {'id': handle, 'props': {**props, 'attachments': [attachment]}}
            web.request('PUT', f'{self._posts}/{handle}/patch', _ADVICE, json=patch)
            return handle

    def _text(self, notice: Notice, origin: telling.Origin) -> str:
        lines = [f'**{name}:** {value}' for name, value in telling.facts(notice)]
        lines += [f'* {line}' for line in telling.lines(notice)]
        link = origin.link(self._web)
        lines.append(f'[More details]({link})' if link else f'Workflow {origin.workflow}')
        return '\n'.join(lines)


def load(environ: Mapping[str, str]) -> Mattermost:
    """From environment variables.

    Raises:
        ApplicationError: not to be retried: one is missing or wrong.
    """
    server, token, channel = telling.required(environ, *VARIABLES)
    if not is_url(server):
        raise wrong('MATTERMOST_SERVER is no http(s) URL: change it')
    if not is_token(token):
        raise wrong('MATTERMOST_TOKEN has characters that no token has: change it')
    return Mattermost(server, token, channel, environ.get(WEB_INTERFACE, '').strip())
