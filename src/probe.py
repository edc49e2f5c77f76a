"""What the server of this pod answers now, by the service that watches its roles."""

from __future__ import annotations

import dataclasses
import http.client

PORT = 7232
"""Where temporal-health answers, on the pod's loopback."""


@dataclasses.dataclass(frozen=True)
class Health:
    """What the server answers now.

    Attributes:
        serving: whether every role serves.
        detail: which ones do not, for the status.
        silent: which databases do not answer the frontend of this pod; empty if all do, or if it does not serve.
    """

    serving: bool
    detail: str = ''
    silent: str = ''

    @property
    def well(self) -> bool:
        """Whether clients are served: the roles go on serving without their databases."""
        return self.serving and not self.silent


def ask() -> Health:
    """Ask the service that watches the roles; it shares the pod's network with the charm."""
    connection = http.client.HTTPConnection('127.0.0.1', PORT, timeout=2)
    try:
        serving, detail = _get(connection, '/')
        answering, silent = _get(connection, '/databases') if serving else (True, '')
        return Health(serving, detail, '' if answering else silent)
    except (OSError, http.client.HTTPException):
        return Health(False, 'the server to start')
    finally:
        connection.close()


def _get(connection: http.client.HTTPConnection, path: str) -> tuple[bool, str]:
    connection.request('GET', path)
    response = connection.getresponse()
    return response.status == 200, response.read(200).decode(errors='replace').strip()
