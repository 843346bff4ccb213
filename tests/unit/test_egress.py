"""The outgoing client reaches what the policy allows and nothing else (I9)."""

from __future__ import annotations

import http.client
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address

import pytest

from core.egress import (
    EgressClient,
    EgressFailed,
    EgressPolicy,
    EgressRefused,
    EgressTimeout,
    EgressTooLarge,
)

LOOPBACK = frozenset({"127.0.0.0/8", "::1/128"})
ANY_PORT = EgressPolicy(allow_ports=None)
OPEN = EgressPolicy(allow_private_networks=LOOPBACK, allow_ports=None)

FORBIDDEN_IPV4_TEXT = """
0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.1 10.255.255.255 100.64.0.1 100.100.100.200 100.127.255.254
127.0.0.1 127.0.0.2 127.1.2.3 127.255.255.254 168.63.129.16 169.254.0.1 169.254.169.254
169.254.170.2 172.16.0.1 172.31.255.255 192.0.0.1 192.0.0.170 192.0.0.192 192.0.2.1 192.88.99.1
192.168.0.1 192.168.255.255 198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1
239.255.255.250 240.0.0.1 255.255.255.255
"""
FORBIDDEN_IPV4 = FORBIDDEN_IPV4_TEXT.split()

FORBIDDEN_IPV6_TEXT = """
:: ::1 0:0:0:0:0:0:0:1 0000:0000:0000:0000:0000:0000:0000:0001 ::127.0.0.1 ::7f00:1
::ffff:127.0.0.1 ::ffff:7f00:1 ::FFFF:7F00:0001 0:0:0:0:0:ffff:127.0.0.1 ::ffff:10.0.0.1
::ffff:169.254.169.254 ::ffff:a9fe:a9fe ::ffff:192.168.1.1 ::ffff:0.0.0.0 ::ffff:0:127.0.0.1
64:ff9b::127.0.0.1 64:ff9b::7f00:1 64:ff9b::10.0.0.1 64:ff9b::169.254.169.254 64:ff9b:1::127.0.0.1
64:ff9b:1::8.8.8.8 2002:7f00:1:: 2002:7f00:0001::1 2002:a00:1:: 2002:a9fe:a9fe:: 2002:c0a8:101::
2001::1 2001:0:7f00:1:: 2001:db8::1 2001:10::1 2001:20::1 fe80::1 febf::1 fec0::1 fc00::1
fd00::1 fd00:ec2::254 fdff::1 ff01::1 ff02::1 ff0e::1 100::1 3fff::1 3ffe::1 5f00::1 4000::1
2600::5efe:7f00:1 2600::200:5efe:127.0.0.1 2600::0:5efe:10.0.0.1
"""
FORBIDDEN_IPV6 = FORBIDDEN_IPV6_TEXT.split()

PUBLIC_TEXT = """
1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.0 172.15.0.1 172.32.0.1 223.255.255.255 2606:4700::1
2001:4860:4860::8888 2400:3200::1 64:ff9b::808:808 ::ffff:8.8.8.8
"""
PUBLIC = PUBLIC_TEXT.split()

MISSPELLED_TEXT = """
2130706433 017700000001 0x7f000001 0x7F000001 0x7f.0.0.1 0x7f.0x0.0x0.0x1 0177.0.0.1 0177.0.0.01
0177.0000.0000.0001 127.1 127.0.1 127.0.0x1 127.0.0.01 127.0.0.001 127.000.000.001 0 00 0x0 0x
0.0 10.1 192.168.257 3232235777 2852039166 0xa9fea9fe 0xa9.0xfe.0xa9.0xfe 0251.0376.0251.0376
025177524776 127.0.0.1. 127.0.0.0x1 256.256.256.256 127.0.0.1.1 1.2.3 4294967295 4294967296
127.0.0.1.. .127.0.0.1 127..0.1 -1 127.0.0.1, １２７.０.０.１ ①②⑦.⓪.⓪.① 127。0。0。1 127．0．0．1
１２７．１ 0ｘ7f.1 localhost. [::1%25lo] [::1%lo] [fe80::1%25eth0] [fe80::1%1] [127.0.0.1] [::1]x
[::1 ::1] [0x7f000001] [::ffff:127.1] [::ffff:0177.0.0.1] 127.0.0.1%00 127.0.0.1%2e 127%2e0%2e0%2e1
%31%32%37.0.0.1 user@127.0.0.1 user:pw@127.0.0.1 public.example@127.0.0.1 @127.0.0.1
127.0.0.1@public.example a:b@localhost 127.0.0.1\\@public.example public.example\\@127.0.0.1
exa_mple-.test -bad.test a..b * [::] [v1.x] 127.0.0.1;a ℀.example
"""
MISSPELLED = MISSPELLED_TEXT.split()

