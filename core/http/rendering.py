"""Pages from templates: the globals that templates may use, and what each page is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flask import current_app, g, request, url_for

from core.http.looks import (
    COLOR_SCHEMES,
    accent_sheets,
    color_scheme,
    icon_address,
    look,
    offline_address,
)
from core.http.requests import actor, runtime, unit_of_work
from core.http.security import csrf_token
from core.i18n import current_locale
from core.i18n.formats import format_date
from core.workspace import read_workspace

if TYPE_CHECKING:
    from core.help import HelpBook
    from core.theming import Renderer

__all__ = [
    "COLOR_SCHEMES",
    "macros",
    "page_context",
    "render",
    "render_with",
    "template_globals",
]

#: Names that templates and themes use, so that they do not depend on how routes are called.
PAGES = {
    "home": "web.home",
    "search": "web.search",
    "set_language": "web.set_language",
    "set_color_scheme": "web.set_color_scheme",
    "sign_in": "web.sign_in",
    "sign_out": "web.sign_out",
    "profile": "web.profile",
}


def render(template: str, /, **context: Any) -> str:
    """One page in the reader's theme and language."""
    return render_with(template, {}, **context)


def render_with(template: str, replaced: Mapping[str, Any], /, **context: Any) -> str:
    """The same, where something of what every page is given is ``replaced`` for this one."""
    renderer: Renderer = current_app.extensions["dougong.renderer"]
    given = {**page_context(), **replaced}
    return renderer.render(template, context, theme_name(), given=given)


def macros(template: str = "core/ui.html") -> Any:
    """The macros of a template, for cells that are built in Python."""
    renderer: Renderer = current_app.extensions["dougong.renderer"]
    return renderer.macros(template, theme_name())


def theme_name() -> str:
    """The theme of this request: what a plugin says, else the company's."""
    return look().theme


def page_context() -> Mapping[str, Any]:
    """What every page is given besides its own values."""
    from core.http.navigation import beginnings, navigation

    who = actor()
    shown = look()
    sheets = accent_sheets(shown)
    return {
        "company": {"name": shown.company, "logo": shown.logo, "icon": icon_address(180)},
        "current_user": None if who.is_anonymous else who,
        "behind": _behind_name(),
        "workspace": _workspace(),
        "locale": current_locale(),
        "color_scheme": color_scheme(),
        "accent_sheets": sheets,
        "offline_url": offline_address(shown, sheets),
        "unread": _unread(),
        "single_keys": request.cookies.get("single_keys") != "off",
        "navigation": [] if who.is_anonymous else navigation(),
        "beginnings": [] if who.is_anonymous else beginnings(),
        "help_url": "" if who.is_anonymous else _help_address(),
        "is_narrow": request.cookies.get("navigation") == "narrow",
        "messages": _flashed(),
    }


def _help_address() -> str:
    """The topic that belongs to this page, or all topics where there is none for it."""
    book: HelpBook = current_app.extensions["dougong.help"]
    if request.endpoint in (None, "web.help_index", "web.help_topic", "web.ask_for_help"):
        return url_for("web.help_index")
    topic = book.topic_of(
        str(request.endpoint),
        g.enabled,
        entity=str((request.view_args or {}).get("entity", "")),
        layout=request.args.get("layout", ""),
        is_admin=actor().manages_security,
    )
    if topic is None:
        return url_for("web.help_index", page=request.path)
    return url_for("web.help_topic", topic=topic.name, page=request.path)


def _unread() -> str:
    """How many notifications wait for the reader, as the bell shows it; empty for none."""
    from core.notifications.service import MOST_COUNTED, count_unread

    if actor().user_id is None:
        return ""
    with unit_of_work(write=False) as uow:
        count = count_unread(uow)
    return f"{MOST_COUNTED}+" if count > MOST_COUNTED else str(count or "")


def _workspace() -> dict[str, str] | None:
    """``{"kind", "until"}`` where this is no company's installation but one for trying things out."""
    if runtime().config.workspace is None:
        return None
    found = read_workspace(runtime().config.home)  # its end may have been put off since
    if found is None:
        return None
    until = found.ends_at.astimezone(runtime().clock.timezone).date()
    return {"kind": found.kind, "until": format_date(until)}


def _behind_name() -> str:
    """Who is signed in as the current user; empty for the user in person."""
    from core.security.directory import load_actor

    behind = actor().behind
    if behind is None:
        return ""
    with unit_of_work(write=False) as uow:
        found = load_actor(uow, behind)
    return found.name if found is not None else f"#{behind}"


def _flashed() -> list[tuple[str, ...]]:
    """(tone, text), or (tone, text, address that takes it back) where the text came as a pair."""
    from flask import get_flashed_messages

    found: list[tuple[str, ...]] = []
    for tone, message in get_flashed_messages(with_categories=True):  # type: ignore[str-unpack]
        parts = message if isinstance(message, (list, tuple)) else [message]
        found.append((str(tone), *(str(part) for part in parts)))
    return found


def template_globals(static_url: Any, slot: Any) -> dict[str, Any]:
    """Functions that templates call."""
    return {
        "static_url": static_url,
        "csrf_token": csrf_token,
        "slot": slot,
        "url": _url,
    }


def _url(name: str, /, **values: Any) -> str:
    return url_for(PAGES.get(name, name), **values)
