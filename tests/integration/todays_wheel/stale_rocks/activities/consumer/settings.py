"""What the consumer is told: by the operator's dotenv file, and by data in the wheel."""

import json
import os
from importlib.resources import files
from typing import Any


def login() -> str:
    """Who logs in to the event bus."""
    return os.environ['ROCKS_EVENTBUS_USERNAME']


def broker() -> str:
    """Where the event bus is."""
    return os.getenv('ROCKS_EVENTBUS_KAFKA_ADDRESS', 'nowhere:9094')


def message(topic: str) -> dict[str, Any]:
    """What would come from a topic, and after how long."""
    return json.loads(files('stale_rocks.activities.consumer').joinpath('topics.json').read_text())[topic]