LOCAL_NAMES = ["localhost", "LOCALHOST", "LocalHost", "ⓛocalhost", "ｌｏｃａｌｈｏｓｔ"]

SCHEMES_TEXT = """
file:///etc/passwd ftp://127.0.0.1:{port}/ gopher://127.0.0.1:{port}/_GET dict://127.0.0.1:{port}/
ldap://127.0.0.1:{port}/ ws://127.0.0.1:{port}/ javascript:alert(1) data:text/plain,a //127.0.0.1:{port}/
127.0.0.1:{port} http:127.0.0.1:{port} http:/127.0.0.1:{port}/ http:///127.0.0.1:{port}/ jar:http://a!/
unix:///var/run/docker.sock netdoc:///etc/passwd http:// https:// http://:{port}/ http://?a http://#a
"""
SCHEMES = SCHEMES_TEXT.split()


def _urls(port: int) -> Iterator[str]:
    for host in [*FORBIDDEN_IPV4, *MISSPELLED, *LOCAL_NAMES]:
        yield f"http://{host}:{port}/"
    yield from (f"http://[{host}]:{port}/" for host in FORBIDDEN_IPV6)
    yield from (text.format(port=port) for text in SCHEMES)
    yield from (
        f"http://127.0.0.1:{port}/a b",
        f"http://127.0.0.1:{port}/\r\nHost: x",
        f"http://127.0.0.1\t:{port}/",
        f" http://127.0.0.1:{port}/",
        f"http://127.0.0.1:{port}\x00/",
        f"http://127.0.0.1:{port}\\a",
        "http://127.0.0.1:/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:8o/",
        f"https://127.0.0.1:{port}/",
        f"HTTPS://[::1]:{port}/",
    )


@pytest.fixture(autouse=True)
def _only_loopback(monkeypatch) -> None:
    """Should the vetting ever break, these tests still send nothing beyond this machine."""
    connect, look_up = socket.create_connection, socket.getaddrinfo

    def guarded_connect(place, *args, **kwargs):
        address = ip_address(place[0])
        if not (getattr(address, "ipv4_mapped", None) or address).is_loopback:
            raise AssertionError(f"would have connected to {address}")
        return connect(place, *args, **kwargs)

    def guarded_look_up(host, *args, **kwargs):
        if host != "localhost" and not host.replace(".", "").isdigit() and ":" not in host:
            raise OSError(f"would have looked up {host}")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket, "create_connection", guarded_connect)
    monkeypatch.setattr(socket, "getaddrinfo", guarded_look_up)


class Listeners:
    """Sockets on several loopback addresses, whose queues show who knocked."""

    def __init__(self) -> None:
        first = socket.create_server(("127.0.0.1", 0), backlog=500)
        self.port = first.getsockname()[1]
        others = ["127.0.0.2", "127.1.2.3"]
        self._sockets = [first, *(socket.create_server((a, self.port)) for a in others)]
        if socket.has_ipv6:
            with suppress(OSError):
                v6 = socket.create_server(("::1", self.port), family=socket.AF_INET6)
                self._sockets.append(v6)
        for listener in self._sockets:
            listener.setblocking(False)

    def count(self) -> int:
        """The connections since the last count; the kernel completes them without our help."""
        seen = 0
        for listener in self._sockets:
            with suppress(BlockingIOError):
                while True:
                    listener.accept()[0].close()
                    seen += 1
        return seen

    def close(self) -> None:
        for listener in self._sockets:
            listener.close()


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    made = Listeners()
    yield made
    made.close()


Script = Callable[[socket.socket], None]


