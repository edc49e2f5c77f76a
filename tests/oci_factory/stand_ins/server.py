"""The HTTP server: finds the service that is asked, and lets it fail where it is told to."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from typing import Any

import generator

from stand_ins import stores
from stand_ins.faults import Faults
from stand_ins.github import GitHub
from stand_ins.notified import Notified
from stand_ins.scanner import Scanner
from stand_ins.wire import Answer, Request, refuse


class StandIns:
    """Every service, and what can be asked about them.

    Args:
        world: what they know.
        token: the one that GitHub accepts.
    """

    def __init__(self, world: generator.World, token: str) -> None:
        self.world = world
        self.github = GitHub(world, token)
        self.notified = Notified()
        self.scanner = Scanner()
        self.faults = Faults()

    def forget(self) -> None:
        """Work properly, with nothing recorded."""
        self.faults.clear()
        for one in (self.github, self.notified, self.scanner):
            one.forget()

    def answer(self, request: Request) -> Answer:
        """Answer, or fail."""
        if request.path.startswith('/_'):
            return self._control(request)
        fault = self.faults.next(request)
        if fault and not fault.after_recording:
            return fault.answer()
        answer = self._serve(request)
        return fault.answer() if fault else answer

    def _serve(self, request: Request) -> Answer:
        service, _, path = request.path.removeprefix('/').partition('/')
        if service == 'github':
            return self.github.answer(request, path)
        if service == 'builds' and request.method == 'GET':
            return stores.builds(self.world, request, path)
        if service == 'private' and request.method == 'GET':
            return stores.private(self.world, request, path)
        if service == 'identity' and request.method == 'POST':
            return stores.identity(request, path)
        if service == 'registry' and request.method == 'POST' and path == 'describeImageTags':
            return stores.registry(self.world, request)
        if service == 'scanner':
            return self.scanner.answer(request, path)
        if service == 'mattermost':
            return self.notified.mattermost(request, path)
        if service == 'hook' and request.method == 'POST':
            return self.notified.hook(request)
        return refuse(404, 'Not Found')

    def _control(self, request: Request) -> Answer:
        match request.method, request.path:
            case 'GET', '/_ready':
                return Answer(200, 'ready')
            case 'GET', '/_recorded':
                return Answer(200, self.github.recorded())
            case 'GET', '/_notified':
                return Answer(200, self.notified.recorded())
            case 'GET', '/_issues':
                return Answer(200, self.github.issues.recorded())
            case 'GET', '/_scanned':
                return Answer(200, self.scanner.recorded())
            case 'DELETE', '/_recorded':
                self.github.forget()
                self.notified.forget()
                self.scanner.forget()
            case 'POST', '/_faults':
                self.faults.add(request.body)
            case 'DELETE', '/_faults':
                self.faults.clear()
            case _:
                return refuse(404, 'Not Found')
        return Answer(204)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    # Head and body in one packet: nobody waits for the acknowledgement of the first.
    wbufsize = -1
    stand_ins: StandIns

    def _handle(self) -> None:
        url = urllib.parse.urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get('Content-Length') or 0))
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            self._send(refuse(400, 'Problems parsing JSON'))
            return
        request = Request(
            method=self.command,
            path=urllib.parse.unquote(url.path),
            query=dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True)),
            headers={key.lower(): value for key, value in self.headers.items()},
            body=body,
        )
        self._send(self.stand_ins.answer(request))

    def _send(self, answer: Answer) -> None:
        if not answer.status:
            self.close_connection = True
            return
        content = answer.content()
        self.send_response(answer.status)
        for key, value in answer.headers.items():
            self.send_header(key, value)
        if answer.status != 204:
            kind = 'text/plain' if isinstance(answer.body, str) else 'application/json'
            self.send_header('Content-Type', f'{kind}; charset=utf-8')
            self.send_header('Content-Length', str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is at /_recorded."""

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815


class Server:
    """The server; a context manager that serves in a thread.

    Args:
        stand_ins: who answers.
        host: to listen on.
        port: likewise; 0 for a free one.
    """

    def __init__(self, stand_ins: StandIns, host: str = '127.0.0.1', port: int = 0) -> None:
        handler = type('Handler', (_Handler,), {'stand_ins': stand_ins})
        self.http = http.server.ThreadingHTTPServer((host, port), handler)
        self.stand_ins = stand_ins

    @property
    def url(self) -> str:
        """The base URL."""
        return f'http://{self.http.server_address[0]}:{self.http.server_address[1]}'

    def __enter__(self) -> Server:
        threading.Thread(target=self.http.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.http.shutdown()
        self.http.server_close()
