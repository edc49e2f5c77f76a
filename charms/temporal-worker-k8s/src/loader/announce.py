"""Tells Juju when the worker's answer changes: `announce.py PORT NOTICE`, started by Pebble beside the worker.

A process of its own, since Juju is told only of root's notices, and workflow code must not run as root. It asks four
times a second, so that no outage is so short that a hook can see it and this does not; a Pebble check would need a
threshold.
"""

import http.client
import json
import subprocess
import sys
import time

Answer = tuple[bool, str, str, str, str]
"""Whether the worker polls, what the operator has to do about it if not, and what will keep it from it; what is kept
running, and why not."""


def ask(port: int) -> Answer:
    """What the worker answers; a worker that starts, or waits for its server, has nothing for the operator."""
    connection = http.client.HTTPConnection('127.0.0.1', port, timeout=2)
    try:
        connection.request('GET', '/')
        answer = json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException):
        return False, '', '', '', ''
    finally:
        connection.close()
    problem = answer['problem'] if answer['operator'] else ''
    return answer['polling'], problem, answer['warning'], answer['standing'], answer['trouble']


def main(port: int, notice: str) -> None:
    """Send a notice at every change; the charm takes a worker that has just been started for one that does not poll."""
    announced: Answer = (False, '', '', '', '')
    while True:
        answer = ask(port)
        if answer != announced:
            result = subprocess.run(['/charm/bin/pebble', 'notify', notice], capture_output=True, text=True)
            if result.returncode == 0:
                announced = answer
            else:
                print(f'pebble notify failed: {result.stderr.strip()}', file=sys.stderr, flush=True)
        time.sleep(0.25)


if __name__ == '__main__':
    main(int(sys.argv[1]), sys.argv[2])
