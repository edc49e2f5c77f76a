"""What the charm asks of Kubernetes: the services that follow the primary and the standbys, as the real charm has them.

A service selects pods by the label `role`, which each unit puts on its own pod. Source: `_create_services` in charm.py
of postgresql-k8s 14.
"""

from __future__ import annotations

import json
import pathlib
import ssl
import urllib.error
import urllib.request

_API = 'https://kubernetes.default.svc/api/v1/namespaces'
_ACCOUNT = pathlib.Path('/var/run/secrets/kubernetes.io/serviceaccount')
_FORBIDDEN, _CONFLICT = 403, 409


class ForbiddenError(Exception):
    """The application was deployed without --trust."""


def ensure_service(namespace: str, app: str, suffix: str, role: str, port: int) -> None:
    """A service for the pods of one role; it goes with the application.

    Args:
        namespace: the model's.
        app: the application.
        suffix: of the service's name, after the application's.
        role: the label's value.
        port: TCP.

    Raises:
        ForbiddenError: when the application is not trusted.
    """
    pod = _ask('GET', f'{namespace}/pods/{app}-0')
    metadata = {
        'name': f'{app}-{suffix}',
        'labels': {'app.kubernetes.io/name': app},
        'ownerReferences': pod['metadata']['ownerReferences'],
    }
    spec = {
        'selector': {'app.kubernetes.io/name': app, 'role': role},
        'ports': [{'name': 'database', 'port': port, 'targetPort': port}],
    }
    try:
        _ask('POST', f'{namespace}/services', {'metadata': metadata, 'spec': spec})
    except urllib.error.HTTPError as error:
        if error.code != _CONFLICT:
            raise


def label(namespace: str, pod: str, role: str | None) -> None:
    """Give a pod its role, or none.

    Raises:
        ForbiddenError: when the application is not trusted.
    """
    _ask('PATCH', f'{namespace}/pods/{pod}', {'metadata': {'labels': {'role': role}}})


def _ask(method: str, path: str, content: dict | None = None) -> dict:
    kind = 'application/merge-patch+json' if method == 'PATCH' else 'application/json'
    request = urllib.request.Request(  # noqa: S310
        f'{_API}/{path}',
        json.dumps(content).encode() if content else None,
        {'Authorization': f'Bearer {(_ACCOUNT / "token").read_text()}', 'Content-Type': kind},
        method=method,
    )
    context = ssl.create_default_context(cafile=str(_ACCOUNT / 'ca.crt'))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(request, timeout=10) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        if error.code == _FORBIDDEN:
            raise ForbiddenError from error
        raise
