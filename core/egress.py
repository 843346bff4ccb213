"""The one client for outgoing HTTP: it connects only to addresses the policy has vetted."""

from __future__ import annotations

import http.client
import io
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any
from urllib.parse import quote, urljoin, urlsplit

__all__ = [
    "EgressClient",
    "EgressError",
    "EgressFailed",
    "EgressPolicy",
    "EgressRefused",
    "EgressResponse",
    "EgressTimeout",
    "EgressTooLarge",
    "Resolver",
    "close_egress",
]

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
#: From a host name and a port to the addresses the name has at this moment.
Resolver = Callable[[str, int], Sequence[str]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_MOST_REDIRECTS = 3
_CHUNK = 65536
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_LOOKS_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e]*")
_OWN_HEADER_NAMES = "host content-length transfer-encoding connection upgrade accept-encoding"
#: Set by the client alone: a caller's own value could point a proxy or a server elsewhere.
_OWN_HEADERS = frozenset(
    {"host", "content-length", "transfer-encoding", "connection", "upgrade", "accept-encoding"}
)
#: All that is sent on to another origin; the rest may carry credentials.
_PORTABLE_HEADERS = frozenset({"accept", "accept-language", "user-agent"})

#: What IANA's special-purpose registries keep from the public Internet, and 168.63.129.16, where
#: one large cloud answers its guests with secrets.
_SPECIAL_IPV4_TEXT = """
0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12
192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24
203.0.113.0/24 224.0.0.0/4 240.0.0.0/4
"""
_SPECIAL_IPV6_TEXT = "2001::/23 2001:db8::/32 2002::/16 3ffe::/16 3fff::/20"
_SPECIAL_IPV4 = tuple(map(ipaddress.IPv4Network, _SPECIAL_IPV4_TEXT.split()))
_SPECIAL_IPV6 = tuple(map(ipaddress.IPv6Network, _SPECIAL_IPV6_TEXT.split()))
_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ISATAP_MARKS = (0x00005EFE, 0x02005EFE)


class EgressError(Exception):
    """An outgoing request brought no answer."""


class EgressRefused(EgressError):
    """The policy forbids the request, or the request is malformed; trying again is pointless."""


class EgressFailed(EgressError):
    """The other side could not be reached or broke off."""


class EgressTimeout(EgressFailed):
    """The deadline for the whole exchange has passed."""


class EgressTooLarge(EgressError):
    """The answer is longer than the caller wants to read."""


