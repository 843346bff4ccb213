"""From where somebody signs in: the browser with its mark, and whether it is a new one.

The mark is a cookie that stays when one signs out. It grants nothing: it only tells that the person
has signed in with this browser before.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import case, func, select

from core.i18n import gettext as _
from core.security.models import session_table
from core.settings.service import get_setting

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["Browser", "browser_name", "greet_device"]

_BROWSERS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("MicroMessenger", "WeChat"),
             ("Chrome/", "Chrome"), ("Safari/", "Safari"))  # fmt: skip
_SYSTEMS = (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"),
            ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux"))  # fmt: skip


@dataclass(frozen=True)
class Browser:
    """What a request tells of where it comes from; ``mark`` is empty where there is no cookie."""

    address: str
    agent: str
    mark: str = field(default="", repr=False)

    @property
    def mark_hash(self) -> str | None:
        """The mark as it is kept; None without one."""
        return hashlib.sha256(self.mark.encode()).hexdigest() if self.mark else None


def browser_name(agent: str) -> str:
    """The browser and the system of a user agent, in two words."""
    browser = next((name for mark, name in _BROWSERS if mark in agent), "")
    system = next((name for mark, name in _SYSTEMS if mark in agent), "")
    return " · ".join(part for part in (browser, system) if part) or _("Unknown browser")


def greet_device(uow: UnitOfWork, user_id: int, browser: Browser) -> bool:
    """True when the person is to be told of a sign-in with this browser.

    That is: mail is set up, the company wants it, and the person has signed in before, but never
    with this browser, as far back as sessions are kept.
    """
    wanted = get_setting(uow, "core_sign_in", "tell_new_device")
    if not wanted or not browser.mark or uow.runtime.config.smtp_url is None:
        return False
    table = session_table
    same = case((table.c.device == browser.mark_hash, 1), else_=0)
    counted = select(
        func.count(table.c.device).label("marked"), func.sum(same).label("known")
    ).where(table.c.user_id == user_id)
    row = uow.execute(counted).one()
    return bool(row.marked and not row.known)
