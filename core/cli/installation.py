"""What most commands begin with: the runtime of this installation, and who acts."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from core.runtime import Runtime
    from core.security.actor import Actor
    from core.work.uow import UnitOfWork

__all__ = ["acting", "as_json", "emit", "open_runtime", "system_work", "user_id"]

#: The option of commands whose answer a program may read.
as_json = click.option("--json", "as_json", is_flag=True, help="Answer as JSON.")


@contextmanager
def open_runtime(*, initialised: bool = True) -> Iterator[Runtime]:
    """The runtime, speaking the installation's language; refuses where nothing is installed yet."""
    from core.boot import boot, is_initialised
    from core.errors import Refused
    from core.i18n import gettext as _
    from core.i18n import use_locale
    from core.logging import configure_logging

    # What goes wrong is told in one line; the log is for those who look for the cause.
    configure_logging("INFO" if os.environ.get("DOUGONG_DEBUG") else "CRITICAL", sys.stderr)
    runtime = boot()
    with use_locale(runtime.config.locale):
        try:
            if initialised:
                with runtime.read_connection() as connection:
                    if not is_initialised(connection):
                        raise Refused(_("There is no installation yet. Run: dougong init"))
            yield runtime
        finally:
            runtime.database.dispose()


@contextmanager
def system_work(runtime: Runtime, *, write: bool = True) -> Iterator[UnitOfWork]:
    """A transaction of whoever may run commands on this machine: the system's."""
    from core.security.actor import SYSTEM
    from core.work.uow import Origin, UnitOfWork

    with UnitOfWork(runtime, SYSTEM, origin=Origin("cli"), write=write) as uow:
        yield uow


def user_id(uow: UnitOfWork, email: str) -> int:
    """The active person with that address; `NotFound` without one."""
    from core.errors import NotFound
    from core.i18n import gettext as _
    from core.security.directory import find_user

    found = find_user(uow, email)
    if found is None:
        raise NotFound(_("Nobody with the address %(email)s may sign in.", email=email))
    return found


def acting(runtime: Runtime, email: str | None) -> Actor:
    """The person with that address; the system when none is named."""
    from core.security.actor import SYSTEM
    from core.security.directory import load_actor

    if email is None:
        return SYSTEM
    with system_work(runtime, write=False) as uow:
        actor = load_actor(uow, user_id(uow, email))
    assert actor is not None  # it was found a moment ago, in the same transaction
    return actor


def emit(value: Any, text: str, *, as_json: bool) -> None:
    """Print ``value`` as JSON, or ``text`` for people."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str) if as_json else text)
