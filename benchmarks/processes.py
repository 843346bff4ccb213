"""Servers and commands as processes of their own: started, waited for, measured, stopped."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["Serving", "command", "floor_server", "memory_of", "server", "serving"]

ROOT = Path(__file__).resolve().parent.parent
OURS = [sys.executable, "-c", "from core.cli import main; main()"]
Process = subprocess.Popen[bytes]


class Serving:
    """A server that answers: its address, its process, and how long it took to answer."""

    def __init__(self, base: str, process: Process, seconds: float) -> None:
        self.base, self.process, self.seconds = base, process, seconds


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def server(environment: Mapping[str, str], token: str, *, workers: int) -> Iterator[Serving]:
    """`dougong serve`; ready when a signed-in read of a record is answered."""
    path = "/api/v1/records/lead?limit=1"
    bearer = {"Authorization": f"Bearer {token}"}
    with serving(environment, path, bearer, workers=workers) as found:
        yield found


@contextmanager
def serving(
    environment: Mapping[str, str],
    path: str,
    headers: Mapping[str, str] | None = None,
    *,
    workers: int,
) -> Iterator[Serving]:
    """`dougong serve`; ready when ``path`` is answered."""
    port = _free_port()
    line = [*OURS, "serve", "--port", str(port), "--workers", str(workers)]
    with _serving(line, environment, port, path, headers or {}) as found:
        yield found


@contextmanager
def floor_server(environment: Mapping[str, str], database_url: str) -> Iterator[Serving]:
    """The floor behind the same gunicorn with as many threads."""
    port = _free_port()
    line = [sys.executable, "-m", "gunicorn", "-k", "gthread", "--threads", "4"]
    line += ["-b", f"127.0.0.1:{port}", "benchmarks.floor:app"]
    given = {**environment, "FLOOR_DATABASE_URL": database_url}
    with _serving(line, given, port, "/one/1", {}) as found:
        yield found


@contextmanager
def _serving(
    line: list[str],
    environment: Mapping[str, str],
    port: int,
    path: str,
    headers: Mapping[str, str],
) -> Iterator[Serving]:
    with tempfile.TemporaryFile() as log:
        begin = time.perf_counter()
        process = subprocess.Popen(line, env=environment, cwd=ROOT, stdout=log, stderr=log)
        try:
            while not _answers(port, path, headers):
                if process.poll() is not None or time.perf_counter() > begin + 60:
                    log.seek(0)
                    sys.exit(f"the server did not start:\n{log.read().decode()[-3000:]}")
                time.sleep(0.01)
            yield Serving(f"http://127.0.0.1:{port}", process, time.perf_counter() - begin)
        finally:
            process.terminate()
            process.wait(40)


def _answers(port: int, path: str, headers: Mapping[str, str]) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        if answer.status != 200:
            sys.exit(f"{path} answered {answer.status}: {answer.read()[:300]!r}")
        return bool(answer.read())
    except OSError:
        return False
    finally:
        connection.close()


def memory_of(process: Process) -> float:
    """Resident megabytes of the largest process that serves."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return max(_resident(int(pid)) for pid in children)


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def command(environment: Mapping[str, str], *arguments: str) -> tuple[Any, float]:
    """The answer of a `dougong` command with ``--json``, and the seconds that it took."""
    begin = time.perf_counter()
    done = subprocess.run(
        [*OURS, *arguments, "--json"], env=environment, cwd=ROOT, check=False, capture_output=True
    )
    seconds = time.perf_counter() - begin
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stderr.decode()[-2000:]}")
    return json.loads(done.stdout), seconds
