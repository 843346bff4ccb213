"""Outgoing mail: what a message is, and the one way it leaves."""

from core.mail.message import Attachment, MailError, MailMessage, one_line
from core.mail.sender import FolderMailer, Mailer, SmtpMailer, open_mailer

__all__ = [
    "Attachment",
    "FolderMailer",
    "MailError",
    "MailMessage",
    "Mailer",
    "SmtpMailer",
    "one_line",
    "open_mailer",
]
