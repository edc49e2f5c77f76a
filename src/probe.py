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
    """

    serving: bool
    detail: str = ''


def ask() -> Health:
    """Ask the service that watches the roles; it shares the pod's network with the charm."""
    connection = http.client.HTTPConnection('127.0.0.1', PORT, timeout=2)
    try:
        connection.request('GET', '/')
        response = connection.getresponse()
        return Health(response.status == 200, response.read(200).decode(errors='replace').strip())
    except (OSError, http.client.HTTPException):
        return Health(False, 'the server to start')
    finally:
        connection.close()
