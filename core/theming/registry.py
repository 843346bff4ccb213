"""Which themes there are and how they inherit; read from ``theme.cfg``, no code runs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as ConfigError
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType

__all__ = [
    "DEFAULT_THEME",
    "THEMES",
    "Stylesheet",
    "Theme",
    "ThemeError",
    "ThemeRegistry",
    "theme_names",
]

DEFAULT_THEME = "default"
#: The folder of the suite's themes.
THEMES = Path(__file__).resolve().parents[2] / "themes"

logger = logging.getLogger(__name__)

_TOKEN = re.compile(r"--([\w-]+):\s*([^;]+);")

#: (file, dark, late) of a theme's style sheets.
_SHEETS = (
    ("tokens.css", False, False),
    ("tokens.dark.css", True, False),
    ("pages.css", False, True),
)


class ThemeError(ValueError):
    """A theme that cannot be used; the text says which and why."""


@dataclass(frozen=True, slots=True)
class Theme:
    """One theme folder."""

    name: str
    title: str
    folder: Path
    parent: str | None = None
    #: Titles in other languages, by locale in small letters.
    titles: Mapping[str, str] = field(default_factory=dict)

    def title_in(self, locale: str) -> str:
        """The title in the reader's language."""
        return self.titles.get(locale.lower(), self.title)

    @property
    def templates(self) -> Path:
        return self.folder / "templates"

    @property
    def static(self) -> Path:
        return self.folder / "static"


@dataclass(frozen=True, slots=True)
class Stylesheet:
    """A style sheet of a theme; ``dark`` ones apply only when the dark scheme is on, ``late`` ones
    stand after those of the pages, which they may change."""

    path: str
    dark: bool
    late: bool = False


class ThemeRegistry:
    """The usable themes found in ``folders``, each of which holds theme folders.

    A broken theme is left out and explained in `problems`; without the default theme there is
    nothing to draw with, and `ThemeError` is raised.
    """

    def __init__(self, folders: Iterable[Path]) -> None:
        self._themes: dict[str, Theme] = {}
        self._problems: dict[str, str] = {}
        for folder in folders:
            self._read_folder(folder)
        self._drop_orphans()
        for name, reason in self._problems.items():
            logger.warning("theme %s is left out: %s", name, reason)
        if DEFAULT_THEME not in self._themes:
            raise ThemeError(self._problems.get(DEFAULT_THEME, "the default theme is missing"))

    def __iter__(self) -> Iterator[Theme]:
        return iter(self._themes.values())

    def __contains__(self, name: object) -> bool:
        return name in self._themes

    @property
    def problems(self) -> Mapping[str, str]:
        """Folder name of each theme that was left out, with the reason."""
        return MappingProxyType(self._problems)

    def get(self, name: str) -> Theme:
        """The theme called ``name``, or the default theme when there is none."""
        return self._themes.get(name) or self._themes[DEFAULT_THEME]

    def chain(self, name: str) -> tuple[Theme, ...]:
        """The theme and its parents, nearest first."""
        theme = self.get(name)
        found = [theme]
        while theme.parent:
            theme = self._themes[theme.parent]
            found.append(theme)
        return tuple(found)

    def stylesheets(self, name: str) -> tuple[Stylesheet, ...]:
        """Files to link, in cascade order: the farthest parent first."""
        return tuple(
            Stylesheet(f"themes/{theme.name}/{file}", dark, late)
            for theme in reversed(self.chain(name))
            for file, dark, late in _SHEETS
            if (theme.static / file).is_file()
        )

    def tokens(self, name: str, *, dark: bool = False) -> dict[str, str]:
        """The design tokens as they hold in one scheme of the theme, without their dashes."""
        found: dict[str, str] = {}
        for theme in reversed(self.chain(name)):
            for file, is_dark, late in _SHEETS:
                path = theme.static / file
                if not late and (dark or not is_dark) and path.is_file():
                    found.update(_TOKEN.findall(path.read_text(encoding="utf-8")))
        return found

    def icon(self, name: str, file: str) -> str:
        """The static path of a mark or an icon: the theme's own, its parents', or the core's."""
        for theme in self.chain(name):
            if (theme.static / "icons" / file).is_file():
                return f"themes/{theme.name}/icons/{file}"
        return f"core/icons/{file}"

    def _read_folder(self, folder: Path) -> None:
        for config in sorted(folder.glob("*/theme.cfg")):
            name = config.parent.name
            try:
                if name in self._themes:
                    raise ThemeError(f"{self._themes[name].folder} has the same name")
                self._themes[name] = _read_theme(config)
            except (ConfigError, ThemeError, OSError, UnicodeDecodeError) as error:
                self._problems[name] = str(error)

    def _drop_orphans(self) -> None:
        for name in list(self._themes):
            if reason := self._broken_ancestry(name):
                self._problems[name] = reason
        for name in self._problems:
            self._themes.pop(name, None)

    def _broken_ancestry(self, name: str) -> str | None:
        seen = [name]
        while parent := self._themes[seen[-1]].parent:
            if parent not in self._themes:
                return f"its parent {parent} is missing"
            if parent in seen:
                return f"its parents form a circle: {' > '.join([*seen, parent])}"
            seen.append(parent)
        return None


@cache
def theme_names() -> frozenset[str]:
    """The suite's usable themes."""
    return frozenset(theme.name for theme in ThemeRegistry([THEMES]))


def _read_theme(config: Path) -> Theme:
    parser = ConfigParser(interpolation=None)
    parser.read_string(config.read_text(encoding="utf-8"), source=str(config))
    if not parser.has_section("theme"):
        raise ThemeError(f"{config} has no [theme] section")
    section = parser["theme"]
    name = section.get("name", "")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name != config.parent.name:
        raise ThemeError(f"{config}: the name must be the folder's, in small letters")
    titles = {
        key.removeprefix("title_"): text
        for key, text in section.items()
        if key.startswith("title_")
    }
    title, parent = section.get("title", name), section.get("parent") or None
    return Theme(name, title, config.parent, parent, titles)
