"""The one template renderer: one Jinja environment, one overlay of it for each theme."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any
from zlib import crc32

from jinja2 import Environment, Undefined

from core.i18n import gettext, ngettext
from core.i18n.formats import format_number, format_size
from core.theming.loader import ThemeLoader
from core.theming.registry import ThemeRegistry
from core.theming.slots import Slots

__all__ = ["HiddenName", "Renderer", "StrictNames", "build_environment"]


class StrictNames(Undefined):
    """A name that nobody gave is an error; what a mapping lacks is empty, as the errors of a form
    are for the fields that have none."""

    def __str__(self) -> str:
        self._require_mapping()
        return super().__str__()

    def __bool__(self) -> bool:
        self._require_mapping()
        return super().__bool__()

    def __iter__(self) -> Iterator[Any]:
        self._require_mapping()
        return super().__iter__()

    def __len__(self) -> int:
        self._require_mapping()
        return super().__len__()

    def __eq__(self, other: Any) -> bool:
        self._require_mapping()
        return super().__eq__(other)

    def __hash__(self) -> int:
        self._require_mapping()
        return super().__hash__()

    def _require_mapping(self) -> None:
        if not isinstance(self._undefined_obj, Mapping):
            self._fail_with_undefined_error()


class HiddenName(NameError):
    """A page gave a value under a name that every page has already, which would hide it from the base page."""


class Renderer:
    """Renders templates in any theme. Made by `build_environment`."""

    def __init__(
        self, environments: Mapping[str, Environment], themes: ThemeRegistry, *, strict: bool
    ) -> None:
        self._environments = dict(environments)
        self._themes = themes
        #: Whether a name that a page hides is an error: in development, and in tests.
        self.is_strict = strict

    def render(
        self,
        template: str,
        context: Mapping[str, Any],
        theme: str,
        *,
        given: Mapping[str, Any] | None = None,
    ) -> str:
        """The page or partial as HTML; an unknown theme falls back to the default one.

        ``given`` is what every page has beside its own ``context``. In development a context that hides a
        name of it, or one that all templates have, raises `HiddenName`.
        """
        environment, given = self.environment(theme), given or {}
        if self.is_strict and (hidden := context.keys() & (given.keys() | environment.globals)):
            raise HiddenName(
                f"{template}: {', '.join(sorted(hidden))} would hide what every page has"
            )
        return environment.get_template(template).render({**given, **context})

    def macros(self, template: str, theme: str) -> Any:
        """The macros of a template as functions that give `Markup`, for cells made in Python:
        ``renderer.macros("core/ui.html", theme).badge(_("Won"), "good")``."""
        return self.environment(theme).get_template(template).module

    def environment(self, theme: str) -> Environment:
        """The Jinja environment of a theme, for tools that list or compile templates."""
        return self._environments[self._themes.get(theme).name]


def build_environment(
    *,
    template_folders: Mapping[str, Path],
    themes: ThemeRegistry,
    globals: Mapping[str, Any] | None = None,
    filters: Mapping[str, Callable[..., Any]] | None = None,
    strict: bool = False,
) -> Renderer:
    """A `Renderer` over the templates of the core and the plugins.

    ``template_folders`` maps an owner (``core``, or a plugin's name) to its ``templates`` folder;
    an owner serves only names below ``<owner>/``. ``strict`` is for tests and development: an
    undefined name is an error, one that hides another is, and changed files are read again.
    """
    root = Environment(
        autoescape=True,
        undefined=StrictNames if strict else Undefined,
        auto_reload=strict,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_blank_for_none,
        cache_size=-1,
    )
    root.globals.update(_=gettext, gettext=gettext, ngettext=ngettext, slot=Slots())
    root.globals.update(globals or {})
    root.filters.update({"hue": _hue, "number": _number, "size": format_size, **(filters or {})})
    explain = os.environ.get("DOUGONG_EXPLAIN_TEMPLATES") == "1"
    environments = {}
    for theme in themes:
        loader = ThemeLoader(themes.chain(theme.name), template_folders, explain=explain)
        overlay = root.overlay(loader=loader)
        overlay.globals = {
            **root.globals,
            "theme": theme,
            "theme_icon": partial(themes.icon, theme.name),
            "theme_heads": {
                scheme: themes.tokens(theme.name, dark=scheme == "dark").get("head", "")
                for scheme in ("light", "dark")
            },
            "theme_stylesheets": themes.stylesheets(theme.name),
        }
        environments[theme.name] = overlay
    return Renderer(environments, themes, strict=strict)


def _hue(name: object) -> int:
    """One of the four avatar colours, always the same for the same name."""
    return crc32(str(name).encode()) % 4


def _number(value: Any) -> Any:
    """A number as the reader's language writes it; what is written already stays as it is."""
    return format_number(value) if isinstance(value, int) else value


def _blank_for_none(value: Any) -> Any:
    return "" if value is None else value
