"""What is to go wrong: told by `POST /_faults`, in force until it has happened as often as it was told."""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

from stand_ins.wire import Answer, Request


@dataclasses.dataclass
class Fault:
    """Something to go wrong.

    Attributes:
        status: answered instead; 0 for hanging up without an answer.
        times: how often; None for always.
        match: part of the request's method, path and query.
        image: the image that the request must be about; empty for any.
        after_recording: whether the request is carried out nevertheless.
        headers: of the answer.
        body: of the answer.
    """

    status: int
    times: int | None = 1
    match: str = ''
    image: str = ''
    after_recording: bool = False
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    body: Any = None

    def answer(self) -> Answer:
        """What is answered instead."""
        body = {'message': 'told to fail'} if self.body is None and self.status else self.body
        return Answer(self.status, body, self.headers)


class Faults:
    """Those in force; the first one that fits happens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []

    def add(self, raw: list[dict[str, Any]]) -> None:
        """Take what was posted."""
        with self._lock:
            self._faults += [Fault(**one) for one in raw]

    def clear(self) -> None:
        """Work properly again."""
        with self._lock:
            self._faults.clear()

    def next(self, request: Request) -> Fault | None:
        """The fault that a request meets, counted as happened."""
        with self._lock:
            for fault in self._faults:
                if fault.times == 0 or fault.match not in request.line or fault.image not in ('', request.image):
                    continue
                if fault.times is not None:
                    fault.times -= 1
                return fault
        return None
