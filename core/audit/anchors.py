"""Anchors: signed lines about the head of the chain, kept in a file outside the database.

Whoever cuts the end off the chain, or puts an older copy of the database in its place, leaves
lines here that the chain no longer bears out.
"""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from core.audit.signing import is_signed, sign

if TYPE_CHECKING:
    from core.config import Config

__all__ = ["Anchor", "anchors_file", "append_anchor", "read_anchors"]

#: Bytes; no line is longer, as a reason has at most 300 characters.
_LONGEST = 8_192


@dataclass(frozen=True)
class Anchor:
    """The head of the chain at a moment; ``reason`` when a backup was put in place just before."""

    seal: int
    hash: str
    at: str
    reason: str = ""
    #: False for a line that this installation did not write.
    genuine: bool = True


def anchors_file(config: Config) -> Path:
    """``audit-anchors.jsonl`` in the home."""
    return config.home / "audit-anchors.jsonl"


def append_anchor(config: Config, seal: int, hash_: str, at: datetime, *, reason: str = "") -> None:
    """Add a line, on the disk when this returns.

    None is added where another process was quicker with a later seal: the lines stay in order.
    """
    moment = at.isoformat()
    line = {
        **{"seal": seal, "hash": hash_, "at": moment, "reason": reason},
        "signature": sign(config, "anchor", seal, hash_, moment, reason),
    }
    descriptor = os.open(anchors_file(config), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if not reason and _last_seal(config, descriptor) > seal:
            return
        os.write(descriptor, orjson.dumps(line) + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _last_seal(config: Config, descriptor: int) -> int:
    """The seal that the last line is about; 0 where there is none."""
    size = os.fstat(descriptor).st_size
    lines = os.pread(descriptor, _LONGEST, max(0, size - _LONGEST)).splitlines()
    return _read(config, lines[-1]).seal if lines else 0


def read_anchors(config: Config) -> list[Anchor]:
    """The lines, oldest first."""
    try:
        lines = anchors_file(config).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    return [_read(config, line) for line in lines if line.strip()]


def _read(config: Config, line: bytes) -> Anchor:
    try:
        given: dict[str, Any] = orjson.loads(line)
        parts = (given["seal"], given["hash"], given["at"], given["reason"])
        return Anchor(*parts, is_signed(config, given["signature"], "anchor", *parts))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return Anchor(0, "", "", genuine=False)
