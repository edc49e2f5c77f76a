"""Answers over HTTP how the worker is: the truth of the charm's status."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Callable

from temporalio.service import RPCError, RPCStatusCode

from loader import layout

REFUSALS = (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNAUTHENTICATED)
"""What a server says of who may not do something, and of who is not believed; Temporal's own says the first of both."""


@dataclasses.dataclass
class State:
    """What the worker answers when it is asked how it is.

    Attributes:
        polling: whether the server sees its pollers.
        problem: what it waits for, or what is wrong.
        operator: whether a person has to do something about it.
        restarts: how often it had to be started anew.
        reason: when and why the last time.
        standing: the key of what the server has been brought to keep running; empty where it is not, or nothing is.
        trouble: why not.
        troubles_operator: whether a person has to do something about it.
        warning: what will keep it from working unless somebody looks after it.
    """

    polling: bool = False
    problem: str = 'the worker to start'
    operator: bool = False
    restarts: int = 0
    reason: str = ''
    standing: str = ''
    trouble: str = ''
    troubles_operator: bool = False
    warning: str = ''

    def change(self, *, polling: bool = False, problem: str = '', operator: bool = False) -> None:
        """Set what changes while it runs."""
        self.polling, self.problem, self.operator = polling, problem, operator

    def stands(self, key: str, trouble: str = '', *, operator: bool = False) -> None:
        """Set how what the server is to keep running is."""
        self.standing, self.trouble, self.troubles_operator = key, trouble, operator

    def refused(self, wanted: layout.Settings, error: RPCError, who: Callable[[], tuple[str, bool]]) -> None:
        """Tell what the server has refused; a namespace can also be deleted while the worker polls.

        Args:
            wanted: names the server and the namespace.
            error: the server's.
            who: tells whom it has refused and what to do, and whether a person has to.
        """
        if error.status == RPCStatusCode.NOT_FOUND:
            self.change(
                problem=f'namespace {wanted.namespace} does not exist on {wanted.address}: register it or change the '
                'option namespace',
                operator=True,
            )
        elif error.status in REFUSALS:
            problem, operator = who()
            self.change(problem=problem, operator=operator)
        else:
            self.change(problem=f'{wanted.address} to answer ({error.status.name.lower()})')

    def answer(self) -> bytes:
        """An HTTP response."""
        body = json.dumps(dataclasses.asdict(self)).encode()
        status = '200 OK' if self.polling else '503 Service Unavailable'
        return f'HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n'.encode() + body


async def serve(state: State) -> None:
    """Answer until cancelled."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await asyncio.wait_for(reader.readuntil(b'\r\n\r\n'), 2)
            writer.write(state.answer())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, '127.0.0.1', layout.HEALTH_PORT)
    await server.serve_forever()
