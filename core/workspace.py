"""A workspace: an installation of its own for trying things out, in a folder below the server's home.

What is known of one lies in its ``workspace.json`` and nowhere else: a database that is put back or
replaced takes no workspace with it, and whatever opens such a home knows at once that it is in one.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

__all__ = [
    "LIFE",
    "WARNED",
    "Workspace",
    "WorkspaceBusy",
    "alone",
    "find_workspaces",
    "folder_of",
    "free_name",
    "free_port",
    "is_name",
    "read_workspace",
    "write_workspace",
]

#: How many days one is kept, unless told otherwise, and how many before its end it is told of.
LIFE, WARNED = 14, 3
#: Those of one server answer on these ports: as many as there may be.
PORTS = range(8101, 8110)
_FILE = "workspace.json"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")

Kind = Literal["sandbox", "trial"]
#: ``promoted``: its data are those of the company now.
State = Literal["making", "ready", "resetting", "removing", "failed", "promoted"]


class WorkspaceBusy(Exception):
    """Somebody else serves or changes it."""


@dataclass(frozen=True)
class Workspace:
    """One of them, as its file tells of it."""

    name: str
    kind: Kind
    state: State
    #: Who asked for it: their address, and their id in the company's database.
    made_by: str
    made_by_id: int | None
    #: The moment whose data it began with.
    made_at: datetime
    #: It is not served from then on.
    ends_at: datetime
    port: int
    url: str
    #: Which modules are on in it; empty for a copy, which has those of the company.
    plugins: tuple[str, ...] = ()
    #: A trial that began with the company's data.
    is_copy: bool = False
    was_warned: bool = False
    problem: str = ""

    def is_served(self, now: datetime) -> bool:
        """Whether `dougong serve` should have it there."""
        return self.state == "ready" and now < self.ends_at


def is_name(text: str) -> bool:
    """Whether a workspace may be called that: it becomes a folder and part of a cookie's name."""
    return _NAME.fullmatch(text) is not None


def folder_of(home: Path, name: str) -> Path:
    """Where the workspace of an installation lies: its ``DOUGONG_HOME``."""
    if not is_name(name):
        raise ValueError(name)
    return home / "workspaces" / name


def read_workspace(folder: Path) -> Workspace | None:
    """What this home is a workspace of; None where it is none."""
    try:
        found: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    for each in ("made_at", "ends_at"):
        found[each] = datetime.fromisoformat(found[each])
    return Workspace(**found | {"plugins": tuple(found["plugins"])})


def find_workspaces(home: Path) -> list[Workspace]:
    """Those of an installation, by name."""
    folders = sorted((home / "workspaces").glob("*/"))
    return [found for each in folders if (found := read_workspace(each)) is not None]


def write_workspace(home: Path, workspace: Workspace, **changes: Any) -> Workspace:
    """Note what is known of it now; the file is the old one or the new one."""
    changed = replace(workspace, **changes)
    folder = folder_of(home, changed.name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f"{_FILE}.part"
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(asdict(changed), file, default=str, ensure_ascii=False, indent=1)
    os.replace(part, folder / _FILE)
    return changed


def free_name(home: Path, kind: str) -> str:
    """``sandbox``, ``sandbox-2`` …"""
    taken = {each.name for each in find_workspaces(home)}
    choices = [kind, *(f"{kind}-{number}" for number in range(2, len(PORTS) + 2))]
    return next(each for each in choices if each not in taken)


def free_port(home: Path) -> int | None:
    """A port that no other workspace has; None when there are as many as there may be."""
    taken = {each.port for each in find_workspaces(home)}
    return next((port for port in PORTS if port not in taken), None)


@contextmanager
def alone(folder: Path, *, patience: float = 0) -> Iterator[None]:
    """Hold the workspace for oneself: nobody serves it, and nobody else changes it.

    What is forked meanwhile holds it too, so that a server has it until its last process is gone.
    Raises `WorkspaceBusy` after ``patience`` seconds.
    """
    until = time.monotonic() + patience
    with (folder / "lock").open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise WorkspaceBusy(folder.name) from error
                time.sleep(0.1)
        yield
