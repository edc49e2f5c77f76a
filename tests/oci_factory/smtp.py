"""A mail server of one thread, for the tests: as much of SMTP as a client of Python's standard library speaks."""

from __future__ import annotations

import base64
import email
import email.message
import email.policy
import socketserver
import ssl
import threading
from typing import Any

USER, PASSWORD = 'factory', 'ThisPasswordMustNeverBeSeen'


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        self.say(server.greeting)
        self.user = ''
        while line := self.rfile.readline().decode().strip():
            verb = line.split(':')[0].split(' ')[0].upper()
            if verb == 'EHLO':
                starttls = server.context and not isinstance(self.connection, ssl.SSLSocket)
                self.say('250-mail\r\n250-STARTTLS' if starttls else '250-mail', '250 AUTH PLAIN')
            elif verb == 'STARTTLS':
                self.say('220 go ahead')
                self.connection = server.context.wrap_socket(self.connection, server_side=True)
                self.rfile, self.wfile = self.connection.makefile('rb'), self.connection.makefile('wb', 0)
            elif verb == 'AUTH':
                user, password = base64.b64decode(line.split(' ')[2]).decode().split('\0')[1:]
                right = (user, password) == (USER, PASSWORD)
                self.user = user if right else ''
                self.say('235 welcome' if right else f'535 {password} is wrong')
            elif verb == 'DATA':
                self.say('354 go on')
                text = b''
                while (part := self.rfile.readline()) != b'.\r\n':
                    text += part
                message = email.message_from_bytes(text, policy=email.policy.default)
                secure = isinstance(self.connection, ssl.SSLSocket)
                server.received.append((message, self.user, secure))
                if server.silent:
                    return
                self.say('250 taken')
            elif verb == 'RCPT' and server.refused and server.refused in line:
                self.say('550 nobody of that name')
            elif verb == 'QUIT':
                self.say('221 bye')
                return
            else:
                self.say('250 ok')

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def say(self, *lines: str) -> None:
        self.wfile.write(('\r\n'.join(lines) + '\r\n').encode())


class MailServer(socketserver.ThreadingTCPServer):
    """The server; a context manager that serves in a thread.

    Attributes:
        received: message, user, whether the connection was encrypted.
        refused: an addressee that is; empty for none.
        silent: whether it hangs up when it has a mail, without an answer.
        at_once: whether it speaks TLS from the beginning.

    Args:
        context: for STARTTLS; None for a server without it.
        greeting: its first line.
    """

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext | None, greeting: str = '220 mail') -> None:
        super().__init__(('127.0.0.1', 0), _Session)
        self.context, self.greeting = context, greeting
        self.refused, self.silent, self.at_once = '', False, False
        self.received: list[tuple[email.message.EmailMessage, str, bool]] = []

    def get_request(self) -> tuple[Any, Any]:
        """A connection and whose it is."""
        connection, address = super().get_request()
        return (
            self.context.wrap_socket(connection, server_side=True) if self.context and self.at_once else connection
        ), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: clients that refuse the certificate hang up."""

    @property
    def place(self) -> str:
        """HOST:PORT."""
        return f'localhost:{self.server_address[1]}'

    def __enter__(self) -> MailServer:
        threading.Thread(target=self.serve_forever, kwargs={'poll_interval': 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