@dataclass(frozen=True)
class EgressPolicy:
    """Where requests may go: public addresses, and the private networks an administrator named."""

    #: CIDRs, e.g. ``{"10.1.2.3/32"}`` for an ERP in the same building.
    allow_private_networks: frozenset[str] = frozenset()
    #: None allows every port.
    allow_ports: frozenset[int] | None = frozenset({80, 443, 8080, 8443})
    _networks: tuple[Network, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        networks = tuple(map(ipaddress.ip_network, sorted(self.allow_private_networks)))
        object.__setattr__(self, "_networks", networks)

    def allows(self, address: Address) -> bool:
        """Whether a connection to ``address`` may be opened."""
        plain = _unmapped(address)
        return _is_public(plain) or any(plain in network for network in self._networks)

    def allows_port(self, port: int) -> bool:
        """Whether a connection to ``port`` may be opened."""
        return self.allow_ports is None or port in self.allow_ports


@dataclass(frozen=True)
class EgressResponse:
    """An answer, read to its end. Header names are in lower case; ``url`` is where it came from."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str


@dataclass(frozen=True)
class _Target:
    scheme: str
    host: str
    port: int
    path: str
    url: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return (self.scheme, self.host, self.port)


@dataclass(frozen=True)
class _Request:
    method: str
    target: _Target
    headers: Mapping[str, str]
    body: bytes | None


class _Deadline:
    """The moment by which the whole exchange, redirects included, has to be over."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise EgressTimeout("the other side took too long")
        return left


def system_resolver(host: str, port: int) -> list[str]:
    """Ask the operating system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


_is_closed = threading.Event()


def close_egress() -> None:
    """From now on nothing leaves this process, whatever a policy allows: it serves a workspace."""
    _is_closed.set()


class EgressClient:
    """Sends one request at a time and keeps nothing between them; safe to share by threads."""

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        resolver: Resolver = system_resolver,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._tls = tls or ssl.create_default_context()

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        timeout: float = 10,
        max_bytes: int = 5_000_000,
        max_redirects: int = 0,
    ) -> EgressResponse:
        """Send a request and read the whole answer, within ``timeout`` seconds in all.

        Any status is an answer. Redirects are followed only when ``max_redirects`` (at most 3)
        says so, never from https to http; to another origin go neither a body nor the caller's
        headers. Raises the subclasses of `EgressError`.
        """
        if not 0 <= max_redirects <= _MOST_REDIRECTS:
            raise ValueError(f"max_redirects must be 0 to {_MOST_REDIRECTS}")
        deadline = _Deadline(timeout)
        request = _checked_request(method, url, headers or {}, body)
        for hops_left in range(max_redirects, -1, -1):
            response = self._exchange(request, deadline, max_bytes)
            location = response.headers.get("location")
            if (
                not max_redirects
                or response.status not in (301, 302, 303, 307, 308)
                or not location
            ):
                return response
            if hops_left:
                request = _redirected(request, response.status, location)
        raise EgressRefused("too many redirects")

    def _exchange(self, request: _Request, deadline: _Deadline, max_bytes: int) -> EgressResponse:
        target = request.target
        address = self._vetted_address(target, deadline)
        connection = _PinnedConnection(target, address, self._tls, deadline)
        try:
            connection.request(request.method, target.path, request.body, dict(request.headers))
            answer = connection.getresponse()
            return EgressResponse(
                answer.status,
                _merged_headers(answer.getheaders()),
                _read_body(answer, max_bytes),
                target.url,
            )
        except TimeoutError as error:
            raise EgressTimeout("the other side took too long") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise EgressFailed(f"{target.host}: {reason}") from error
        finally:
            connection.release()

    def _vetted_address(self, target: _Target, deadline: _Deadline) -> Address:
        """One address of the host. A name with any forbidden address is refused altogether."""
        if _is_closed.is_set():
            raise EgressRefused("nothing leaves a workspace for trying things out")
        if not self._policy.allows_port(target.port):
            raise EgressRefused(f"port {target.port} is not allowed")
        literal = _literal_address(target.host)
        addresses = [literal] if literal else self._resolved(target, deadline)
        for address in addresses:
            if not self._policy.allows(address):
                raise EgressRefused(f"{target.host} is in a network that is not allowed")
        return addresses[0]

    def _resolved(self, target: _Target, deadline: _Deadline) -> list[Address]:
        """Look the name up in a thread of its own, for the system's look-up knows no deadline."""
        found: list[str] = []
        problems: list[Exception] = []

        def look_up() -> None:
            try:
                found.extend(self._resolver(target.host, target.port))
            except (OSError, UnicodeError) as error:
                problems.append(error)

        thread = threading.Thread(target=look_up, name="egress-lookup", daemon=True)
        thread.start()
        thread.join(deadline.left())
        if thread.is_alive():
            raise EgressTimeout(f"looking up {target.host} took too long")
        if problems or not found:
            raise EgressFailed(f"{target.host} has no address") from next(iter(problems), None)
        try:
            return [ipaddress.ip_address(text) for text in found]
        except ValueError as error:
            raise EgressRefused(f"{target.host} has an address we cannot read") from error


class _PinnedConnection(http.client.HTTPConnection):
    """Speaks to the vetted address, while Host and the certificate keep to the name."""

    def __init__(
        self, target: _Target, address: Address, tls: ssl.SSLContext, deadline: _Deadline
    ) -> None:
        # An instance's own value, read when the Host header is written.
        self.default_port = _DEFAULT_PORTS[target.scheme]
        super().__init__(target.host, target.port)
        self._target = target
        self._address = address
        self._tls = tls
        self._deadline = deadline
        self._raw: socket.socket | None = None

    def connect(self) -> None:
        """Open the connection; called by http.client when the request is sent."""
        place = (str(self._address), self._target.port)
        raw = socket.create_connection(place, timeout=self._deadline.left())
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._target.scheme == "https":
                raw.settimeout(self._deadline.left())
                raw = self._tls.wrap_socket(raw, server_hostname=self._target.host)
        except BaseException:
            raw.close()
            raise
        self._raw = raw
        self.sock: Any = _TimedSocket(raw, self._deadline)

    def release(self) -> None:
        """Close the connection, whether or not it was ever opened."""
        self.close()
        if self._raw:
            self._raw.close()


class _TimedSocket:
    """The part of a socket that http.client uses, each call limited to the time that is left."""

    def __init__(self, raw: socket.socket, deadline: _Deadline) -> None:
        self._raw = raw
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            self._raw.settimeout(self._deadline.left())
            view = view[self._raw.send(view[:_CHUNK]) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._raw, self._deadline))

    def close(self) -> None:
        """Nothing: http.client closes while the answer is still to be read; see `release`."""


