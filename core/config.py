"""The configuration of this installation, read once from the environment."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from core.i18n import DEFAULT_LOCALE, LOCALES
from core.workspace import Workspace, read_workspace

__all__ = ["Config", "ConfigError", "keep_timezone", "key_file"]

_SHORTEST_KEY = 32
_FEWEST_SYMBOLS_IN_KEY = 10
_PLACEHOLDERS = ("changeme", "change-me", "change_me", "insecure", "your-secret", "your_secret")
_POSTGRES_PREFIXES = ("postgresql://", "postgres://")
_LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
#: All that a workspace takes from the environment: the company's database, its mail server, its key
#: and its queue are out of its reach, whatever is set.
_IN_WORKSPACE = (
    *("DOUGONG_TIMEZONE", "DOUGONG_LOCALE", "DOUGONG_PLUGINS_PATH", "DOUGONG_PROXY_HOPS"),
    *("DOUGONG_DEV", "DOUGONG_ACCESS_LOG", "DOUGONG_THREADS", "DOUGONG_LOG_LEVEL"),
)
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


class ConfigError(ValueError):
    """A setting cannot be used; the message names the variable, its value and the remedy."""

    def __init__(self, variable: str, value: str, remedy: str) -> None:
        super().__init__(f"{variable}={value}: {remedy}")
        self.variable = variable


@dataclass(frozen=True)
class Config:
    """What differs between installations. Whatever may hold a password stays out of the repr."""

    home: Path
    database_url: str = field(repr=False)
    replica_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    secret_key: str = field(repr=False)
    #: Keys of the time before a rotation: they open what they sealed, and seal nothing new.
    old_secret_keys: tuple[str, ...] = field(repr=False)
    storage_url: str = field(repr=False)
    smtp_url: str | None = field(repr=False)
    mail_from: str
    base_url: str
    timezone: ZoneInfo
    locale: str
    plugin_folders: tuple[Path, ...]
    proxy_hops: int
    test_clock: bool
    #: For who writes pages: templates are read anew, and `/dev/components` is there.
    development: bool
    #: Log every request, not only slow ones.
    access_log: bool
    workers: int
    threads: int
    log_level: str
    #: What this installation is a workspace of; None for the company's own.
    workspace: Workspace | None = None
    #: Where workspaces answer, with ``{name}`` or ``{port}``; empty: this host, by their ports.
    workspace_address: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] | None = None) -> Config:
        """Read ``DOUGONG_*``; makes the home and its secret key when there are none yet.

        Raises `ConfigError` for the first setting that cannot be used.
        """
        read = _Reader(os.environ if environ is None else environ)
        home = Path(read.text("DOUGONG_HOME", "var")).expanduser().absolute()
        workspace = read_workspace(home)
        if workspace is not None:
            given = {name: read.text(name) for name in _IN_WORKSPACE}
            read = _Reader({**given, "DOUGONG_BASE_URL": workspace.url})
        base_url = read.url("DOUGONG_BASE_URL", ("http", "https"), "http://localhost:8000")
        return cls(
            home=home,
            database_url=read.database("DOUGONG_DATABASE_URL") or f"sqlite:///{home}/dougong.db",
            replica_url=read.database("DOUGONG_REPLICA_URL"),
            redis_url=read.url("DOUGONG_REDIS_URL", ("redis", "rediss", "unix")) or None,
            storage_url=read.url("DOUGONG_STORAGE_URL", ("file", "s3"), f"file://{home}/files"),
            smtp_url=read.url("DOUGONG_SMTP_URL", ("smtp", "smtps")) or None,
            mail_from=read.text("DOUGONG_MAIL_FROM", f"dougong@{urlsplit(base_url).hostname}"),
            base_url=base_url.rstrip("/"),
            timezone=read.zone("DOUGONG_TIMEZONE", _kept_timezone(home)),
            locale=read.choice("DOUGONG_LOCALE", LOCALES, DEFAULT_LOCALE),
            plugin_folders=read.folders("DOUGONG_PLUGINS_PATH"),
            proxy_hops=read.number("DOUGONG_PROXY_HOPS", default=0, lowest=0, highest=10),
            test_clock=read.flag("DOUGONG_TEST_CLOCK"),
            development=read.flag("DOUGONG_DEV"),
            access_log=read.flag("DOUGONG_ACCESS_LOG"),
            workers=read.number("DOUGONG_WORKERS", default=2, lowest=1, highest=256),
            threads=read.number("DOUGONG_THREADS", default=4, lowest=1, highest=256),
            log_level=read.choice("DOUGONG_LOG_LEVEL", _LOG_LEVELS, "INFO"),
            workspace=workspace,
            workspace_address=read.workspaces("DOUGONG_WORKSPACE_URL"),
            # Last, so that a mistake in another setting leaves no new home behind.
            **_secret_keys(read, home),
        )

    def workspace_url(self, name: str, port: int) -> str:
        """Where the workspace of that name answers."""
        here = urlsplit(self.base_url).hostname or "localhost"
        address = self.workspace_address or f"http://{here}:{{port}}"
        return address.replace("{name}", name).replace("{port}", str(port)).rstrip("/")

    def keys_in_home(self) -> tuple[str, ...]:
        """The keys in the home as they are now: the one in use first, then those before it."""
        path = key_file(self.home)
        return _lines(path.read_text()) if path.exists() else ()


class _Reader:
    """Typed readings of the environment; a variable that is set to nothing counts as unset."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def text(self, name: str, default: str = "") -> str:
        return self._environ.get(name, "").strip() or default

    def choice(self, name: str, choices: tuple[str, ...], default: str) -> str:
        value = self.text(name, default)
        for choice in choices:
            if value.casefold() == choice.casefold():
                return choice
        raise ConfigError(name, value, f"use one of {', '.join(choices)}")

    def flag(self, name: str) -> bool:
        value = self.text(name, "0")
        if value.casefold() not in _FLAGS:
            raise ConfigError(name, value, "use 1 or 0")
        return _FLAGS[value.casefold()]

    def number(self, name: str, *, default: int, lowest: int, highest: int) -> int:
        value = self.text(name, str(default))
        if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
            raise ConfigError(name, value, f"use a whole number from {lowest} to {highest}")
        return int(value)

    def zone(self, name: str, default: str) -> ZoneInfo:
        value = self.text(name, default)
        try:
            return ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            remedy = "use a name of the time zone database, such as Asia/Shanghai"
            raise ConfigError(name, value, remedy) from error

    def folders(self, name: str) -> tuple[Path, ...]:
        paths = [Path(part).absolute() for part in self.text(name).split(os.pathsep) if part]
        for path in paths:
            if not path.is_dir():
                raise ConfigError(name, str(path), "this folder does not exist; make it or drop it")
        return tuple(paths)

    def url(self, name: str, schemes: tuple[str, ...], default: str = "") -> str:
        value = self.text(name, default)
        if value and (urlsplit(value).scheme not in schemes or "://" not in value):
            forms = ", ".join(f"{scheme}://…" for scheme in schemes)
            raise ConfigError(name, _without_password(value), f"use an address of the form {forms}")
        return value

    def workspaces(self, name: str) -> str:
        """The address of workspaces, in which each has a place."""
        value = self.url(name, ("http", "https"))
        if value and "{name}" not in value and "{port}" not in value:
            raise ConfigError(name, value, "put {name} or {port} where they differ")
        return value

    def database(self, name: str) -> str | None:
        """An SQLAlchemy address, with the driver we ship for PostgreSQL."""
        value = self.text(name)
        for prefix in _POSTGRES_PREFIXES:
            if value.startswith(prefix):
                return "postgresql+psycopg://" + value.removeprefix(prefix)
        if value and not value.startswith(("sqlite://", "postgresql+psycopg://")):
            remedy = "use sqlite:///… or postgresql://user:password@host/name"
            raise ConfigError(name, _without_password(value), remedy)
        return value or None


