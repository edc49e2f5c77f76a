"""Waits, acts, and begins anew."""

import asyncio
import logging
import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError

sys.path.append(str(Path(__file__).parents[2]))
logging.basicConfig(level=os.environ.get('TWC_LOG_LEVEL', 'info').upper())

with workflow.unsafe.imports_passed_through():
    import stale_rocks.activities.activity_watch as watching

_LONG = timedelta(minutes=5)


@workflow.defn
class WatchWorkflow:
    """Today's goes on for ever; this one so many times."""

    @workflow.run
    async def run(self, topic: str, group: str, rounds: int) -> dict[str, Any]:
        """Returns what came of the last round."""
        workflow.logger.info('%s: %s left', topic, rounds)
        found: dict[str, Any] = {}
        try:
            found = await workflow.execute_activity(
                watching.watch,
                args=[topic, group],
                start_to_close_timeout=_LONG,
                retry_policy=RetryPolicy(backoff_coefficient=1.2, maximum_attempts=3),
            )
        except ActivityError:
            workflow.logger.error('nothing came of it')
        link = await workflow.execute_activity(
            watching.announce, args=[found.get('release', ''), 'Success'], start_to_close_timeout=_LONG
        )
        await asyncio.sleep(1)
        if rounds > 1:
            workflow.continue_as_new(args=[topic, group, rounds - 1])
        return {**found, 'link': link}