class _TimedReader(io.RawIOBase):
    def __init__(self, raw: socket.socket, deadline: _Deadline) -> None:
        self._raw = raw
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._raw.settimeout(self._deadline.left())
        return self._raw.recv_into(buffer)


def _read_body(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    if answer.length is not None and answer.length > max_bytes:
        raise EgressTooLarge(f"the answer is longer than {max_bytes} bytes")
    parts: list[bytes] = []
    size = 0
    while part := answer.read(min(_CHUNK, max_bytes - size + 1)):
        parts.append(part)
        size += len(part)
        if size > max_bytes:
            raise EgressTooLarge(f"the answer is longer than {max_bytes} bytes")
    if answer.length:
        raise http.client.IncompleteRead(b"", answer.length)
    return b"".join(parts)


def _merged_headers(pairs: Sequence[tuple[str, str]]) -> Mapping[str, str]:
    merged: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        merged[key] = f"{merged[key]}, {value}" if key in merged else value
    return MappingProxyType(merged)


def _checked_request(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None
) -> _Request:
    if method not in _METHODS:
        raise EgressRefused(f"unknown method {method!r}")
    sent = {"Accept-Encoding": "identity"}
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise EgressRefused(f"header {name!r} has characters that headers may not have")
        if name.lower() in _OWN_HEADERS:
            raise EgressRefused(f"header {name!r} is not the caller's to set")
        sent[name] = value
    return _Request(method, _checked_target(url), sent, body)


def _redirected(request: _Request, status: int, location: str) -> _Request:
    target = _checked_target(urljoin(request.target.url, location))
    if request.target.scheme == "https" and target.scheme == "http":
        raise EgressRefused("a redirect from https to http is not followed")
    method, body, headers = request.method, request.body, request.headers
    if status == 303 or (status in (301, 302) and method == "POST"):
        method, body = ("HEAD" if method == "HEAD" else "GET"), None
        headers = {n: v for n, v in headers.items() if n.lower() != "content-type"}
    if target.origin != request.target.origin:
        if body is not None:
            raise EgressRefused("a redirect that takes the body to another origin is not followed")
        headers = {n: v for n, v in headers.items() if n.lower() in _PORTABLE_HEADERS}
        headers["Accept-Encoding"] = "identity"
    return _Request(method, target, headers, body)


def _checked_target(url: str) -> _Target:
    """Read an address strictly: what two parsers could read differently is refused."""
    if any(char <= " " or char in "\\\x7f" for char in url):
        raise EgressRefused("the address has characters that addresses may not have")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise EgressRefused(f"the address cannot be read: {error}") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise EgressRefused("only http and https addresses are allowed")
    if "@" in parts.netloc or "%" in parts.netloc or parts.netloc.endswith(":"):
        raise EgressRefused("the address must name a host and nothing else before the path")
    host = _checked_host(parts.hostname or "", is_bracketed=parts.netloc.startswith("["))
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
    query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~?')}" if parts.query else ""
    if port is None:
        port = _DEFAULT_PORTS[parts.scheme]
    return _Target(parts.scheme, host, port, path + query, url)


def _checked_host(host: str, *, is_bracketed: bool) -> str:
    if is_bracketed:
        try:
            return ipaddress.IPv6Address(host).compressed
        except ValueError as error:
            raise EgressRefused(f"{host!r} is not an address") from error
    try:
        name = host if host.isascii() else host.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise EgressRefused(f"{host!r} is not a host name") from error
    labels = name.split(".")
    if len(name) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise EgressRefused(f"{host!r} is not a host name")
    if _LOOKS_NUMERIC.fullmatch(labels[-1]) and _literal_address(name) is None:
        raise EgressRefused(f"{host!r} is neither a name nor a plain address")
    return name


def _literal_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _unmapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    if address.scope_id:
        return False
    if address in _NAT64:
        return all(map(_is_public, _embedded_ipv4(address)))
    if address not in _PUBLIC_IPV6 or any(address in network for network in _SPECIAL_IPV6):
        return False
    is_isatap = (int(address) >> 32) & 0xFFFFFFFF in _ISATAP_MARKS
    return not is_isatap or all(map(_is_public, _embedded_ipv4(address)))


def _embedded_ipv4(address: ipaddress.IPv6Address) -> Iterator[ipaddress.IPv4Address]:
    yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
