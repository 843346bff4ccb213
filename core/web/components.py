"""The living page of the design system, for who writes pages; only with DOUGONG_DEV=1."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from flask import Blueprint, current_app, request, url_for

from core.http.looks import color_scheme, look, try_look
from core.http.rendering import render_with
from core.http.requests import public
from core.i18n import current_locale
from core.i18n import gettext as _
from core.theming.loader import ORIGINAL_PREFIX

__all__ = ["components", "development"]

development = Blueprint("development", __name__, url_prefix="/dev")
_MACRO = re.compile(r"\{# ((?:(?!#\}).)*?) #\}\n\{% macro (\w+)(\(.*?\)) %\}", re.S)


@development.get("/components")
@public
def show_components() -> str:
    """Every component, in any theme and scheme."""
    themes = current_app.extensions["dougong.themes"]
    asked, chosen = request.args.get("theme", ""), request.args.get("scheme", "")
    theme = asked if asked in themes else themes.get(look().theme).name
    scheme = chosen if chosen in ("light", "dark") else color_scheme()
    try_look(replace(look(), theme=theme))
    return render_with(
        "core/dev/components.html",
        {"color_scheme": scheme},
        components=components(_source()),
        themes=[
            {
                "title": each.title_in(current_locale()),
                "url": _address(each.name, scheme),
                "current": each.name == theme,
            }
            for each in themes
        ],
        schemes=[
            {"title": title, "url": _address(theme, name), "current": name == scheme}
            for name, title in (("light", _("Light")), ("dark", _("Dark")))
        ],
        pictures=[_picture(each) for each in themes],
        tokens=sorted(themes.tokens(theme, dark=scheme == "dark").items()),
    )


def components(source: str) -> list[dict[str, str]]:
    """Name, parameters and description of each public macro, as its template says them."""
    return [
        {"name": name, "signature": signature, "text": " ".join(text.split())}
        for text, name, signature in _MACRO.findall(source)
        if not name.startswith("_")
    ]


def _source() -> str:
    environment: Any = current_app.extensions["dougong.renderer"].environment("default")
    text: str = environment.loader.get_source(environment, f"{ORIGINAL_PREFIX}core/ui.html")[0]
    return text


def _address(theme: str, scheme: str) -> str:
    return url_for("development.show_components", theme=theme, scheme=scheme)


def _picture(theme: Any) -> dict[str, str]:
    static = current_app.extensions["dougong.static"]
    path = f"themes/{theme.name}/preview.svg"
    return {
        "name": theme.name,
        "title": theme.title_in(current_locale()),
        "picture": static.url(path),
    }
