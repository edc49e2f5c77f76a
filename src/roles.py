"""The services inside a Temporal server, with the ports and names that Temporal gives them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Role:
    """One service.

    Attributes:
        name: as `--service` takes it.
        port: gRPC.
        membership_port: gossip between the members of the cluster.
        health: the name under which grpc.health.v1 knows it.
        http_port: HTTP API, for the frontend.
    """

    name: str
    port: int
    membership_port: int
    health: str
    http_port: int = 0


FRONTEND = Role('frontend', 7233, 6933, 'temporal.api.workflowservice.v1.WorkflowService', 7243)

ROLES: dict[str, Role] = {
    role.name: role
    for role in (
        FRONTEND,
        Role('history', 7234, 6934, 'temporal.api.workflowservice.v1.HistoryService'),
        Role('matching', 7235, 6935, 'temporal.api.workflowservice.v1.MatchingService'),
        Role('worker', 7239, 6939, 'temporal.api.workflowservice.v1.WorkerService'),
    )
}
"""All that this charm runs. The internal frontend is not among them: it gives every caller all rights, and so stays off
until there is authorisation."""
