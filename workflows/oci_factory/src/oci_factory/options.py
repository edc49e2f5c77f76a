"""How activities are tried: timeouts and retries, in one place since workflows of several modules share them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio.common import RetryPolicy

from oci_factory import mendable

_FIRST, _LONGEST = timedelta(seconds=1), timedelta(minutes=5)
"""Between two attempts to read."""


def _attempts(outage: timedelta, first: timedelta = _FIRST) -> int:
    """How many it takes until the intervals between them, which double up to the longest, have outlasted an outage."""
    count, interval = 1, first
    while outage > timedelta(0):
        count, outage, interval = count + 1, outage - interval, min(interval * 2, _LONGEST)
    return count


def _tried(outage: timedelta, first: timedelta = _FIRST, final: Sequence[str] = ()) -> dict[str, Any]:
    """For what is quick unless a service hangs.

    Args:
        outage: of a service, which it outlives.
        first: between the first two attempts.
        final: types of failures after which it is not tried again.
    """
    return {
        'start_to_close_timeout': timedelta(minutes=10),
        'heartbeat_timeout': timedelta(minutes=1),
        'retry_policy': RetryPolicy(
            initial_interval=first,
            maximum_interval=_LONGEST,
            maximum_attempts=_attempts(outage, first),
            non_retryable_error_types=list(final),
        ),
    }


_LISTED = timedelta(seconds=5)
"""GitHub lists what was made some seconds afterwards: an earlier second attempt would not see it."""

# Attempts are counted rather than hours, so that the time without any worker does not count; rate limits come on top of
# that. An event comes once, so its rebuild outlives a day's outage, and a day in which its token is refused.
READ = _tried(timedelta(days=1))
DISPATCH = _tried(timedelta(days=1), _LISTED)

# The next scan is due within a day, and while this one waits it keeps rebuilds from its image.
SCAN_READ = _tried(timedelta(minutes=30), final=mendable.TYPES)
SCAN_CHANGE = _tried(timedelta(hours=2), _LISTED, final=mendable.TYPES)

# Each look at a run that goes on is an attempt, so these are not counted. GitHub ends a job after six hours; a run of
# several jobs that wait for machines takes longer, and one that waits for a person's approval for ever.
FOLLOW: dict[str, Any] = {
    'start_to_close_timeout': timedelta(minutes=5),
    'heartbeat_timeout': timedelta(minutes=1),
    'schedule_to_close_timeout': timedelta(days=1),
    'retry_policy': RetryPolicy(
        initial_interval=timedelta(seconds=10), backoff_coefficient=1.5, maximum_interval=timedelta(minutes=5)
    ),
}

# A scan takes minutes; one that has no end is given up. Attempts as for reading: half an hour's outage is outlived.
SCAN: dict[str, Any] = {
    'start_to_close_timeout': timedelta(hours=1),
    'heartbeat_timeout': timedelta(minutes=1),
    'schedule_to_close_timeout': timedelta(hours=3),
    'retry_policy': SCAN_READ['retry_policy'],
}

# Nobody waits for a notifier: it is told again soon, or not at all.
NOTIFY: dict[str, Any] = {
    'start_to_close_timeout': timedelta(seconds=15),
    'schedule_to_close_timeout': timedelta(seconds=30),
    'retry_policy': RetryPolicy(
        initial_interval=timedelta(seconds=2),
        maximum_interval=timedelta(seconds=5),
        maximum_attempts=4,
        non_retryable_error_types=list(mendable.TYPES),
    ),
}

# It asks nobody but the worker. While none is there a rebuild stands still, too: that time loses nobody's notification.
CHANNELS: dict[str, Any] = {key: value for key, value in NOTIFY.items() if key != 'schedule_to_close_timeout'}

# Each look at what may keep a rebuild waiting is an attempt; it ends with the rebuild.
WATCH: dict[str, Any] = {
    'start_to_close_timeout': timedelta(minutes=1),
    'retry_policy': RetryPolicy(initial_interval=timedelta(minutes=1), maximum_interval=_LONGEST),
}
