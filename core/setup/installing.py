"""What is chosen when an installation is made, and making it while somebody waits."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import select

from core.boot import boot, is_initialised
from core.config import Config, keep_timezone
from core.db.engine import Database
from core.entities import service
from core.entities.values import BadValue, check_value
from core.errors import Refusal
from core.fields.types import Email
from core.i18n import LOCALES, use_locale
from core.i18n import gettext as _
from core.ops.install import CLI, initialise, run_demo
from core.ops.lifecycle import enable
from core.ops.readiness import unfinished_mark
from core.runtime import Runtime
from core.security.actor import SYSTEM
from core.security.credentials import set_password
from core.security.directory import find_user
from core.security.models import User, credential_table
from core.security.passwords import check_strength
from core.settings.service import put_settings
from core.work.uow import UnitOfWork

__all__ = ["CURRENCIES", "Choices", "Setup", "is_empty", "problems_of", "zones"]

log = logging.getLogger("dougong.setup")

CURRENCIES = (
    "CNY",
    "HKD",
    "TWD",
    "MOP",
    "USD",
    "EUR",
    "GBP",
    "JPY",
    "KRW",
    "SGD",
    "AUD",
    "CAD",
    "CHF",
)


@dataclass(frozen=True)
class Choices:
    """The form of the set-up, as it was filled in."""

    company: str
    locale: str
    timezone: str
    currency: str
    name: str
    email: str
    password: str
    modules: tuple[str, ...]
    demo: bool = False


def is_empty(config: Config) -> bool:
    """Whether nothing is installed: no tables, or no person in them. A restore that did not finish is
    something."""
    if unfinished_mark(config.home).exists():
        return False
    database = Database(config.database_url)
    try:
        with database.connect(write=False) as connection:
            if not is_initialised(connection):
                return True
            return connection.execute(_anybody).first() is None
    finally:
        database.dispose()


_anybody = select(User.__table__.c.id).limit(1)


def zones() -> list[str]:
    """The time zones that are named after places."""
    return sorted(
        zone
        for zone in available_timezones()
        if "/" in zone and not zone.startswith(("Etc/", "SystemV/"))
    )


def problems_of(choices: Choices, repeated: str, modules: Mapping[str, object]) -> dict[str, str]:
    """What is wrong, by the name of the input; nothing is made while there is anything."""
    found = dict(_missing(choices))
    try:
        if choices.email:
            check_value(Email(), choices.email)
    except BadValue as error:
        found["email"] = str(error)
    if choices.locale not in LOCALES:
        found["locale"] = _("Please choose one.")
    if choices.timezone not in zones():
        found["timezone"] = _("Please choose one.")
    if choices.currency not in CURRENCIES:
        found["currency"] = _("Please choose one.")
    if set(choices.modules) - set(modules):
        found["modules"] = _("There is no such module.")
    weak = check_strength(
        choices.password, email=choices.email, name=choices.name, company=choices.company
    )
    if choices.password and weak:
        found["password"] = str(weak[0].message)
    elif choices.password != repeated:
        found["repeated"] = _("The two are not the same.")
    return found


def _missing(choices: Choices) -> Iterator[tuple[str, str]]:
    for name in ("company", "name", "email", "password"):
        if not getattr(choices, name).strip():
            yield name, _("Please fill this in.")


class Setup:
    """One set-up: it begins once, tells how far it is, and ends with `finished`.

    ``start`` runs the work; by default beside the requests, in a thread of its own.
    """

    def __init__(
        self,
        config: Config,
        finished: Callable[[], None],
        start: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self.config = config
        self.finished = finished
        #: waiting, running, failed (nobody can sign in yet), broken (not whole, but usable) or done.
        self.state = "waiting"
        self.done, self.total = 0, 1
        self.step = ""
        self.error = ""
        self._start = start or _in_a_thread
        self._lock = threading.Lock()

    def begin(self, choices: Choices) -> bool:
        """Make the installation; False when that has begun already."""
        with self._lock:
            if self.state not in ("waiting", "failed"):
                return False
            self.state, self.error, self.done = "running", "", 0
            self.total = 2 + len(choices.modules) + (len(choices.modules) or 1) * choices.demo
        self._start(lambda: self._run(choices))
        return True

    def _run(self, choices: Choices) -> None:
        with use_locale(choices.locale):
            try:
                _make(self.config, choices, self._tell)
            except Exception as error:
                log.exception("the set-up did not come to its end")
                self.error = str(error) if isinstance(error, Refusal) else _("It did not work.")
                self.state = "broken" if self._holds_somebody() else "failed"
                return
        self.state, self.done = "done", self.total
        self.finished()

    def _holds_somebody(self) -> bool:
        try:
            return not is_empty(self.config)
        except Exception:
            log.exception("the database cannot be asked what was made")
            return False

    def _tell(self, step: str) -> None:
        self.step, self.done = step, min(self.done + 1, self.total - 1)


def _in_a_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="setup", daemon=True).start()


def _make(config: Config, choices: Choices, tell: Callable[[str], None]) -> None:
    """Do it, telling of each step as it begins."""
    tell(_("Making the tables"))
    keep_timezone(config.home, choices.timezone)
    runtime = boot(replace(config, timezone=ZoneInfo(choices.timezone)))
    try:
        initialise(
            runtime, admin=choices.email, password=choices.password, name=choices.name.strip()
        )
        _set(runtime, choices)
        for name in runtime.plugins.order(choices.modules):
            title = runtime.plugins.loaded[name].text("title", choices.locale)
            tell(_("Switching on: %(module)s", module=title))
            with UnitOfWork(runtime, SYSTEM, origin=CLI) as uow:
                enable(uow, name)
        if choices.demo:
            _tell_demo(runtime, choices, tell)
    finally:
        runtime.database.dispose()


def _tell_demo(runtime: Runtime, choices: Choices, tell: Callable[[str], None]) -> None:
    """Step by step, so that one that does not work leaves nobody with a password that all know."""
    step, locked_out = _("Writing the data of the demonstration"), set[int]()

    def after_a_step() -> None:
        _lock_out_others(runtime, choices, locked_out)
        tell(step)

    tell(step)
    run_demo(runtime, after_a_step)


def _set(runtime: Runtime, choices: Choices) -> None:
    values = {
        "company_name": choices.company.strip(),
        "currency": choices.currency,
        "locale": choices.locale,
    }
    with UnitOfWork(runtime, SYSTEM, origin=CLI) as uow:
        put_settings(uow, "core", values)
        person = find_user(uow, choices.email)
        if person is not None:
            service.update(uow, "user", {person: {"locale": choices.locale}})


def _lock_out_others(runtime: Runtime, choices: Choices, locked_out: set[int]) -> None:
    """The people of the demonstration have passwords that everybody knows: none keeps them.

    ``locked_out`` are those who have lost theirs; it grows.
    """
    with UnitOfWork(runtime, SYSTEM, origin=CLI) as uow:
        own = find_user(uow, choices.email)
        table = uow.entity("user").table
        people = select(table.c.id, table.c.email, table.c.name).join_from(
            table, credential_table, credential_table.c.user_id == table.c.id
        )
        for row in uow.execute(people.where(table.c.id != own)).all():
            if row.id not in locked_out:
                new = secrets.token_urlsafe(24)
                set_password(uow, row.id, new, email=row.email, name=row.name)
                locked_out.add(row.id)
