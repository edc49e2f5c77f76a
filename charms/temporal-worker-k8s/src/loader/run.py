"""The worker itself: `python -m loader.run`, started by Pebble with the Python of the code's virtual environment."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

from loader import discovery, health
from loader.crew import Crew
from loader.prepare import environment_variables, install, settings


def _log(level: str) -> None:
    """Write messages of this level and above to standard error, where Pebble takes them."""
    logging.basicConfig(level=level.upper(), format='%(levelname)s %(name)s: %(message)s')
    # Its messages for debugging quote what activities are given and what they return.
    logging.getLogger('temporalio').setLevel(max(logging.getLogger().level, logging.INFO))


async def _main() -> None:
    wanted = settings()
    distribution, _ = install(wanted)
    code = discovery.find(distribution, wanted.workflows, wanted.activities)
    state = health.State()
    crew = Crew(wanted, code, state)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, crew.stop)
    tasks = [asyncio.create_task(health.serve(state)), asyncio.create_task(crew.work())]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()


if __name__ == '__main__':
    _log(settings().log_level)
    os.environ.update(environment_variables())
    asyncio.run(_main())