class Server:
    """Plays a script to each connection and keeps what it was sent."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._script = script
        self._tls = tls
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.names: list[str | None] = []
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                connection = self._listener.accept()[0]
                threading.Thread(target=self._play, args=(connection,), daemon=True).start()

    def _play(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            if self._tls:
                self._tls.sni_callback = lambda _s, name, _c: self.names.append(name)
                connection = self._tls.wrap_socket(connection, server_side=True)
            received = b""
            while b"\r\n\r\n" not in received:
                if not (data := connection.recv(65536)):
                    return
                received += data
            self.requests.append(received)
            self._script(connection)
            connection.close()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(script: Script | bytes, tls: ssl.SSLContext | None = None) -> Server:
        play = (
            (lambda connection: connection.sendall(script)) if isinstance(script, bytes) else script
        )
        servers.append(Server(play, tls))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\nok"


def _redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def test_no_forbidden_spelling_connects(listeners):
    """I9: each of more than 120 spellings is refused, and nobody knocks at a loopback port."""
    client = EgressClient(ANY_PORT)
    urls = list(_urls(listeners.port))
    assert len(urls) >= 120
    passed = []
    for url in urls:
        try:
            client.request("GET", url, timeout=2, max_redirects=3)
        except EgressRefused:
            continue
        except Exception as error:
            passed.append((url, repr(error)))
        else:
            passed.append((url, "answered"))
    assert passed == []
    assert listeners.count() == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "[::ffff:127.0.0.2]"])
def test_the_listener_sees_what_the_policy_allows(listeners, host):
    """The positive control of the test above."""
    with pytest.raises(EgressTimeout):
        EgressClient(OPEN).request("GET", f"http://{host}:{listeners.port}/", timeout=0.2)
    assert listeners.count() == 1


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address):
    assert EgressPolicy().allows(ip_address(address))


@pytest.mark.parametrize("address", [*FORBIDDEN_IPV4, *FORBIDDEN_IPV6, "2600::1%1"])
def test_special_addresses_are_not_allowed(address):
    assert not EgressPolicy().allows(ip_address(address))


def test_a_named_network_opens_nothing_else():
    policy = EgressPolicy(allow_private_networks=frozenset({"10.1.2.3/32"}))
    assert policy.allows(ip_address("10.1.2.3"))
    assert policy.allows(ip_address("::ffff:10.1.2.3"))
    assert not policy.allows(ip_address("10.1.2.4"))
    assert not policy.allows(ip_address("64:ff9b::10.1.2.3"))


def test_a_policy_with_a_broken_network_is_refused():
    with pytest.raises(ValueError, match=r"10\.0\.0\.0/33"):
        EgressPolicy(allow_private_networks=frozenset({"10.0.0.0/33"}))


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["127.0.0.1", "8.8.8.8"],
        ["::1"],
        ["fe80::1%1"],
        ["?"],
    ],
)
def test_a_name_with_a_forbidden_address_is_refused(listeners, answers):
    client = EgressClient(ANY_PORT, resolver=lambda host, port: answers)
    with pytest.raises(EgressRefused):
        client.request("GET", f"http://public.example:{listeners.port}/", timeout=2)
    assert listeners.count() == 0


def test_a_name_is_resolved_once_and_the_answer_used(serve):
    """A second look-up would give an attacker's name server the chance of another answer."""
    server = serve(OK)
    answers = iter([["127.0.0.1"], ["127.0.0.9"]])
    client = EgressClient(OPEN, resolver=lambda host, port: next(answers))
    response = client.request(
        "GET", f"http://erp.example:{server.port}/a?b=ü c".replace(" ", "%20")
    )
    assert (response.status, response.body, response.headers["x-a"]) == (200, b"ok", "1, 2")
    head = server.requests[0].decode()
    assert head.startswith("GET /a?b=%C3%BC%20c HTTP/1.1\r\n")
    assert f"\r\nHost: erp.example:{server.port}\r\n" in head
    assert next(answers) == ["127.0.0.9"]


def test_ports_are_limited(listeners):
    policy = EgressPolicy(allow_private_networks=LOOPBACK)
    for port in (listeners.port, 22, 25, 6379, 0):
        with pytest.raises(EgressRefused, match="port"):
            EgressClient(policy).request("GET", f"http://127.0.0.1:{port}/", timeout=2)
    assert listeners.count() == 0


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.2:{port}/",
        "//127.0.0.2:{port}/",
        "http://0x7f.2:{port}/",
        "http://[::ffff:127.0.0.2]:{port}/",
        "http://user@127.0.0.2:{port}/",
        "gopher://127.0.0.1:{port}/",
        "file:///etc/passwd",
        "http://127.0.0.2:{port}\\@public.example/",
    ],
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_each_hop_is_vetted(serve, listeners, location, status):
    server = serve(_redirect(location.format(port=listeners.port), status))
    only_server = EgressPolicy(frozenset({"127.0.0.1/32"}), allow_ports=None)
    with pytest.raises(EgressRefused):
        EgressClient(only_server).request(
            "GET", f"http://127.0.0.1:{server.port}/", timeout=2, max_redirects=3
        )
    assert listeners.count() == 0


