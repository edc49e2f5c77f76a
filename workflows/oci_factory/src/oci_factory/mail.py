"""Tells people by mail at the end of a rebuild or scan, and of what one waits for: of its beginning is one too many."""

from __future__ import annotations

import contextlib
import smtplib
from collections.abc import Iterator, Mapping
from email.message import EmailMessage

from temporalio.exceptions import ApplicationError

from oci_factory import telling, web
from oci_factory.model import Notice
from oci_factory.settings import WEB_INTERFACE, wrong

VARIABLES = ('OCI_FACTORY_SMTP_HOST', 'OCI_FACTORY_SMTP_FROM', 'OCI_FACTORY_SMTP_TO')

TIMEOUT = 5
"""Seconds for each answer of the server."""

_PORTS = {'starttls': 587, 'tls': 465, 'none': 25}


class Mail:
    """Mails over a server.

    Args:
        host: of the server.
        port: likewise.
        security: `starttls`, `tls` or `none`.
        credentials: user and password; empty for none.
        sender: address.
        receivers: addresses.
        web: base URL of Temporal's web interface; empty for none.
    """

    def __init__(
        self,
        host: str,
        port: int,
        security: str,
        credentials: tuple[str, str] | None,
        sender: str,
        receivers: list[str],
        web: str,
    ) -> None:
        self._host, self._port, self._security, self._credentials = host, port, security, credentials
        self._sender, self._receivers, self._web = sender, receivers, web

    def tell(self, notice: Notice, origin: telling.Origin, _handle: str, /) -> str:
        """Send the notice unless it is the first one; see `telling.Notifier`."""
        if notice.status == 'Triggered':
            return ''
        message = EmailMessage()
        try:
            work = f'Rebuild for Ubuntu {notice.release}' if notice.job == 'rebuild' else 'Vulnerability scan'
            message['Subject'] = f'[OCI Factory] {work}: {notice.status}'
            message['From'], message['To'] = self._sender, ', '.join(self._receivers)
        except ValueError:
            raise wrong('OCI_FACTORY_SMTP_FROM or OCI_FACTORY_SMTP_TO is no address: change it') from None
        # The same at each attempt, so that readers show a mail that came twice once.
        message['Message-ID'] = f'<{origin.run}.{notice.status.lower()}@oci-factory.invalid>'
        message.set_content('\n'.join(self._lines(notice, origin)) + '\n')
        with self._session() as session:
            refused = session.send_message(message)
        if refused:
            sentence = f'{self._host} refuses {len(refused)} of {len(self._receivers)} in OCI_FACTORY_SMTP_TO'
            raise ApplicationError(f'{sentence}; the others have the mail', type='Refused', non_retryable=True)
        return ''

    def _lines(self, notice: Notice, origin: telling.Origin) -> list[str]:
        lines = [f'{name}: {value}' for name, value in telling.facts(notice)]
        return [*lines, *telling.lines(notice), origin.link(self._web) or f'Workflow {origin.workflow}']

    @contextlib.contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        # Here, since the sandbox of workflows refuses classes below smtplib's.
        from oci_factory import patient_smtp

        try:
            if self._security == 'tls':
                session = patient_smtp.OverTLS(self._host, self._port, timeout=TIMEOUT, context=web.authorities())
            else:
                session = patient_smtp.Plain(self._host, self._port, timeout=TIMEOUT)
            with session:
                if self._security == 'starttls':
                    session.starttls(context=web.authorities())
                if self._credentials:
                    session.login(*self._credentials)
                yield session
        # Neither the libraries' messages nor their causes: they quote what was sent.
        except smtplib.SMTPAuthenticationError:
            sentence = f'{self._host} refuses the user: check OCI_FACTORY_SMTP_USER and OCI_FACTORY_SMTP_PASSWORD'
            raise ApplicationError(sentence, type='Refused', non_retryable=True) from None
        except patient_smtp.UncertainError:
            # Once more might be twice.
            sentence = f'{self._host} has not said whether it takes the mail; it may have done so'
            raise ApplicationError(sentence, type='NoAnswer', non_retryable=True) from None
        except (OSError, smtplib.SMTPException) as error:
            sentence = f'{self._host} did not take the mail ({type(error).__name__})'
            raise ApplicationError(sentence, type='NoAnswer') from None


def load(environ: Mapping[str, str]) -> Mail:
    """From environment variables.

    Raises:
        ApplicationError: not to be retried: one is missing or wrong.
    """
    place, sender, receivers = telling.required(environ, *VARIABLES)
    security = environ.get('OCI_FACTORY_SMTP_SECURITY', '').strip() or 'starttls'
    if security not in _PORTS:
        raise wrong('OCI_FACTORY_SMTP_SECURITY is neither starttls nor tls nor none: change it')
    host, colon, port = place.partition(':')
    if not _is_name(host) or (colon and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536)):
        raise wrong('OCI_FACTORY_SMTP_HOST is neither HOST nor HOST:PORT: change it')
    credentials = None
    if environ.get('OCI_FACTORY_SMTP_USER', '').strip():
        user, password = telling.required(environ, 'OCI_FACTORY_SMTP_USER', 'OCI_FACTORY_SMTP_PASSWORD')
        if security == 'none':
            raise wrong('OCI_FACTORY_SMTP_SECURITY is none, and would show the password: use starttls or tls')
        # As the library sends them; its error would quote the password.
        if not (user + password).isascii():
            raise wrong('OCI_FACTORY_SMTP_USER or OCI_FACTORY_SMTP_PASSWORD has characters beyond ASCII: change it')
        credentials = (user, password)
    return Mail(
        host,
        int(port) if colon else _PORTS[security],
        security,
        credentials,
        sender,
        [one.strip() for one in receivers.split(',') if one.strip()],
        environ.get(WEB_INTERFACE, '').strip(),
    )


def _is_name(host: str) -> bool:
    """Whether a host can be asked for by that name."""
    try:
        return bool(host.encode('idna'))
    except UnicodeError:
        return False
