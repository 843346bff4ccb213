"""A company's own colour, made into the accent tokens of a theme so that everything stays readable.

The hue is the company's. Its lightness is moved, as little as will do, until what is written in it and
on it can be read by WCAG 2.2 AA on every surface of the theme, in the light scheme and in the dark one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from core.theming.colour import Colour, contrast, parse_colour

__all__ = ["ACCENT_TOKENS", "accent_sheet", "derive_accent"]

ACCENT_TOKENS = ("accent", "accent-strong", "accent-ink", "accent-wash", "on-accent")
SURFACES = ("paper", "paper-sunken", "paper-raised", "paper-hover")
#: What WCAG 2.2 AA asks of text, and of what is no text. A little more, for colours are rounded.
TEXT, SHAPE = 4.52, 3.02
_WHITE = "#ffffff"
_STEP = 0.005
#: So much lightness is given up for white writing on fills, before it is dark.
_MOST_MOVED = 0.12


def derive_accent(colour: str, palette: Mapping[str, str]) -> dict[str, str] | None:
    """The accent tokens for one scheme of a theme, whose tokens are ``palette``; None for no colour.

    ``accent`` fills, ``accent-ink`` writes, ``accent-wash`` lies under ink, ``on-accent`` is written
    on fills.
    """
    own = parse_colour(colour)
    if own is None:
        return None
    surfaces = [palette[name] for name in SURFACES]
    dark = contrast(palette["paper"], _WHITE) > contrast(palette["paper"], "#000000")
    night = palette["paper"] if dark else palette["ink"]

    def fills(found: str, *over: str) -> bool:
        readable = any(contrast(found, each) >= TEXT for each in over)
        return readable and all(contrast(found, each) >= SHAPE for each in surfaces)

    accent = _nearest(own, lambda found: fills(found, _WHITE))
    base = parse_colour(accent) or own
    if abs(base.lightness - own.lightness) > _MOST_MOVED:
        accent = _nearest(own, lambda found: fills(found, _WHITE, night))
        base = parse_colour(accent) or own
    on_accent = _WHITE if contrast(accent, _WHITE) >= TEXT else night
    # Away from what is written on it: the contrast of the hovered button is never less.
    strong = base.at(base.lightness + (-0.05 if on_accent == _WHITE else 0.05)).hex()
    if contrast(on_accent, strong) < TEXT:
        strong = accent
    wash = _wash(own, palette, dark=dark)
    grounds = [*surfaces, wash]
    ink = _nearest(own, lambda found: all(contrast(found, each) >= TEXT for each in grounds))
    return dict(zip(ACCENT_TOKENS, (accent, strong, ink, wash, on_accent), strict=True))


def accent_sheet(colour: str, palette: Mapping[str, str]) -> str:
    """The style sheet that lays the derived tokens over a theme's; empty for what is no colour."""
    tokens = derive_accent(colour, palette) or {}
    lines = "".join(f"  --{name}: {value};\n" for name, value in tokens.items())
    return f":root {{\n{lines}}}\n" if lines else ""


def _nearest(own: Colour, holds: Callable[[str], bool]) -> str:
    """The colour of that hue, nearest in lightness, that holds; black or white hold at the latest."""
    for lightness in _lightnesses(own.lightness):
        found = own.at(lightness).hex()
        if holds(found):
            return found
    return own.hex()


def _lightnesses(start: float) -> Iterator[float]:
    yield start
    for step in range(1, round(1 / _STEP) + 1):
        for lightness in (start - step * _STEP, start + step * _STEP):
            if 0 <= lightness <= 1:
                yield lightness


def _wash(own: Colour, palette: Mapping[str, str], *, dark: bool) -> str:
    """A breath of the colour on the paper, on which every ink can still be read."""
    inks = [palette[name] for name in ("ink", "ink-soft", "ink-faint")]
    pale = min(own.chroma, 0.04 if dark else 0.022)
    lightness, step = (0.29, -_STEP) if dark else (0.94, _STEP)
    while 0 < lightness < 1:
        found = own.at(lightness, pale).hex()
        if all(contrast(found, ink) >= TEXT for ink in inks):
            return found
        lightness += step
    return palette["paper"]
