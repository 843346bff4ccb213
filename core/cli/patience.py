"""Who sends a request a letter at a time holds a thread of ours no longer than a slow line would."""

from __future__ import annotations

import errno
import time
from typing import Any

from gunicorn.workers.gthread import TConn, ThreadWorker

__all__ = ["GRACE", "RATE", "PacedSocket", "PatientWorker"]

#: Seconds that one request may keep us waiting, and one more for each so many bytes that came: those of
#: a very bad telephone line.
GRACE, RATE = 10.0, 1_000


class PacedSocket:
    """A socket whose sender is waited for within limits; only the time spent in waiting counts."""

    def __init__(self, line: Any) -> None:
        self._line = line
        self.begin_request()

    def begin_request(self) -> None:
        """Forget how slow the one before was."""
        self._waited, self._received = 0.0, 0

    def recv(self, size: int, *flags: int) -> bytes:
        """See `socket.socket.recv`; `ConnectionResetError` when the sender is too slow."""
        left = GRACE + self._received / RATE - self._waited
        begun = time.monotonic()
        try:
            self._line.settimeout(max(left, 0.001))
            found: bytes = self._line.recv(size, *flags)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "the sender is too slow") from None
        finally:
            self._line.setblocking(True)
        self._waited += time.monotonic() - begun
        self._received += len(found)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._line, name)


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's worker with threads; a connection that sends nothing at all, it waits for elsewhere."""

    def handle(self, conn: TConn) -> Any:
        """See gunicorn: one request of a connection, in a thread."""
        if not isinstance(conn.sock, PacedSocket):
            conn.sock = PacedSocket(conn.sock)
        conn.sock.begin_request()
        return super().handle(conn)
