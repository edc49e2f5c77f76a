"""Says in a sentence why something failed, for reports and notifications."""

from __future__ import annotations

from temporalio.exceptions import ActivityError, FailureError


def of_activity(error: ActivityError) -> str:
    """What failed, and why."""
    return f'{error.activity_type}: {cause(error)}'


def cause(error: ActivityError) -> str:
    """Why an activity failed."""
    why = error.cause
    return why.message if isinstance(why, FailureError) else str(why)


def last_cause(error: BaseException) -> str:
    """Why something failed: the last one in the chain of causes says it."""
    why = error
    while isinstance(why, FailureError) and why.cause is not None:
        why = why.cause
    return why.message if isinstance(why, FailureError) else str(why)
