"""How the pages of this installation look: theme, the company's own colour, its name and logo."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flask import current_app, g, request, url_for

from core.http.requests import runtime
from core.i18n import current_locale
from core.settings.definitions import LOOK
from core.theming import accent_sheet

if TYPE_CHECKING:
    from core.theming import ThemeRegistry

__all__ = [
    "COLOR_SCHEMES",
    "Look",
    "accent_sheets",
    "color_scheme",
    "icon_address",
    "logo_address",
    "look",
    "offline_address",
    "sheet_of",
    "try_look",
]

COLOR_SCHEMES = ("light", "dark", "system")


@dataclass(frozen=True)
class Look:
    """What an administrator chooses of the appearance; ``accent`` is empty for the theme's own, and
    ``logo`` the address of a picture, empty for the theme's mark."""

    company: str
    theme: str
    accent: str = ""
    logo: str = ""


def look() -> Look:
    """The look of this request: the company's, or the one that is being tried."""
    if "look" not in g:
        settings = runtime().snapshot.settings
        core, chosen = settings.get("core", {}), settings.get(LOOK.name, {})
        logo = chosen.get("logo")
        g.look = Look(
            company=core.get("company_name") or "",
            theme=_theme_of_a_plugin() or core.get("theme") or "default",
            accent=chosen.get("accent") or "",
            logo=logo_address(logo) if logo else "",
        )
    found: Look = g.look
    return found


def try_look(tried: Look) -> None:
    """Draw this one answer so, before anything is saved."""
    g.look = tried


def _theme_of_a_plugin() -> str:
    enabled = g.get("enabled", frozenset())
    answers: list[str] = runtime().plugins.ask("resolve_theme", enabled, request=request)
    return answers[0] if answers else ""


def logo_address(file_id: int) -> str:
    """Where everybody gets the company's logo; another one has another address."""
    return url_for("system.company_logo", file_id=file_id)


def icon_address(size: int) -> str:
    """Of the company's logo as a square of so many pixels; empty where the theme's icons stand."""
    logo = runtime().snapshot.settings.get(LOOK.name, {}).get("logo")
    return url_for("system.company_icon", file_id=logo, size=size) if logo else ""


def color_scheme() -> str:
    """Light, dark, or as the device: what this reader has chosen."""
    scheme = request.cookies.get("color_scheme", "system")
    return scheme if scheme in COLOR_SCHEMES else "system"


@lru_cache(maxsize=512)
def sheet_of(themes: ThemeRegistry, theme: str, colour: str, scheme: str) -> tuple[str, str]:
    """(the accent's style sheet, its fingerprint); empty texts for what is no colour."""
    text = accent_sheet(colour, themes.tokens(theme, dark=scheme == "dark"))
    return text, hashlib.sha256(text.encode()).hexdigest()[:12] if text else ""


def accent_sheets(shown: Look) -> list[tuple[str, bool]]:
    """(address, for the dark scheme) of the sheets that lay the company's colour over the theme."""
    themes = current_app.extensions["dougong.themes"]
    theme, colour = themes.get(shown.theme).name, shown.accent.lower()
    found = []
    for scheme in ("light", "dark"):
        _text, version = sheet_of(themes, theme, colour, scheme)
        if version:
            values: dict[str, Any] = {"theme": theme, "colour": colour[1:], "scheme": scheme}
            found.append((url_for("system.accent", **values, v=version), scheme == "dark"))
    return found


def offline_address(shown: Look, sheets: list[tuple[str, bool]]) -> str:
    """Of the page that a browser keeps for when the server is away; changes with what it shows."""
    themes, static = (current_app.extensions[f"dougong.{name}"] for name in ("themes", "static"))
    files = [sheet.path for sheet in themes.stylesheets(shown.theme)]
    files += ["core/app.css", "core/app.js", "core/icons/icons.svg"]
    parts = [*map(static.url, files), *(address for address, _dark in sheets), repr(shown)]
    version = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    return url_for("system.offline", locale=current_locale(), scheme=color_scheme(), v=version)
