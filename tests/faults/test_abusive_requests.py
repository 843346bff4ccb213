"""R3: fat, odd and slow requests at once: refused, not kept, and others are served meanwhile."""

from __future__ import annotations

import http.client
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

AT_ONCE = 50
#: Bytes of memory by which the server may grow.
GROWTH = 150_000_000
#: Seconds that the health page may take at the median. Half a second is asked of a machine that does
#: nothing else; here the fifty callers and other tests share its cores with the server.
HEALTHY = 2.0
_HEAD = (
    "POST /sign-in HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {size}\r\n\r\n"
)


def _answer(port: int, text: bytes, *, then: Callable[[socket.socket], None] | None = None) -> int:
    """The status that a raw request is answered with; 0 when the connection is closed on it."""
    with closing(socket.create_connection(("127.0.0.1", port), timeout=60)) as line:
        try:
            line.sendall(text)
            if then is not None:
                then(line)
            start = line.recv(64)
        except (ConnectionError, TimeoutError):
            return 0
    return int(start.split()[1]) if start.startswith(b"HTTP/") else 0


def _ten_thousand_parts(port: int) -> int:
    part = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
    body = part * 10_000 + b"--x--\r\n"
    head = _HEAD.format(kind="multipart/form-data; boundary=x", size=len(body))
    return _answer(port, head.encode() + body)


def _a_gigabyte(port: int) -> int:
    """Announced, and sent for as long as somebody reads it."""

    def pour(line: socket.socket) -> None:
        for _piece in range(1000):
            line.sendall(bytes(1_000_000))

    head = _HEAD.format(kind="application/x-www-form-urlencoded", size=10**9)
    return _answer(port, head.encode(), then=pour)


def _deep_json(port: int) -> int:
    body = b"[" * 200_000
    head = "POST /api/v1/records/user HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    return _answer(port, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def _long_query(port: int) -> int:
    return _answer(port, b"GET /sign-in?" + b"a=1&" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")


def _many_cookies(port: int) -> int:
    cookies = b"".join(b"Cookie: a%d=%s\r\n" % (n, b"x" * 100) for n in range(5_000))
    return _answer(port, b"GET /sign-in HTTP/1.1\r\nHost: x\r\n" + cookies + b"\r\n")


ABUSES = (
    _ten_thousand_parts, _a_gigabyte, _deep_json, _long_query, _many_cookies,
)  # fmt: skip


def _memory(pids: list[int]) -> int:
    """What the processes hold at this moment (bytes)."""
    found = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
    return found


def _family(pid: int) -> list[int]:
    below = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(each for child in below for each in _family(int(child)))]


def _health(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with closing(connection):
        connection.request("GET", "/healthz")
        return connection.getresponse().status


#: Asks the health page again and again: in a process of its own, as this one is busy with fifty threads.
ASKING = """
import http.client, sys, time

while True:
    begun = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=60)
    connection.request("GET", "/healthz")
    status = connection.getresponse().status
    connection.close()
    print(status, time.monotonic() - begun, flush=True)
    time.sleep(0.1)
"""


@dataclass
class Seen:
    """What was seen of a server: the health page's answers, their seconds, and bytes of memory."""

    statuses: set[int] = field(default_factory=set)
    seconds: list[float] = field(default_factory=list)
    memory: list[int] = field(default_factory=list)


@contextmanager
def _watched(port: int, pids: list[int], told: Path) -> Iterator[Seen]:
    """What is seen again and again during the block; complete when it is over."""
    seen, over = Seen(), threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            seen.memory.append(_memory(pids))

    thread = threading.Thread(target=watch)
    with told.open("w") as file:
        asking = subprocess.Popen([sys.executable, "-c", ASKING, str(port)], stdout=file)
    while not told.read_text():
        assert asking.poll() is None
        time.sleep(0.05)
    told.write_text("")  # what came before it begins
    thread.start()
    yield seen
    over.set()
    thread.join()
    asking.terminate()
    asking.wait(60)
    for line in told.read_text().replace("\0", "").splitlines():
        status, seconds = line.split()
        seen.statuses.add(int(status))
        seen.seconds.append(float(seconds))


@pytest.mark.long
@pytest.mark.databases("sqlite")
def test_fifty_abusive_requests_at_once(site, tmp_path):
    """R3: refused with 4xx or closed, in less than 150 MB more; the health page answers meanwhile,
    in two seconds at the median."""
    with site.serving(1) as port:
        assert _answer(port, b"GET /sign-in HTTP/1.1\r\nHost: x\r\n\r\n") == 200  # control
        pids = _family(site.processes[-1].pid)
        before = _memory(pids)
        answers: list[tuple[str, int]] = []

        def ask(abuse: Callable[[int], int]) -> None:
            answers.append((abuse.__name__, abuse(port)))

        abuses = ABUSES * (AT_ONCE // len(ABUSES))
        threads = [threading.Thread(target=ask, args=(abuse,)) for abuse in abuses]
        with _watched(port, pids, tmp_path / "health") as seen:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        told = {name: {status for each, status in answers if each == name} for name, _ in answers}
        usual, grown = statistics.median(seen.seconds), max(seen.memory) - before
        print(
            f"\nR3: {told}, memory +{grown / 1e6:.0f} MB, the health page {usual * 1000:.0f} ms"
            f" at the median of {len(seen.seconds)}, {max(seen.seconds) * 1000:.0f} at most"
        )
        assert len(answers) == AT_ONCE
        assert all(status == 0 or 400 <= status < 500 for _name, status in answers), told
        assert seen.statuses == {200}
        assert grown < GROWTH
        assert usual < HEALTHY
        assert _health(port) == 200
    assert "Traceback" not in site.logs()


HEAD = b"POST /sign-in HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.long
@pytest.mark.databases("sqlite")
@pytest.mark.parametrize(
    "begun", [b"GET /sign-in HTTP/1.1\r\nX: ", HEAD + b"Content-Length: 99\r\n\r\n"]
)
def test_who_sends_a_letter_at_a_time_is_let_go(site, begun):
    """R3: in its headers or in its body; four of them hold both threads for no longer than that."""
    with site.serving(1, DOUGONG_THREADS="2") as port, ExitStack() as lines:
        assert _health(port) == 200
        slow = [socket.create_connection(("127.0.0.1", port), timeout=60) for _ in range(4)]
        for line in slow:
            lines.callback(line.close)
            line.sendall(begun)
        gone = 0
        while gone < len(slow):
            time.sleep(0.5)
            gone = sum(_is_closed(line) for line in slow)
        assert _health(port) == 200


def _is_closed(line: socket.socket) -> bool:
    """Send one more letter, unless nobody listens any more."""
    try:
        line.sendall(b"x")
    except OSError:
        return True
    return False
