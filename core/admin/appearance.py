"""How the pages look: theme, colour, logo and name of the company, tried before they are saved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, cast

from flask import current_app, flash, redirect, request, url_for

from core.admin import blueprint
from core.admin.settings import group_tabs
from core.errors import Invalid, Problem, TooLarge
from core.files.logo import hang_logo, store_logo, take_down_logo
from core.http.addresses import read_number
from core.http.looks import Look, logo_address, try_look
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import current_locale
from core.i18n import gettext as _
from core.settings.definitions import LOOK
from core.settings.service import put_settings
from core.theming import DEFAULT_THEME, derive_accent, parse_colour
from core.work.uow import UnitOfWork


@dataclass(frozen=True)
class Wish:
    """What the form says; ``accent`` is empty for the theme's own colour."""

    company_name: str
    theme: str
    accent: str = ""
    logo: int | None = None

    def address(self) -> str:
        """The page that tries it."""
        return url_for(
            "admin.appearance",
            company_name=self.company_name,
            theme=self.theme,
            accent=self.accent,
            logo=self.logo or "",
            tried="1",
        )


@blueprint.get("/settings/appearance")
@requires("admin")
def appearance() -> str:
    """The form; with what is tried in the address, the whole page looks so."""
    with unit_of_work() as uow:
        wish = now = _present(uow)
    if request.args.get("tried"):
        wish = _asked(now)
        try_look(_as_look(wish, now))
    return _page(wish, now, {}, tried=wish != now)


@blueprint.post("/settings/appearance")
@requires("admin")
def put_appearance() -> Any:
    """Try what was chosen, or save it: then it holds at once, in every process."""
    saves = request.form.get("step") == "save"
    with unit_of_work(write=False) as uow:
        now = _present(uow)
    wish = _chosen(now)
    try:
        with unit_of_work() as uow:
            wish = _with_upload(uow, wish)
            _check(wish)
            if saves:
                _save(uow, wish)
    except (Invalid, TooLarge) as error:
        errors = error.by_field() if isinstance(error, Invalid) else {"logo": error.message}
        return _page(wish, now, errors), 422
    if not saves:
        return redirect(wish.address(), 303)
    flash(_("Saved. It holds at once, everywhere."), "good")
    return redirect(url_for("admin.appearance"), 303)


@blueprint.get("/settings/appearance/reset")
@requires("admin")
def confirm_reset_appearance() -> str:
    """Ask: the logo does not come back by itself."""
    return render(
        "core/admin/confirm.html",
        title=_("The look as delivered?"),
        text=_("Theme and colour go back to those delivered, and the logo is removed for good."),
        items=(),
        list_title="",
        action=url_for("admin.reset_appearance"),
        label=_("As delivered"),
        kind="danger",
        back=url_for("admin.appearance"),
        crumb=_("Appearance"),
    )


@blueprint.post("/settings/appearance/reset")
@requires("admin")
def reset_appearance() -> Any:
    """Back to the look as delivered; the company keeps its name."""
    with unit_of_work() as uow:
        _save(uow, Wish(_present(uow).company_name, DEFAULT_THEME))
    flash(_("The look is as delivered again."), "good")
    return redirect(url_for("admin.appearance"), 303)


def _present(uow: UnitOfWork) -> Wish:
    core, chosen = uow.snapshot.settings["core"], uow.snapshot.settings[LOOK.name]
    theme, accent = _themes().get(core["theme"]).name, (chosen["accent"] or "").lower()
    if parse_colour(accent) is None:
        accent = ""
    return Wish(core["company_name"] or "", theme, accent, chosen["logo"])


def _asked(now: Wish) -> Wish:
    """What the address asks to try; what cannot be is left as it is."""
    args = request.args
    theme, accent, logo = args.get("theme", ""), args.get("accent", ""), args.get("logo", "")
    return Wish(
        company_name=args.get("company_name", "")[:120] or now.company_name,
        theme=theme if theme in _themes() else now.theme,
        accent=accent if parse_colour(accent) else "",
        logo=read_number(logo),
    )


