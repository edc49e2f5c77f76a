"""What must be so before anything is told, and what is told. Pure."""

from __future__ import annotations

import ops
from temporal_charms.conditions import Condition
from temporal_charms.external_service import Service

from facts import Facts

CONDITIONS: tuple[Condition[Facts], ...] = (
    Condition(
        'options',
        lambda facts: not facts.config.problem,
        lambda facts: ops.BlockedStatus(facts.config.problem),
    ),
    Condition(
        'credentials',
        lambda facts: not facts.credentials.problem,
        lambda facts: ops.BlockedStatus(facts.credentials.problem),
    ),
)


def service(facts: Facts, secret: str) -> Service:
    """What related applications are told.

    Args:
        facts: that meet the conditions.
        secret: URI of this application's own; empty where there are no credentials.
    """
    return Service(facts.config.name, facts.config.url, secret)