def _without_password(url: str) -> str:
    credentials, separator, rest = url.rpartition("@")
    return f"…@{rest}" if separator and credentials else url


def key_file(home: Path) -> Path:
    """Where the secret key lies when the environment brings none: one key a line, newest first."""
    return home / "secret.key"


def _timezone_file(home: Path) -> Path:
    return home / "timezone"


def keep_timezone(home: Path, name: str) -> None:
    """Remember the time zone that was chosen in the browser; the environment goes before it."""
    home.mkdir(parents=True, exist_ok=True)
    _timezone_file(home).write_text(f"{name}\n")


def _kept_timezone(home: Path) -> str:
    path = _timezone_file(home)
    return (path.read_text().strip() if path.is_file() else "") or "Asia/Shanghai"


def _secret_keys(read: _Reader, home: Path) -> dict[str, Any]:
    given = read.text("DOUGONG_SECRET_KEY")
    old = _lines(read.text("DOUGONG_OLD_SECRET_KEYS").replace(",", "\n"))
    if given:
        key = _vetted_key(given, "DOUGONG_SECRET_KEY", "unset it to have one made in the home")
        return {"secret_key": key, "old_secret_keys": old}
    path = key_file(home)
    kept, *before = _lines(_kept_key(path))
    key = _vetted_key(kept, str(path), "delete the file to have a new one made")
    return {"secret_key": key, "old_secret_keys": (*before, *old)}


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def _vetted_key(key: str, where: str, remedy: str) -> str:
    if len(key) < _SHORTEST_KEY:
        problem = f"the key is shorter than {_SHORTEST_KEY} characters"
    elif len(set(key)) < _FEWEST_SYMBOLS_IN_KEY or any(p in key.lower() for p in _PLACEHOLDERS):
        problem = "the key is a placeholder"
    else:
        return key
    raise ConfigError(where, "(hidden)", f"{problem}; use a long random one, or {remedy}")


def _kept_key(path: Path) -> str:
    """The keys in the home. Of several processes that find none, the first to lock makes it."""
    try:
        if path.exists() and (kept := path.read_text().strip()):
            return kept
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if kept := file.read().strip():
                return kept
            made = secrets.token_urlsafe(48)
            file.write(made + "\n")
            file.flush()
            os.fsync(file.fileno())
            return made
    except OSError as error:
        remedy = f"the home must be a folder we can read and write ({error.strerror})"
        raise ConfigError("DOUGONG_HOME", str(path.parent), remedy) from error
