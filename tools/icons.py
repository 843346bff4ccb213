#!/usr/bin/env python3
"""Draw what browsers and pages show of a theme: icons for screens from its mark, and a small picture.

tools/icons.py            all themes; needs playwright and a Chromium
tools/icons.py --check    fail when a picture does not fit the tokens, or an icon is missing
"""

from __future__ import annotations

import shutil
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from core.theming import ThemeRegistry  # noqa: E402 - found once the path says where


class Icon(NamedTuple):
    """One file: its size, how much of it the mark takes, and how round its ground is (in percent)."""

    name: str
    size: int
    mark: int
    round: int


ICONS = (
    Icon("icon-192.png", 192, 66, 20),
    Icon("icon-512.png", 512, 66, 20),
    # Systems cut these into shapes of their own: nothing that matters lies outside the middle.
    Icon("icon-maskable-512.png", 512, 50, 0),
    Icon("apple-touch-icon.png", 180, 62, 0),
)
#: Themes whose modules lie in a band at the head, by what they override.
BANDED = "templates/core/_shell.html"


def folders(themes: ThemeRegistry) -> Iterator[tuple[Path, str]]:
    """(a folder of icons with a mark of its own, the theme whose ground it stands on)."""
    yield ROOT / "core/static/core/icons", "default"
    for theme in themes:
        if (theme.static / "icons/logo.svg").is_file():
            yield theme.static / "icons", theme.name


def picture(themes: ThemeRegistry, name: str) -> str:
    """The theme as a picture of 200 by 125: the light scheme, and the dark one in a corner."""
    banded = (themes.get(name).folder / BANDED).is_file()
    light, dark = (themes.tokens(name, dark=scheme) for scheme in (False, True))
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 125">\n'
        f"  {_page(light, banded=banded)}\n"
        '  <clipPath id="dark"><path d="M200 0v125H88z"/></clipPath>\n'
        f'  <g clip-path="url(#dark)">{_page(dark, banded=banded)}</g>\n'
        "</svg>\n"
    )


def _page(tokens: dict[str, str], *, banded: bool) -> str:
    def box(x: int, y: int, width: int, height: int, token: str, radius: int = 0) -> str:
        round_ = f' rx="{radius}"' if radius else ""
        size = f'width="{width}" height="{height}"'
        return f'<rect x="{x}" y="{y}" {size}{round_} fill="{tokens[token]}"/>'

    parts = [box(0, 0, 200, 125, "paper")]
    if banded:
        parts += [box(0, 0, 200, 16, "head"), box(0, 16, 200, 11, "paper-sunken")]
        parts += [box(6, 5, 6, 6, "head-mark", 1)]
        parts += [box(20 + 26 * n, 6, 18, 4, "on-head-soft", 1) for n in range(4)]
        parts += [box(46, 14, 18, 2, "head-mark")]
        parts += [box(10 + 24 * n, 20, 16, 3, "ink-faint", 1) for n in range(4)]
        left, top, row = 10, 36, 9
    else:
        parts += [box(0, 0, 42, 125, "paper-sunken"), box(42, 0, 1, 125, "hairline")]
        parts += [box(7, 7, 7, 7, "ink", 1), box(18, 9, 16, 3, "ink", 1)]
        parts += [box(9, 24 + 11 * n, 24, 3, "ink-faint", 1) for n in range(7)]
        parts += [box(4, 31, 36, 11, "paper-hover", 2), box(0, 33, 2, 7, "accent")]
        parts += [box(9, 35, 24, 3, "ink", 1), box(43, 16, 157, 1, "hairline")]
        left, top, row = 52, 26, 12
    wide = 190 - left
    parts += [box(left, top, 40, 5, "ink", 1), box(164, top - 2, 26, 9, "accent", 2)]
    start = top + 15
    for n in range((125 - start) // row):
        y = start + n * row
        parts += [box(left, y, wide, 1, "hairline"), box(left, y + 4, 34, 3, "ink", 1)]
        parts += [box(left + 48, y + 4, 24, 3, "ink-soft", 1)]
        tone = ("celadon", "amber", "indigo")[n % 3]
        parts += [box(left + wide - 44, y + 2, 18, 6, f"{tone}-wash", 1)]
        parts += [box(left + wide - 40, y + 4, 10, 2, tone, 1)]
    return "".join(parts)


def draw_icons(themes: ThemeRegistry) -> None:
    from playwright.sync_api import sync_playwright

    programs = ("chromium-headless-shell", "chromium", "chromium-browser")
    chromium = next(filter(None, map(shutil.which, programs)), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for folder, theme in folders(themes):
            paper = themes.tokens(theme)["paper"]
            mark = (folder / "logo.svg").read_text(encoding="utf-8")
            for icon in ICONS:
                tab = browser.new_page(viewport={"width": icon.size, "height": icon.size})
                tab.set_content(_icon_page(icon, paper, mark))
                tab.screenshot(path=folder / icon.name, omit_background=True)
                tab.close()
        browser.close()


def _icon_page(icon: Icon, paper: str, mark: str) -> str:
    return (
        "<style>body{margin:0}div{display:grid;place-items:center;width:100vw;height:100vh;"
        f"background:{paper};border-radius:{icon.round}%}}svg{{width:{icon.mark}vw}}</style>"
        f"<div>{mark}</div>"
    )


def problems(themes: ThemeRegistry) -> Iterator[str]:
    for theme in themes:
        path = theme.static / "preview.svg"
        if not path.is_file() or path.read_text(encoding="utf-8") != picture(themes, theme.name):
            yield f"{path.relative_to(ROOT)} does not show the tokens as they are"
    for folder, _theme in folders(themes):
        for icon in ICONS:
            path = folder / icon.name
            if not path.is_file() or _size(path) != (icon.size, icon.size):
                yield f"{path.relative_to(ROOT)} is missing, or is not {icon.size} wide and high"


def _size(path: Path) -> tuple[int, int]:
    """Of a PNG, from its head."""
    width, height = struct.unpack(">II", path.read_bytes()[16:24])
    return width, height


def main(arguments: list[str]) -> int:
    themes = ThemeRegistry([ROOT / "themes"])
    if arguments == ["--check"]:
        found = list(problems(themes))
        print("\n".join(found))
        return 1 if found else 0
    for theme in themes:
        path = theme.static / "preview.svg"
        path.write_text(picture(themes, theme.name), encoding="utf-8")
    draw_icons(themes)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
