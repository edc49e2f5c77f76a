"""A plain worker of the OCI Factory's code that consumes events: what the worker charm runs from the archive."""

from __future__ import annotations

from oci_factory import activities, consume, rebuild

from bench import labour

if __name__ == '__main__':
    labour.main(
        [consume.ConsumeEvents, consume.DeadLetter, rebuild.RebuildForRelease],
        [consume.consume_events, consume.retry_letter, activities.list_released, activities.list_notifiers],
    )
