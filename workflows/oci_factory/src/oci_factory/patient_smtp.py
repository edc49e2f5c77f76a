"""SMTP for servers that look at a mail before they take it: that takes them longer than other answers."""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from typing import Any

TAKING = 10
"""Seconds for the answer to the mail itself."""


class UncertainError(Exception):
    """The server has had the mail, and has not said whether it takes it."""


def _patiently(session: smtplib.SMTP, data: Callable[[Any], tuple[int, bytes]], mail: Any) -> tuple[int, bytes]:
    def wait(seconds: float) -> None:
        if session.sock is not None:
            session.sock.settimeout(seconds)

    wait(TAKING)
    try:
        return data(mail)
    except (OSError, smtplib.SMTPServerDisconnected):
        raise UncertainError from None
    finally:
        wait(session.timeout)


class Plain(smtplib.SMTP):
    """Begins without TLS."""

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the mail itself; see smtplib."""
        return _patiently(self, super().data, msg)


class OverTLS(smtplib.SMTP_SSL):
    """With TLS from the beginning."""

    def data(self, msg: Any) -> tuple[int, bytes]:
        """Send the mail itself; see smtplib."""
        return _patiently(self, super().data, msg)
