"""The pages of the set-up: whoever has the link that the console shows, and nobody else."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, g, redirect, request, send_file

from core.boot import CORE, ROOT, plugin_folders
from core.config import Config
from core.http.looks import COLOR_SCHEMES
from core.http.security import HEADERS
from core.i18n import LOCALES, load_catalogues, use_locale
from core.i18n import gettext as _
from core.plugins.discovery import discover
from core.plugins.manifest import Manifest
from core.setup.installing import CURRENCIES, Choices, Setup, is_empty, problems_of, zones
from core.theming import StaticFiles, ThemeRegistry, build_environment

__all__ = ["create_setup_app"]

COOKIE = "dougong_setup"
#: Seconds after which a page that waits asks again.
AGAIN = 2


def create_setup_app(config: Config, token: str, setup: Setup, *, zone_is_given: bool) -> Flask:
    """The application that stands in for the suite until there is one.

    It answers to who has opened ``/setup/<token>``. ``zone_is_given``: the environment says the time
    zone, so that it is no question.
    """
    load_catalogues([CORE / "translations"])
    app = Flask("dougong-setup", static_folder=None, template_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    pages = _Pages(config, token, setup, zone_is_given=zone_is_given)
    app.add_url_rule("/", "show", pages.show)
    app.add_url_rule("/", "begin", pages.begin, methods=["POST"])
    app.add_url_rule("/setup/<given>", "open", pages.open)
    app.add_url_rule("/setup/continue", "go_on", pages.go_on, methods=["POST"])
    app.add_url_rule("/static/<path:path>", "static", pages.static)
    app.add_url_rule("/healthz", "healthz", lambda: Response("ok", content_type="text/plain"))
    app.add_url_rule("/readyz", "readyz", lambda: ({"setup": "not done yet"}, 503))
    app.before_request(pages.speak)
    app.after_request(_add_headers)
    app.teardown_request(_fall_silent)
    return app


class _Pages:
    def __init__(self, config: Config, token: str, setup: Setup, *, zone_is_given: bool) -> None:
        self._config, self._token, self._setup = config, token, setup
        self._zone_is_given = zone_is_given
        found = discover(plugin_folders(config)).manifests
        self._modules: Mapping[str, Manifest] = dict(sorted(found.items()))
        self._delivered = [n for n, each in found.items() if each.folder.is_relative_to(ROOT)]
        themes = ThemeRegistry([ROOT / "themes"])
        self._static = StaticFiles({"core": CORE / "static"}, themes)
        self._renderer = build_environment(
            template_folders={"core": CORE / "templates"},
            themes=themes,
            globals={
                "static_url": self._static.url,
                "csrf_token": lambda: self._proof() if self._is_let_in() else "",
                "url": lambda name, **values: "/",
            },
        )

    def speak(self) -> None:
        """In the language of the page."""
        g.speaking = use_locale(self._locale())
        g.speaking.__enter__()

    # Who may

    def open(self, given: str) -> Any:
        """The link of the console: the browser is remembered, and the link leaves its address."""
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            return self._locked()
        response = redirect("/")
        response.set_cookie(
            COOKIE,
            self._token,
            httponly=True,
            samesite="Strict",
            secure=self._config.base_url.startswith("https://"),
        )
        return response

    def _is_let_in(self) -> bool:
        given = request.cookies.get(COOKIE, "")
        return hmac.compare_digest(given.encode(), self._token.encode())

    def _proof(self) -> str:
        """What a form carries: it was drawn for who has the link."""
        return hmac.new(self._token.encode(), b"form", hashlib.sha256).hexdigest()

    def _is_own_form(self) -> bool:
        given = request.form.get("csrf_token", "")
        same_site = request.headers.get("Sec-Fetch-Site") in (None, "same-origin", "none")
        return same_site and hmac.compare_digest(given.encode(), self._proof().encode())

    def _locked(self) -> Any:
        return self._draw("locked"), 403

    # What is shown

    def show(self) -> Any:
        """The form, or how far the work is."""
        state = self._setup.state
        if state in ("waiting", "failed") and not is_empty(self._config):
            self._setup.state = "done"  # made from the command line meanwhile
            self._setup.finished()
        if not self._is_let_in():
            return self._locked()
        if self._setup.state in ("waiting", "failed"):
            return self._form(self._first(), {})
        return self._draw(self._setup.state)

    def begin(self) -> Any:
        """Check what was filled in, and begin."""
        if not self._is_let_in() or not self._is_own_form():
            return self._locked()
        choices = self._read()
        errors = problems_of(choices, request.form.get("repeated", ""), self._modules)
        if errors:
            return self._form(choices, errors), 422
        if is_empty(self._config):
            self._setup.begin(choices)
        return redirect(f"/?locale={choices.locale}", 303)

    def go_on(self) -> Any:
        """Use what is there, although a later step did not work."""
        if not self._is_let_in() or not self._is_own_form():
            return self._locked()
        if self._setup.state == "broken":
            self._setup.state = "done"
            self._setup.finished()
        return redirect("/", 303)

    def static(self, path: str) -> Any:
        """A file of the core or a theme."""
        found = self._static.resolve(path)
        if found is None:
            return "", 404
        response = send_file(found, conditional=True)
        response.headers.update(self._static.headers(path, request.args.get("v")))
        return response

    def _first(self) -> Choices:
        zone = str(self._config.timezone)
        delivered = tuple(self._delivered)
        return Choices("", self._locale(), zone, "CNY", "", "", "", delivered)

    def _read(self) -> Choices:
        form = request.form
        zone = str(self._config.timezone) if self._zone_is_given else form.get("timezone", "")
        return Choices(
            company=form.get("company", "")[:120],
            locale=form.get("locale", ""),
            timezone=zone,
            currency=form.get("currency", ""),
            name=form.get("name", "")[:120],
            email=form.get("email", "").strip(),
            password=form.get("password", ""),
            modules=tuple(form.getlist("modules")),
            demo=form.get("contents") == "demo",
        )

    def _form(self, choices: Choices, errors: Mapping[str, str]) -> str:
        labels = {
            "company": _("Company name"), "locale": _("Language"), "timezone": _("Time zone"),
            "currency": _("Currency"), "name": _("Full name"), "email": _("E-mail"),
            "password": _("Password"), "repeated": _("Password once more"), "modules": _("Modules"),
        }  # fmt: skip
        return self._draw(
            "form",
            choices=choices,
            errors={name: errors.get(name, "") for name in labels},
            summary=[(name, labels[name], text) for name, text in errors.items()],
            zones=[(zone, zone.replace("_", " ")) for zone in zones()],
            zone_is_given=self._zone_is_given,
            currencies=[(code, code) for code in CURRENCIES],
            modules=[
                {
                    "name": name,
                    "title": each.text("title", self._locale()),
                    "summary": each.text("summary", self._locale()),
                    "needs": [
                        self._modules[need].text("title", self._locale())
                        for need in each.depends
                        if need in self._modules
                    ],
                }
                for name, each in self._modules.items()
            ],
        )

    def _draw(self, state: str, **more: Any) -> str:
        scheme = request.cookies.get("color_scheme", "system")
        context = {
            "company": {"name": "斗拱 Dougong", "logo": "", "icon": ""},
            "current_user": None,
            "locale": self._locale(),
            "color_scheme": scheme if scheme in COLOR_SCHEMES else "system",
            "accent_sheets": (),
            "offline_url": "",
            "workspace": None,
            "single_keys": True,
            "help_url": "",
            "is_narrow": False,
            "beginnings": [],
            "messages": (),
            "state": state,
            "setup": self._setup,
            "again": AGAIN,
            **more,
        }
        return self._renderer.render("core/setup.html", context, "default")

    def _locale(self) -> str:
        """As the link at the head of the page says, else the installation's."""
        asked = request.values.get("locale", "")
        return asked if asked in LOCALES else self._config.locale


def _fall_silent(_error: BaseException | None) -> None:
    speaking: Any = g.pop("speaking", None)
    if speaking is not None:
        speaking.__exit__(None, None, None)


def _add_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
