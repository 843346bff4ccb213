"""A message has exactly the headers and recipients it was given (I14)."""

from __future__ import annotations

import itertools
import socketserver
import threading
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default

import pytest

from core.clock import Clock
from core.mail import Attachment, FolderMailer, MailError, MailMessage, SmtpMailer, open_mailer

MOMENT = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
CLOCK = Clock(source=lambda: MOMENT)
BREAKS = ["\r", "\n", "\r\n", "\n\r", "\0", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x7f"]
BREAKS += ["\x80", "\x85", "\u2028", "\u2029", "\ud800"]
TAILS = ["Bcc: evil@x.cn", " Bcc: evil@x.cn", "\tx", "", "\r\n\r\nbody", "To: a@b.cn\nCc: c@d.cn"]
TAILS += [
    "Subject: 中奖",
    "Content-Type: text/html\r\n\r\n<b>",
    ".\r\nMAIL FROM:<a@b.cn>",
    "--=_x\r\n",
]
FRAMES = ("x{}{}", "{}{}", "x {}{} y", "{0}{0}{1}", "合同{}{}")
ENCODED = ["=?utf-8?q?=0D=0ABcc:_evil@x.cn?=", "=?UTF-8?B?DQpCY2M6IGE=?=", "a =?gb2312?Q?x?= b"]


def _message(**changes) -> MailMessage:
    fields = {"to": ("a@b.cn",), "subject": "s", "text": "t"}
    return MailMessage(**{**fields, **changes})


def _sent(tmp_path, message: MailMessage):
    FolderMailer(tmp_path, "Dougong <noreply@firm.cn>", clock=CLOCK).send(message)
    (path,) = tmp_path.glob("*.eml")
    data = path.read_bytes()
    path.unlink()
    return message_from_bytes(data, policy=default)


def test_no_text_breaks_out_of_a_header():
    """I14: 5,000 combinations of field, break, tail and frame; the message is never made."""
    count = 0
    for broken, tail, at in itertools.product(BREAKS, TAILS, FRAMES):
        value = at.format(broken, tail)
        for make in (
            lambda v: _message(subject=v),
            lambda v: _message(to=(v,)),
            lambda v: _message(to=(f"{v} <a@b.cn>",)),
            lambda v: _message(reply_to=f"a@b.cn{v}"),
            lambda v: Attachment(v, "text/plain", b""),
            lambda v: Attachment("a", f"text/plain{v}", b""),
        ):
            with pytest.raises(MailError):
                make(value)
            count += 1
    assert count >= 5000


@pytest.mark.parametrize("word", ENCODED)
def test_encoded_words_are_refused(word):
    for make in (
        lambda: _message(subject=word),
        lambda: _message(to=(f"{word} <a@b.cn>",)),
        lambda: Attachment(word, "text/plain", b""),
    ):
        with pytest.raises(MailError):
            make()


@pytest.mark.parametrize(
    "address",
    [
        "", " ", "a", "@b.cn", "a@", "a@b.cn,c@d.cn", "a@b.cn;c@d.cn", "a@b.cn c@d.cn", "a@b@c.cn",
        "<a@b.cn", "a@b.cn>", "A <a@b.cn> <c@d.cn>", "A, B <a@b.cn>", "group: a@b.cn;", "a b@c.cn",
        '"a b"@c.cn', ".a@b.cn", "a..b@c.cn", "a.@b.cn", "a@-b.cn", "a@b-.cn", "a@b..cn", "a@[1.2.3.4]",
        "a@b.cn (x)", '"x" y <a@b.cn>', '"a@b.cn" c@d.cn', "张三@b.cn", "a@" + "b" * 64 + ".cn",
        "a" * 65 + "@b.cn", "a@b.cn?cc=c@d.cn", "mailto:a@b.cn", "A <a@b.cn>, c@d.cn", "a\\@b.cn",
        '"\\" <x@y.cn>, \\"" <a@b.cn>',
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused(address):
    with pytest.raises(MailError):
        _message(to=(address,))
    if address:
        with pytest.raises(MailError):
            _message(reply_to=address)


@pytest.mark.parametrize(
    ("address", "name", "spec"),
    [
        ("a@b.cn", "", "a@b.cn"),
        ("<a@b.cn>", "", "a@b.cn"),
        ("张三 <zhang.san+x@firm.com.cn>", "张三", "zhang.san+x@firm.com.cn"),
        ('"Zhang, San" <a@b.cn>', "Zhang, San", "a@b.cn"),
        ("O'Neil <o'neil@b.cn>", "O'Neil", "o'neil@b.cn"),
        ("a@公司.cn", "", "a@xn--55qx5d.cn"),
    ],
)
def test_addresses_arrive_as_they_were_meant(tmp_path, address, name, spec):
    (found,) = _sent(tmp_path, _message(to=(address,)))["To"].addresses
    assert (found.display_name, found.addr_spec) == (name, spec)


def test_a_message_arrives_whole(tmp_path):
    message = MailMessage(
        to=("a@b.cn", "C <c@d.cn>"),
        subject="合同 " * 40 + "end",
        text="你好\n.\nFrom x",
        html="<p>你好</p>",
        attachments=(Attachment('合同"; x=1.pdf', "application/pdf", b"%PDF-\r\n\x00"),),
        reply_to="r@b.cn",
    )
    sent = _sent(tmp_path, message)
    assert sorted(sent.keys()) == sorted(
        ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Reply-To"]
        + ["MIME-Version", "Content-Type"]
    )
    assert [a.addr_spec for a in sent["To"].addresses] == ["a@b.cn", "c@d.cn"]
    assert sent["Subject"] == message.subject
    assert sent["Date"].datetime == MOMENT
    assert sent.get_body(("plain",)).get_content().splitlines() == ["你好", ".", "From x"]
    assert sent.get_body(("html",)).get_content().strip() == "<p>你好</p>"
    (attachment,) = sent.iter_attachments()
    assert attachment.get_filename() == message.attachments[0].filename
    assert attachment.get_content() == b"%PDF-\r\n\x00"


@pytest.mark.parametrize(
    "subject",
    ["a", "报价 " * 80, "word " * 90 + "x", "Re: 合同 A 与 B，请 确认 today", "e" * 400, "  x  "],
)
def test_subjects_arrive_to_the_letter(tmp_path, subject):
    assert _sent(tmp_path, _message(subject=subject))["Subject"].strip() == subject.strip()


def test_two_messages_have_two_ids(tmp_path):
    assert _sent(tmp_path, _message())["Message-ID"] != _sent(tmp_path, _message())["Message-ID"]


def test_a_message_needs_a_recipient():
    with pytest.raises(MailError):
        _message(to=())


@pytest.mark.parametrize("kind", ["message/rfc822", "multipart/mixed", "text", "", "a/b; c=d"])
def test_attachments_are_single_files(kind):
    with pytest.raises(MailError):
        Attachment("a", kind, b"")


class _SmtpServer(socketserver.ThreadingTCPServer):
    """As much of a mail server as a client talks to."""

    daemon_threads = True

    def __init__(self, refuse: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _SmtpHandler)
        self.refuse = refuse
        self.commands: list[str] = []
        self.data = b""
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _SmtpHandler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(b"220 ready\r\n")
        while line := self.rfile.readline().decode().strip():
            self.server.commands.append(line)
            verb = line.split()[0].upper()
            if verb == self.server.refuse:
                self.wfile.write(b"550 no\r\n")
            elif verb == "EHLO":
                self.wfile.write(b"250-here\r\n250 AUTH PLAIN\r\n")
            elif verb == "AUTH":
                self.wfile.write(b"235 welcome\r\n")
            elif verb == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while (part := self.rfile.readline()) != b".\r\n":
                    self.server.data += part
                self.wfile.write(b"250 taken\r\n")
            elif verb == "QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"250 ok\r\n")


@pytest.fixture
def smtp():
    servers = []

    def start(refuse: str = "") -> _SmtpServer:
        servers.append(_SmtpServer(refuse))
        return servers[-1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_smtp_delivers_to_exactly_the_recipients(smtp):
    server = smtp()
    url = server.url.replace("//", "//user:p%40ss@")
    message = _message(to=("A <a@b.cn>", "c@d.cn"), text=".\n..\nDATA")
    sent_id = SmtpMailer(url + "?starttls=0", "Dougong <n@f.cn>", clock=CLOCK).send(message)
    envelope = [c for c in server.commands if c.upper().startswith(("MAIL", "RCPT"))]
    assert [c.partition("<")[2].partition(">")[0] for c in envelope] == [
        "n@f.cn",
        "a@b.cn",
        "c@d.cn",
    ]
    assert any(c.startswith("AUTH") for c in server.commands)
    received = message_from_bytes(server.data, policy=default)
    assert received["Message-ID"] == sent_id
    assert received.get_content().splitlines() == [".", "..", "DATA"]


@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "EHLO"])
def test_a_refusal_is_an_error(smtp, verb):
    server = smtp(refuse=verb)
    if verb == "EHLO":
        server.refuse = "MAIL"
    with pytest.raises(MailError, match="did not take"):
        SmtpMailer(server.url, "n@f.cn").send(_message())


def test_starttls_that_is_not_offered_sends_nothing(smtp):
    server = smtp()
    with pytest.raises(MailError):
        SmtpMailer(server.url + "?starttls=1", "n@f.cn").send(_message())
    assert server.data == b""


@pytest.mark.parametrize(
    "url",
    ["mail.firm.cn", "http://h", "smtp://", "smtp://h:99999", "smtp://u:p@mail.firm.cn?starttls=0"],
)
def test_a_server_that_cannot_be_used_is_refused(url):
    with pytest.raises(MailError):
        SmtpMailer(url, "n@f.cn")


def test_without_a_server_mail_goes_to_the_folder(tmp_path):
    assert isinstance(open_mailer(None, sender="n@f.cn", folder=tmp_path), FolderMailer)
    assert isinstance(open_mailer("smtp://h", sender="n@f.cn", folder=tmp_path), SmtpMailer)
