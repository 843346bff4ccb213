"""The one mailer: over SMTP when a server is configured, else into a folder."""

from __future__ import annotations

import os
import secrets
import smtplib
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from core.clock import Clock
from core.mail.message import MailError, MailMessage, compose, parse_address

__all__ = ["FolderMailer", "Mailer", "SmtpMailer", "open_mailer"]

_TIMEOUT = 20
_PORTS = {"smtp": 587, "smtps": 465}
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class Mailer(Protocol):
    """Whatever takes messages away."""

    def send(self, message: MailMessage) -> str:
        """Send one message and return its Message-ID. Raises `MailError` when that failed."""
        ...


class SmtpMailer:
    """Sends over ``smtp://user:password@host:587?starttls=1`` or ``smtps://…``.

    A password never travels in clear, except to this very machine.
    """

    def __init__(
        self,
        smtp_url: str,
        sender: str,
        *,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._server = _Server.parse(smtp_url)
        self._sender = parse_address(sender)
        self._clock = clock or Clock()
        self._tls = tls or ssl.create_default_context()

    def send(self, message: MailMessage) -> str:
        """See `Mailer.send`. Refused by some recipients counts as failed only if by all."""
        composed = compose(message, sender=self._sender, sent_at=self._clock.now())
        recipients = [parse_address(address).addr_spec for address in message.to]
        try:
            with self._connection() as connection:
                if self._server.has_starttls:
                    connection.starttls(context=self._tls)
                if self._server.user:
                    connection.login(self._server.user, self._server.password)
                connection.send_message(composed, self._sender.addr_spec, recipients)
        except (OSError, smtplib.SMTPException) as error:
            raise MailError(f"{self._server.host} did not take the message: {error}") from error
        return str(composed["Message-ID"])

    def _connection(self) -> smtplib.SMTP:
        place = (self._server.host, self._server.port)
        if self._server.is_encrypted:
            return smtplib.SMTP_SSL(*place, timeout=_TIMEOUT, context=self._tls)
        return smtplib.SMTP(*place, timeout=_TIMEOUT)


class FolderMailer:
    """Writes each message to an ``.eml`` file, for installations without a mail server."""

    def __init__(
        self, folder: Path, sender: str = "dougong@localhost", *, clock: Clock | None = None
    ) -> None:
        self._folder = folder
        self._sender = parse_address(sender)
        self._clock = clock or Clock()

    def send(self, message: MailMessage) -> str:
        """See `Mailer.send`."""
        sent_at = self._clock.now()
        composed = compose(message, sender=self._sender, sent_at=sent_at)
        name = f"{sent_at:%Y%m%dT%H%M%S}-{secrets.token_hex(8)}"
        self._folder.mkdir(parents=True, exist_ok=True)
        temporary = self._folder / f".{name}.part"
        temporary.write_bytes(composed.as_bytes())
        os.replace(temporary, self._folder / f"{name}.eml")
        return str(composed["Message-ID"])


def open_mailer(
    smtp_url: str | None, *, sender: str, folder: Path, clock: Clock | None = None
) -> Mailer:
    """The mailer of this installation."""
    if smtp_url:
        return SmtpMailer(smtp_url, sender, clock=clock)
    return FolderMailer(folder, sender, clock=clock)


@dataclass(frozen=True)
class _Server:
    host: str
    port: int
    user: str
    password: str = field(repr=False)
    is_encrypted: bool
    has_starttls: bool

    @classmethod
    def parse(cls, url: str) -> _Server:
        parts = urlsplit(url)
        try:
            port = parts.port or _PORTS[parts.scheme]
        except (KeyError, ValueError) as error:
            raise MailError("a mail server is smtp://host:port or smtps://host:port") from error
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        is_encrypted = parts.scheme == "smtps"
        wanted = parse_qs(parts.query).get("starttls", ["1" if user else "0"])[-1]
        has_starttls = wanted == "1" and not is_encrypted
        host = parts.hostname or ""
        if not host:
            raise MailError("the mail server's address names no host")
        if user and not (is_encrypted or has_starttls or host in _LOOPBACK):
            raise MailError("the mail password would travel in clear: add ?starttls=1")
        return cls(host, port, user, password, is_encrypted, has_starttls)
