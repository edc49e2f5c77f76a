"""The server in its container: makes it look like a plan, and tells whether it serves. Knows nothing of relations."""

from __future__ import annotations

import dataclasses
import http.client
import pathlib

import ops
from temporal_charms import workload

import plan

_PROGRAM = pathlib.Path(__file__).parent.parent / 'bin' / 'temporal-health'


@dataclasses.dataclass(frozen=True)
class Health:
    """What the server answers now.

    Attributes:
        serving: whether every role serves.
        detail: which ones do not, for the status.
    """

    serving: bool
    detail: str = ''


class Workload:
    """The container `temporal`."""

    def __init__(self, container: ops.Container):
        self._container = container

    def apply(self, wanted: plan.Plan) -> None:
        """Make the container look like the plan; a server that must not run stops.

        Raises:
            ops.pebble.ChangeError: when a service does not start.
        """
        if not self._container.can_connect():
            return
        if wanted.stop:
            workload.stop(self._container, (plan.SERVER, plan.HEALTH))
            return
        workload.push(self._container, wanted.files)
        if wanted.layer:
            # Neither the official image nor ours has a client for grpc.health.v1.
            workload.push_program(self._container, _PROGRAM, plan.HEALTH_PROGRAM)
            workload.replan(self._container, plan.SERVER, wanted.layer)
            if self.health().serving:
                workload.watch(self._container, plan.CHECK)

    def health(self) -> Health:
        """Ask the service that watches the roles; it shares the pod's network with the charm."""
        connection = http.client.HTTPConnection('127.0.0.1', plan.HEALTH_PORT, timeout=2)
        try:
            connection.request('GET', '/')
            response = connection.getresponse()
            return Health(response.status == 200, response.read(200).decode(errors='replace').strip())
        except (OSError, http.client.HTTPException):
            return Health(False, 'the server to start')
        finally:
            connection.close()
