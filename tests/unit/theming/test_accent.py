"""A company's own colour: whatever it is, what is written in it and on it can be read (WCAG 2.2 AA)."""

from __future__ import annotations

import random
import re
from itertools import product
from pathlib import Path

import pytest

from core.theming import (
    ThemeRegistry,
    accent_sheet,
    contrast,
    derive_accent,
    parse_colour,
)
from core.theming.accent import ACCENT_TOKENS

ROOT = Path(__file__).resolve().parents[3]
THEMES = ThemeRegistry([ROOT / "themes"])
SURFACES = ("paper", "paper-sunken", "paper-raised", "paper-hover")
RANDOM = random.Random(4)
COLOURS = (
    *("#000000", "#ffffff", "#808080", "#ffff00", "#00ff00", "#00ffff", "#0000ff", "#ff00ff"),
    *("#ff0000", "#1677ff", "#fa541c", "#722ed1", "#b93a26", "#1a659f"),
    *(f"#{RANDOM.randrange(1 << 24):06x}" for _ in range(30)),
)


@pytest.fixture(params=product([each.name for each in THEMES], (False, True)), ids=str)
def palette(request):
    theme, dark = request.param
    return THEMES.tokens(theme, dark=dark)


@pytest.mark.parametrize("colour", COLOURS)
def test_every_colour_becomes_one_that_can_be_read(palette, colour):
    made = derive_accent(colour, palette)
    assert set(made) == set(ACCENT_TOKENS)
    for fill in ("accent", "accent-strong"):
        assert contrast(made["on-accent"], made[fill]) >= 4.5, fill
    for surface in SURFACES:
        assert contrast(made["accent"], palette[surface]) >= 3, surface
        assert contrast(made["accent-ink"], palette[surface]) >= 4.5, surface
    for ink in (palette["ink"], palette["ink-soft"], palette["ink-faint"], made["accent-ink"]):
        assert contrast(ink, made["accent-wash"]) >= 4.5


@pytest.mark.parametrize("colour", ["#b93a26", "#722ed1", "#1a659f"])
def test_what_can_be_read_already_stays_as_it_is(colour):
    assert derive_accent(colour, THEMES.tokens("default"))["accent"] == colour


def test_the_hue_stays_the_company_s():
    for colour, palette in product(
        ("#1677ff", "#fa541c", "#00b578"), map(THEMES.tokens, ("default",))
    ):
        own, made = parse_colour(colour), parse_colour(derive_accent(colour, palette)["accent"])
        assert abs(own.hue - made.hue) < 0.12, colour


@pytest.mark.parametrize(
    "text",
    [
        "",
        "red",
        "#fff",
        "#12345g",
        "1a659f",
        "#1a659f;",
        "#1a659f}body{x:y",
        "url(//x)",
        "#1a659f\n",
    ],
)
def test_anything_else_makes_no_style(palette, text):
    assert parse_colour(text) is None
    assert accent_sheet(text, palette) == ""


def test_the_sheet_holds_nothing_but_tokens(palette):
    sheet = accent_sheet("#fa541c", palette)
    lines = sheet.splitlines()
    assert (lines[0], lines[-1]) == (":root {", "}")
    assert all(re.fullmatch(r"  --[a-z-]+: #[0-9a-f]{6};", line) for line in lines[1:-1])
    assert len(lines) == len(ACCENT_TOKENS) + 2


@pytest.mark.parametrize("colour", COLOURS)
def test_a_colour_that_is_taken_apart_can_be_put_together(colour):
    assert parse_colour(colour).hex() == colour
