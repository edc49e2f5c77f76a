"""Refusals that a person can mend while the work waits: a token, a right, a setting.

They are tried again slowly. Who would rather fail at once names their types in a retry policy, as those that are final.
"""

from __future__ import annotations

import datetime

from temporalio import activity
from temporalio.exceptions import ApplicationError

UNAUTHORISED = 'Unauthorised'
"""A service refuses the token or the password, or what its owner may do."""

WRONG_SETTING = 'WrongSetting'
"""A variable of the worker's environment is missing, or cannot be right."""

TYPES = (UNAUTHORISED, WRONG_SETTING)

_FIRST, _LONGEST = 60, 300
"""Seconds until it is tried again. GitHub shuts out for a while who is refused too often in a short time."""


def mendable(sentence: str, kind: str) -> ApplicationError:
    """A failure that waits for somebody.

    Args:
        sentence: what is refused, and what to do about it.
        kind: one of `TYPES`.
    """
    attempt = activity.info().attempt if activity.in_activity() else 1
    delay = min(_FIRST * 2 ** min(attempt - 1, 10), _LONGEST)
    return ApplicationError(sentence, type=kind, next_retry_delay=datetime.timedelta(seconds=delay))
