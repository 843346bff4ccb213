"""Plugins that keep failing while the suite runs: counting, and switching them off."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.plugins.state import plugin_table, read_enabled
from core.runtime import bump_structure

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.work.uow import UnitOfWork

__all__ = ["GUARDS", "WINDOW", "Failures", "is_away", "switch_off_failing"]

log = logging.getLogger("dougong.plugins")

#: Failures count as "in a row" for so many seconds.
WINDOW = 600.0
#: Who implements one of these narrows what people may do: without it, more would be open.
GUARDS = ("check_permission", "scope_query")


@dataclass
class _Row:
    since: float
    count: int
    last: str


class Failures:
    """How often each hook of each plugin has failed in a row, in this process.

    An answer ends the row, so that one person's odd input does not take a plugin from everybody.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._rows: dict[tuple[str, str], _Row] = {}
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._rows)

    def failed(self, plugin: str, hook: str, error: BaseException) -> None:
        """Note one more failure."""
        if plugin == "core" or is_away(error):
            return
        text = f"{hook}: {type(error).__name__}: {error}"[:500]
        with self._lock:
            row = self._rows.get((plugin, hook))
            if row is None or self._now() - row.since > WINDOW:
                row = self._rows[plugin, hook] = _Row(self._now(), 0, text)
            row.count, row.last = row.count + 1, text

    def answered(self, plugin: str, hook: str) -> None:
        """It works again: the row is over."""
        if (plugin, hook) in self._rows:
            self._rows.pop((plugin, hook), None)

    def beyond(self, limit: int) -> dict[str, tuple[int, str]]:
        """``{plugin: (failures in a row, the last one)}`` of those that reached ``limit``."""
        with self._lock:
            return {
                plugin: (row.count, row.last)
                for (plugin, _hook), row in self._rows.items()
                if row.count >= limit > 0
            }

    def forget(self, plugin: str) -> None:
        """Begin anew with this plugin."""
        with self._lock:
            for key in [key for key in self._rows if key[0] == plugin]:
                del self._rows[key]


def is_away(error: BaseException) -> bool:
    """True when the database does not answer: whoever asks it then is not to blame."""
    if isinstance(error, OperationalError):
        # SQLite calls wrong statements that as well: "no such table", "near …: syntax error".
        code = getattr(error.orig, "sqlite_errorcode", None)
        return code is None or code & 0xFF != sqlite3.SQLITE_ERROR
    return isinstance(error, (InterfaceError, PoolTimeout))


def switch_off_failing(runtime: Runtime) -> list[str]:
    """Switch off, for all processes, what has failed too often in a row; returns the names.

    Called between pieces of work, in a transaction of its own. Nothing of the plugin is run. What
    needs it goes off with it. A plugin that narrows rights stays on, and refuses, until a person
    has decided; the Apps page shows it either way.
    """
    failures = runtime.plugins.failures
    if not failures:
        return []
    limit = runtime.snapshot.settings.get("core_modules", {}).get("failures") or 0
    beyond = failures.beyond(limit)
    if not beyond:
        return []
    try:
        return _switch_off(runtime, beyond)
    except DBAPIError as error:  # asked again after the next piece of work
        log.warning("failing plugins could not be switched off: %s", error.orig)
        return []


def _switch_off(runtime: Runtime, beyond: Mapping[str, tuple[int, str]]) -> list[str]:
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    switched: list[str] = []
    with UnitOfWork(runtime, SYSTEM, origin=Origin("system")) as uow:
        for name, (count, last) in beyond.items():
            if _stays(runtime, name):
                _note(uow, name, f"failed {count} times in a row, and stays on: {last}")
                continue
            on = read_enabled(uow.connection)
            reason = f"switched off after failing {count} times in a row: {last}"
            for each in _with_dependants(runtime, name):
                if each in on:
                    _turn(uow, each, reason if each == name else f"needs {name}, which failed")
                    switched.append(each)
    for name in beyond:
        runtime.plugins.failures.forget(name)
    return switched


def _stays(runtime: Runtime, name: str) -> bool:
    affected = set(_with_dependants(runtime, name))
    return any(
        owner in affected for hook in GUARDS for owner, _ in runtime.plugins.implementations(hook)
    )


def _with_dependants(runtime: Runtime, name: str) -> list[str]:
    """The plugin after all that needs it."""
    found: list[str] = []
    for other in runtime.plugins.dependants(name):
        found += [each for each in _with_dependants(runtime, other) if each not in found]
    return [*found, name]


def _turn(uow: UnitOfWork, name: str, reason: str) -> None:
    from core.audit.recorder import record_act
    from core.work.events import PluginDisabled

    log.error("plugin %s: %s", name, reason)
    _note(uow, name, reason, enabled=False, changed_at=uow.now())
    bump_structure(uow.connection)
    record_act(uow, "disable_plugin", details={"plugin": name, "reason": reason})
    uow.publish(PluginDisabled(name))


def _note(uow: UnitOfWork, name: str, reason: str, **values: object) -> None:
    row = update(plugin_table).where(plugin_table.c.name == name)
    uow.execute(row.values(error=reason[:2000], **values))
