"""Tells any service that takes JSON over HTTP."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
from collections.abc import Mapping

from oci_factory import telling
from oci_factory.model import Notice
from oci_factory.settings import WEB_INTERFACE, is_url, wrong
from oci_factory.web import Web

VARIABLES = ('OCI_FACTORY_WEBHOOK_URL',)

_ADVICE: dict[int, str] = dict.fromkeys((400, 401, 403, 404, 405), 'check OCI_FACTORY_WEBHOOK_URL')


class Webhook:
    """A URL.

    Args:
        url: its path is a secret, as many services have it.
        secret: signs what is sent, as GitHub does; empty for no signature.
        web: base URL of Temporal's web interface; empty for none.
    """

    def __init__(self, url: str, secret: str, web: str) -> None:
        self._url, self._secret, self._web = url, secret, web

    def tell(self, notice: Notice, origin: telling.Origin, _handle: str, /) -> str:
        """Post the notice, whichever it is; see `telling.Notifier`."""
        facts = {
            **dataclasses.asdict(notice),
            'namespace': origin.namespace,
            'workflow_id': origin.workflow,
            'run_id': origin.run,
            'link': origin.link(self._web),
        }
        body = json.dumps(facts).encode()
        headers = {'Content-Type': 'application/json', 'User-Agent': 'oci-factory'}
        if self._secret:
            signature = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
            headers['X-Hub-Signature-256'] = f'sha256={signature}'
        with Web(timeout=telling.TIMEOUT, secret_path=True) as web:
            web.request('POST', self._url, _ADVICE, content=body, headers=headers)
        return ''


def load(environ: Mapping[str, str]) -> Webhook:
    """From environment variables.

    Raises:
        ApplicationError: not to be retried: one is missing or wrong.
    """
    (url,) = telling.required(environ, *VARIABLES)
    if not is_url(url):
        raise wrong('OCI_FACTORY_WEBHOOK_URL is no http(s) URL: change it')
    secret = environ.get('OCI_FACTORY_WEBHOOK_SECRET', '').strip()
    return Webhook(url, secret, environ.get(WEB_INTERFACE, '').strip())
