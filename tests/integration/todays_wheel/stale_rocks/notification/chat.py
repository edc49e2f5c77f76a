"""Tells people; whoever imports it without its variables ends."""

import logging
import os
import sys

NEEDED = ('MATTERMOST_SERVER', 'MATTERMOST_TOKEN', 'MATTERMOST_CHANNEL_ID')
missing = [name for name in NEEDED if name not in os.environ]
if missing:
    logging.error('missing: %s', missing)
    sys.exit(1)

SERVER = os.environ['MATTERMOST_SERVER']


def send(text: str) -> None:
    """Would post it."""
    logging.info('%s is told: %s', SERVER, text)