def test_redirects_are_followed_only_on_request_and_not_for_ever(serve):
    loop = serve(_redirect("/again"))
    url = f"http://127.0.0.1:{loop.port}/"
    client = EgressClient(OPEN)
    assert client.request("GET", url).status == 302
    assert len(loop.requests) == 1
    with pytest.raises(EgressRefused, match="too many"):
        client.request("GET", url, max_redirects=3)
    assert len(loop.requests) == 1 + 4
    with pytest.raises(ValueError, match="max_redirects"):
        client.request("GET", url, max_redirects=4)


def test_another_origin_gets_neither_credentials_nor_body(serve):
    target = serve(OK)
    for status in (302, 307):
        source = serve(_redirect(f"http://127.0.0.1:{target.port}/x", status))
        url = f"http://127.0.0.1:{source.port}/"
        headers = {"Authorization": "Bearer abc", "X-Api-Key": "k", "Accept": "text/plain"}
        response = EgressClient(OPEN).request("GET", url, headers=headers, max_redirects=1)
        assert response.url == f"http://127.0.0.1:{target.port}/x"
        assert b"Bearer abc" in source.requests[0]
        assert b"Accept: text/plain" in target.requests[-1]
        assert b"Bearer" not in target.requests[-1]
        assert b"Api-Key" not in target.requests[-1]
    with pytest.raises(EgressRefused, match="another origin"):
        EgressClient(OPEN).request("POST", url, body=b"secret", max_redirects=1)
    assert len(target.requests) == 2


def test_a_post_becomes_a_get_after_303(serve):
    server = serve(_redirect("/next", 303))
    with pytest.raises(EgressRefused):
        EgressClient(OPEN).request(
            "POST", f"http://127.0.0.1:{server.port}/", body=b"a", max_redirects=1
        )
    assert [r.split(b" ")[0] for r in server.requests] == [b"POST", b"GET"]


def test_the_body_is_capped(serve):
    declared = serve(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n")
    endless = serve(lambda c: _repeat(c, b"x" * 65536, head=b"HTTP/1.1 200 OK\r\n\r\n"))
    chunked = serve(
        lambda c: _repeat(
            c,
            b"8000\r\n" + b"x" * 0x8000 + b"\r\n",
            head=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        )
    )
    for server in (declared, endless, chunked):
        with pytest.raises(EgressTooLarge):
            EgressClient(OPEN).request("GET", f"http://127.0.0.1:{server.port}/", max_bytes=200_000)
    exact = serve(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000)
    url = f"http://127.0.0.1:{exact.port}/"
    assert len(EgressClient(OPEN).request("GET", url, max_bytes=1000).body) == 1000
    with pytest.raises(EgressTooLarge):
        EgressClient(OPEN).request("GET", url, max_bytes=999)


def _repeat(connection: socket.socket, part: bytes, *, head: bytes = b"", pause: float = 0) -> None:
    connection.sendall(head)
    while True:
        connection.sendall(part)
        time.sleep(pause)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nX-Slow: ",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n",
    ],
)
def test_a_slow_answer_ends_at_the_deadline(serve, head):
    """Each byte comes quickly; only the limit on the whole exchange stops it."""
    server = serve(lambda c: _repeat(c, b"x", head=head, pause=0.02))
    started = time.monotonic()
    with pytest.raises(EgressTimeout):
        EgressClient(OPEN).request("GET", f"http://127.0.0.1:{server.port}/", timeout=0.4)
    assert 0.3 < time.monotonic() - started < 2


def test_a_reader_that_does_not_read_ends_at_the_deadline(serve):
    server = serve(lambda c: time.sleep(3))
    with pytest.raises(EgressTimeout):
        EgressClient(OPEN).request(
            "POST", f"http://127.0.0.1:{server.port}/", body=b"x" * 50_000_000, timeout=0.4
        )


