"""A keep-alive HTTP client and the timing of calls."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit


class Client:
    """One connection that stays open; answers are parsed JSON, and an error is an exception."""

    def __init__(self, base: str, token: str = "") -> None:
        parts = urlsplit(base)
        self.connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        target = f"{path}?{urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body).encode()
        headers = {**self.headers, **({"Content-Type": "application/json"} if data else {})}
        try:
            self.connection.request(method, target, data, headers)
            answer = self.connection.getresponse()
        except ConnectionError:  # closed by the server, after it was idle for some seconds
            self.connection.close()
            self.connection.request(method, target, data, headers)
            answer = self.connection.getresponse()
        content = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {target}: {answer.status} {content[:500]!r}")
        return json.loads(content) if content else None

    def get(self, path: str, **query: Any) -> Any:
        return self.call("GET", path, **query)


@dataclass
class Times:
    """Milliseconds of the single calls."""

    values: list[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.values)

    @property
    def p95(self) -> float:
        return statistics.quantiles(self.values, n=20)[18]

    def __str__(self) -> str:
        return f"{self.p50:.1f} ({self.p95:.1f})"


def timed(action: Callable[[int], Any], count: int, warm_up: int = 5) -> Times:
    """Call ``action(n)`` in a row, the first few untimed."""
    for number in range(warm_up):
        action(-number - 1)
    values = []
    for number in range(count):
        begin = time.perf_counter()
        action(number)
        values.append((time.perf_counter() - begin) * 1000)
    return Times(values)


def throughput(make: Callable[[], Callable[[int], Any]], clients: int, seconds: float) -> float:
    """Calls a second of several clients at once."""
    counts, stop = [0] * clients, threading.Event()

    def work(index: int) -> None:
        action = make()
        while not stop.is_set():
            action(counts[index] * clients + index)
            counts[index] += 1

    threads = [threading.Thread(target=work, args=(index,)) for index in range(clients)]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - begin)
