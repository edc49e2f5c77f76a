"""Activities of today's kind: one that is async and blocks for a while, a plain one, and helpers beside them."""

import json
import logging
import os
import subprocess
import time
from typing import Any

from stale_rocks.activities.consumer import settings
from stale_rocks.notification.chat import send
from temporalio import activity

TWC_HOST = os.environ.get('TWC_HOST')
TWC_NAMESPACE = os.environ.get('TWC_NAMESPACE')
LINK = f'https://web.{TWC_HOST}/namespaces/{TWC_NAMESPACE}/workflows/{{}}'

logging.basicConfig(level=os.environ.get('TWC_LOG_LEVEL', 'info').upper())


def headline(release: str, status: str) -> str:
    """A helper."""
    return f'{release}: {status}'


async def wait_for_message(topic: str) -> str:
    """Another one, which is async; it blocks as a consumer's poll does."""
    message = settings.message(topic)
    time.sleep(message['seconds'])
    return message['release']


@activity.defn
async def watch(topic: str, group: str) -> dict[str, Any]:
    """Wait for a message, and let a script find what is to be done."""
    activity.logger.info('%s waits for %s at %s', group, topic, settings.broker())
    release = await wait_for_message(topic)
    script = os.path.join(os.path.dirname(os.path.realpath(__file__)), 'find_stale.py')
    done = subprocess.run(['python3', script, release], capture_output=True, text=True)
    told = json.loads(done.stdout) if done.stdout else {}
    return {'release': release, 'script': told, 'errors': done.stderr, 'attempt': activity.info().attempt}


@activity.defn
def announce(release: str, status: str) -> str:
    """Tell people."""
    send(headline(release, status))
    return LINK.format(activity.info().workflow_id)