def test_a_slow_name_server_ends_at_the_deadline():
    client = EgressClient(OPEN, resolver=lambda host, port: time.sleep(2) or [])
    started = time.monotonic()
    with pytest.raises(EgressTimeout):
        client.request("GET", "http://slow.example/", timeout=0.2)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
    ],
)
def test_a_broken_answer_is_a_failure(serve, answer):
    server = serve(answer)
    with pytest.raises(EgressFailed):
        EgressClient(OPEN).request("GET", f"http://127.0.0.1:{server.port}/", timeout=3)


def test_nobody_listening_is_a_failure():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(EgressFailed):
        EgressClient(OPEN).request("GET", f"http://127.0.0.1:{port}/", timeout=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "1\r\nHost: evil"),
        ("X-A", "1\n"),
        ("X-A", "\x00"),
        ("X-A", "ü"),
        ("X-A", "a\u2028b"),
        ("X-A:", "1"),
        ("X A", "1"),
        ("", "1"),
        ("Host", "internal"),
        ("hOST", "internal"),
        ("Content-Length", "0"),
        ("Transfer-Encoding", "chunked"),
        ("Connection", "Host"),
    ],
)
def test_headers_cannot_be_injected(listeners, name, value):
    """I14: nothing is sent at all."""
    with pytest.raises(EgressRefused):
        EgressClient(OPEN).request(
            "GET", f"http://127.0.0.1:{listeners.port}/", headers={name: value}, timeout=1
        )
    assert listeners.count() == 0


@pytest.mark.parametrize("method", ["get", "TRACE", "CONNECT", "GET / HTTP/1.1\r\nX: y", ""])
def test_unknown_methods_are_refused(listeners, method):
    with pytest.raises(EgressRefused):
        EgressClient(OPEN).request(method, f"http://127.0.0.1:{listeners.port}/", timeout=1)
    assert listeners.count() == 0


def test_proxies_of_the_environment_are_ignored(serve, listeners, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{listeners.port}")
    server = serve(OK)
    assert EgressClient(OPEN).request("GET", f"http://127.0.0.1:{server.port}/").body == b"ok"
    assert listeners.count() == 0


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> str:
    """A certificate for erp.example, made on the spot: no key belongs in a repository."""
    if not (openssl := shutil.which("openssl")):
        pytest.skip("openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "erp.pem"
    subprocess.run(
        [
            openssl,
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=erp.example",
            "-addext",
            "subjectAltName=DNS:erp.example",
            "-keyout",
            str(path) + ".key",
            "-out",
            str(path),
        ],
        check=True,
        capture_output=True,
    )
    return str(path)


def test_https_keeps_to_the_name_while_connecting_to_the_address(serve, certificate):
    side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    side.load_cert_chain(certificate, certificate + ".key")
    server = serve(OK, side)
    trusting = ssl.create_default_context(cafile=certificate)
    client = EgressClient(OPEN, resolver=lambda host, port: ["127.0.0.1"], tls=trusting)
    response = client.request("GET", f"https://erp.example:{server.port}/")
    assert response.body == b"ok"
    assert server.names == ["erp.example"]
    with pytest.raises(EgressFailed, match="certificate"):
        client.request("GET", f"https://other.example:{server.port}/")
    with pytest.raises(EgressFailed, match="certificate"):
        EgressClient(OPEN, resolver=lambda host, port: ["127.0.0.1"]).request(
            "GET", f"https://erp.example:{server.port}/"
        )


def test_https_is_not_downgraded_by_a_redirect(serve, certificate):
    plain = serve(OK)
    side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    side.load_cert_chain(certificate, certificate + ".key")
    server = serve(_redirect(f"http://erp.example:{plain.port}/"), side)
    client = EgressClient(
        OPEN,
        resolver=lambda host, port: ["127.0.0.1"],
        tls=ssl.create_default_context(cafile=certificate),
    )
    with pytest.raises(EgressRefused, match="https to http"):
        client.request("GET", f"https://erp.example:{server.port}/", max_redirects=1)
    assert plain.requests == []


def test_head_has_no_body_and_any_status_is_an_answer(serve):
    server = serve(b"HTTP/1.1 503 Busy\r\nContent-Length: 10\r\n\r\n")
    response = EgressClient(OPEN).request("HEAD", f"http://127.0.0.1:{server.port}/")
    assert (response.status, response.body) == (http.client.SERVICE_UNAVAILABLE, b"")
