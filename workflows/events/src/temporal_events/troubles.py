"""What librdkafka has said of brokers, group and topics that do not do as they should, and for how long that counts.

Some of it it says again and again while it lasts; of a topic that there is not, or that may not be read, it says so
once for each consumer. So what it says once counts until there is a sign to the contrary, and is asked for again every
few minutes, which takes a new consumer.
"""

from __future__ import annotations

import time

REPEATED = 30.0
"""Seconds for which a problem counts that librdkafka tells of every ten seconds while it lasts."""

ASKED = 300.0
"""Seconds after which what was said once is asked for again."""


class Troubles:
    """Those of one consumer of a group. What was said once is kept by the topic that it is about; empty for none."""

    def __init__(self) -> None:
        self._passing = (0.0, '')
        self._lasting: dict[str, tuple[float, str]] = {}
        self._asked = 0.0

    @property
    def passing(self) -> str:
        """What was said again and again, until a moment ago."""
        since, words = self._passing
        return words if time.monotonic() - since < REPEATED else ''

    @property
    def sentence(self) -> str:
        """All that counts now; empty if nothing does."""
        now = time.monotonic()
        answered = now - self._asked >= REPEATED
        self._lasting = {
            topic: (said, words)
            for topic, (said, words) in self._lasting.items()
            # What is not said again when it was asked for is over.
            if said >= self._asked or not answered
        }
        told = [words for _, (_, words) in sorted(self._lasting.items())]
        return '; '.join(dict.fromkeys([*told, *([self.passing] if self.passing else [])]))

    @property
    def stale(self) -> bool:
        """Whether something that was said once should be asked for again."""
        before = time.monotonic() - ASKED
        return self._asked <= before and any(said <= before for said, _ in self._lasting.values())

    def repeat(self, words: str) -> None:
        """Something was said that is said again while it lasts."""
        self._passing = (time.monotonic(), words)

    def last(self, topic: str, words: str) -> None:
        """Something was said that is said once."""
        self._lasting[topic] = (time.monotonic(), words)

    def ask(self) -> None:
        """There is a new consumer, which says everything again that is still so."""
        self._asked = time.monotonic()

    def over(self, *topics: str) -> None:
        """What is about the brokers is over, and what is about the group and these topics."""
        self._passing = (0.0, '')
        for topic in ('', *topics):
            self._lasting.pop(topic, None)
