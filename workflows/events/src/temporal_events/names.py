"""Names of the workflows and activities, by which they find each other: who has the activities defines them."""

from __future__ import annotations

CONSUME_EVENTS = 'ConsumeEvents'
DEAD_LETTER = 'DeadLetter'

CONSUME = 'consume_events'
"""The activity that consumes until it is told to stop: (Consumption) -> Progress."""

RETRY = 'retry_letter'
"""The activity that tries a dead letter again: (Letter) -> Outcome."""
