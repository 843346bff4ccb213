"""Messages, checked when they are made: no text can add a header or a recipient."""

from __future__ import annotations

import re
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import format_datetime

__all__ = ["Attachment", "MailError", "MailMessage", "compose", "one_line", "parse_address"]

_LONGEST_HEADER = 500
_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_SPEC = re.compile(rf"(?P<local>{_LOCAL})@(?P<domain>{_LABEL}(?:\.{_LABEL})*)")
_NAMED = re.compile(
    r'(?:"(?P<quoted>[^"\\<>]*)"|(?P<plain>[^"\\<>,;:@()\[\]]*))\s*<(?P<spec>[^<>]+)>'
)
#: Mail readers decode these wherever they stand, so that they could smuggle anything.
_ENCODED_WORD = re.compile(r"=\?[^?\s]*\?[bq]\?", re.I)
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]*/[a-z0-9][a-z0-9.+-]*")
#: These have a structure of their own that bytes in base64 would break, or that readers follow.
_COMPOSITE_TYPES = ("message/", "multipart/")


class MailError(Exception):
    """The message cannot be sent as it is, or the server refused it."""


@dataclass(frozen=True)
class Attachment:
    """A file in a message; its name travels in a header and is checked like one."""

    filename: str
    media_type: str
    content: bytes

    def __post_init__(self) -> None:
        _check_header("attachment name", self.filename)
        is_plain = _MEDIA_TYPE.fullmatch(self.media_type)
        if not is_plain or self.media_type.startswith(_COMPOSITE_TYPES):
            raise MailError(f"media type {self.media_type!r} cannot be attached")


@dataclass(frozen=True)
class MailMessage:
    """One message. Each address is one person: ``a@b.cn`` or ``Name <a@b.cn>``."""

    to: tuple[str, ...]
    subject: str
    text: str
    html: str | None = None
    attachments: tuple[Attachment, ...] = ()
    reply_to: str | None = None

    def __post_init__(self) -> None:
        if not self.to:
            raise MailError("a message needs a recipient")
        _check_header("subject", self.subject)
        for address in (*self.to, *filter(None, [self.reply_to])):
            parse_address(address)


class _MailPolicy(EmailPolicy):
    """Folds subjects by the older routine: the newer one loses spaces between Chinese words."""

    def fold(self, name: str, value: str) -> str:
        if name.lower() != "subject":
            return str(super().fold(name, value))
        charset = "us-ascii" if value.isascii() else "utf-8"
        header = Header(str(value), charset, header_name=name)
        return f"{name}: {header.encode(linesep=self.linesep)}{self.linesep}"

    def fold_binary(self, name: str, value: str) -> bytes:
        return self.fold(name, value).encode("ascii", "surrogateescape")


_POLICY = _MailPolicy(linesep="\r\n")


def parse_address(text: str) -> Address:
    """Exactly one address, read strictly; anything else is a `MailError`."""
    _check_header("address", text)
    named = _NAMED.fullmatch(text.strip())
    name = (named["quoted"] or named["plain"] or "").strip() if named else ""
    spec = _SPEC.fullmatch(_ascii_domain(named["spec"] if named else text.strip()))
    if not spec or len(spec["local"]) > 64 or len(spec["domain"]) > 253:
        raise MailError(f"{text!r} is not an email address")
    return Address(display_name=name, username=spec["local"], domain=spec["domain"])


def one_line(text: str) -> str:
    """``text`` as a subject: a company's name may hold line breaks, and what looks encoded."""
    plain = "".join(each if each.isprintable() else " " for each in text).replace("=?", "= ?")
    return " ".join(plain.split())[:200]


def compose(message: MailMessage, *, sender: Address, sent_at: datetime) -> EmailMessage:
    """The message as it goes over the wire, with a new Message-ID."""
    composed = EmailMessage(policy=_POLICY)
    composed["From"] = sender
    composed["To"] = [parse_address(address) for address in message.to]
    composed["Subject"] = message.subject
    composed["Date"] = format_datetime(sent_at)
    composed["Message-ID"] = f"<{secrets.token_hex(16)}@{sender.domain}>"
    # Keeps out-of-office answers away from the sender (RFC 3834).
    composed["Auto-Submitted"] = "auto-generated"
    if message.reply_to:
        composed["Reply-To"] = parse_address(message.reply_to)
    composed.set_content(message.text, cte="base64")
    if message.html is not None:
        composed.add_alternative(message.html, subtype="html", cte="base64")
    for attachment in message.attachments:
        maintype, _, subtype = attachment.media_type.partition("/")
        composed.add_attachment(
            attachment.content, maintype=maintype, subtype=subtype, filename=attachment.filename
        )
    return composed


def _check_header(field: str, value: str) -> None:
    if any(unicodedata.category(char) in _BREAKS for char in value):
        raise MailError(f"the {field} has a line break or a control character")
    if _ENCODED_WORD.search(value):
        raise MailError(f"the {field} has an encoded word")
    if len(value) > _LONGEST_HEADER:
        raise MailError(f"the {field} is longer than {_LONGEST_HEADER} characters")


def _ascii_domain(spec: str) -> str:
    """``spec`` with its domain in the form of the DNS, when it has another script."""
    local, at, domain = spec.rpartition("@")
    if domain.isascii():
        return spec
    try:
        return f"{local}{at}{domain.encode('idna').decode('ascii')}"
    except UnicodeError as error:
        raise MailError(f"{spec!r} is not an email address") from error
