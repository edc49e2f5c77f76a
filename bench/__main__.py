"""Prints the figures as tables; absolute times depend on the machine, ratios less."""

from __future__ import annotations

import os
import sys

from bench import choices, events, rebuild, server, worker

_PARTS = {'server': server.run, 'worker': worker.run, 'events': events.run, 'rebuild': rebuild.run}


def main() -> None:
    """Measure the parts that are wanted."""
    wanted = choices.read(sys.argv[1:])
    for part in wanted.parts:
        _PARTS[part](wanted.rounds)
    sys.stdout.flush()
    # Without the interpreter's orderly end: the SDK's threads now and then crash it.
    os._exit(0)


if __name__ == '__main__':
    main()
