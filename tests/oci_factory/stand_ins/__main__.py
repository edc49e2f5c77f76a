"""Serves on all addresses: `python -m stand_ins`.

Environment: `OCI_FACTORY_SEED` (whole number) decides what there is, `STAND_INS_TOKEN` is the token that GitHub
accepts, `STAND_INS_PORT` where to listen.
"""

from __future__ import annotations

import os
import signal
import sys

import generator

from stand_ins.server import Server, StandIns

if __name__ == '__main__':
    # The first process of a container ignores signals unless it says otherwise.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    world = generator.make(int(os.environ.get('OCI_FACTORY_SEED', '1')))
    stand_ins = StandIns(world, os.environ.get('STAND_INS_TOKEN', 'stand-in-token'))
    Server(stand_ins, '0.0.0.0', int(os.environ.get('STAND_INS_PORT', '8080'))).http.serve_forever()
