"""The interface `nginx-route`; requirer's side.

Requirer, application databag, raw strings: `service-namespace`, `service-name`, `service-port`, `service-hostname`, and
`backend-protocol`, so that nobody edits an ingress object by hand. The provider writes nothing. Source: the nginx_route
library of nginx-ingress-integrator, v0.
"""

from __future__ import annotations


def application(model: str, name: str, port: int, hostname: str) -> dict[str, str]:
    """What the leader writes.

    Args:
        model: the model, which is the Kubernetes namespace.
        name: the application, which is the Kubernetes service.
        port: the service's port, speaking gRPC.
        hostname: under which clients from outside ask for it.
    """
    return {
        'service-namespace': model,
        'service-name': name,
        'service-port': str(port),
        'service-hostname': hostname,
        'backend-protocol': 'GRPC',
    }