def _chosen(now: Wish) -> Wish:
    form = request.form
    logo = read_number(form.get("logo__kept"))
    own = form.get("accent_of") == "own"
    return Wish(
        company_name=form.get("company_name", "").strip(),
        theme=form.get("theme", now.theme),
        accent=form.get("accent", "").strip().lower() if own else "",
        logo=None if form.get("logo__remove") else logo,
    )


def _with_upload(uow: UnitOfWork, wish: Wish) -> Wish:
    sent = request.files.get("logo")
    if sent is None or not sent.filename:
        return wish
    return replace(wish, logo=store_logo(uow, cast(BinaryIO, sent.stream), sent.filename))


def _check(wish: Wish) -> None:
    problems = []
    if not wish.company_name:
        problems.append(Problem("company_name", "required", _("Please fill this in.")))
    if wish.theme not in _themes():
        problems.append(Problem("theme", "choice", _("There is no such theme.")))
    if wish.accent and parse_colour(wish.accent) is None:
        problems.append(Problem("accent", "colour", _("A colour is written as #1a659f.")))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)


def _save(uow: UnitOfWork, wish: Wish) -> None:
    before = uow.snapshot.settings[LOOK.name]["logo"]
    if wish.logo != before and wish.logo is not None:
        hang_logo(uow, wish.logo)
    put_settings(uow, "core", {"company_name": wish.company_name, "theme": wish.theme})
    put_settings(uow, LOOK.name, {"accent": wish.accent or None, "logo": wish.logo})
    if wish.logo != before and before is not None:
        take_down_logo(uow, before)


def _as_look(wish: Wish, now: Wish) -> Look:
    logo = "" if wish.logo is None else _picture(wish.logo, now)
    return Look(wish.company_name, wish.theme, wish.accent, logo)


def _picture(file_id: int, now: Wish) -> str:
    """Where the reader sees a picture: one that is only tried is still the reader's own file."""
    if file_id == now.logo:
        return logo_address(file_id)
    return url_for("web.download_file", file_id=file_id)


def _page(wish: Wish, now: Wish, errors: Mapping[str, str], *, tried: bool = False) -> str:
    labels = {
        "company_name": _("Company name"),
        "theme": _("Theme"),
        "accent": _("Colour of your own"),
        "logo": _("Logo"),
    }
    return render(
        "core/admin/appearance.html",
        tabs=group_tabs(LOOK.name),
        wish=wish,
        tried=tried,
        themes=[_card(theme) for theme in _themes()],
        adjusted=_adjusted(wish),
        theme_accent=_themes().tokens(wish.theme).get("accent", "#000000"),
        picture=_picture(wish.logo, now) if wish.logo else "",
        delivered=now == Wish(now.company_name, DEFAULT_THEME),
        errors={name: errors.get(name, "") for name in labels},
        summary=[(name, labels.get(name, name), text) for name, text in errors.items()],
    )


def _card(theme: Any) -> dict[str, str]:
    static = current_app.extensions["dougong.static"]
    preview = f"themes/{theme.name}/preview.svg"
    path = preview if static.resolve(preview) else _themes().icon(theme.name, "logo.svg")
    title = theme.title_in(current_locale())
    return {"name": theme.name, "title": title, "picture": static.url(path)}


def _adjusted(wish: Wish) -> list[tuple[str, str]]:
    """(scheme, the colour that it becomes there) where that is another than the one chosen."""
    found = []
    for scheme, title in (("light", _("Light")), ("dark", _("Dark"))):
        tokens = derive_accent(wish.accent, _themes().tokens(wish.theme, dark=scheme == "dark"))
        if tokens and tokens["accent"] != wish.accent:
            found.append((title, tokens["accent"]))
    return found


def _themes() -> Any:
    return current_app.extensions["dougong.themes"]
