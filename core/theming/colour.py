"""Colours as numbers: sRGB to OKLCH and back, and how well two of them stand apart."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import atan2, cos, hypot, sin

__all__ = ["Colour", "contrast", "parse_colour"]

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
#: How near the edge of what a screen shows a chroma is looked for.
_STEPS = 12


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour in OKLCH: lightness 0 to 1, chroma, and hue in radians. Equal steps look equal."""

    lightness: float
    chroma: float
    hue: float

    def at(self, lightness: float, chroma: float | None = None) -> Colour:
        """The same hue, lighter or darker; ``chroma`` where it is to be another."""
        return Colour(
            min(max(lightness, 0.0), 1.0), self.chroma if chroma is None else chroma, self.hue
        )

    def hex(self) -> str:
        """As ``#rrggbb``; what no screen shows is paled until one does."""
        low, high = 0.0, self.chroma
        if _fits(_rgb(self)):
            low = high
        else:
            for _step in range(_STEPS):
                middle = (low + high) / 2
                low, high = (
                    (middle, high)
                    if _fits(_rgb(self.at(self.lightness, middle)))
                    else (low, middle)
                )
        parts = (min(max(part, 0.0), 1.0) for part in _rgb(self.at(self.lightness, low)))
        return "#" + "".join(f"{round(_encoded(part) * 255):02x}" for part in parts)


def parse_colour(text: str) -> Colour | None:
    """The colour of ``#rrggbb``, and nothing else: the text is never handed on."""
    if not _HEX.fullmatch(text):
        return None
    red, green, blue = _linear(text)
    long = (0.4122214708 * red + 0.5363325363 * green + 0.0514459929 * blue) ** (1 / 3)
    middle = (0.2119034982 * red + 0.6806995451 * green + 0.1073969566 * blue) ** (1 / 3)
    short = (0.0883024619 * red + 0.2817188376 * green + 0.6299787005 * blue) ** (1 / 3)
    lightness = 0.2104542553 * long + 0.7936177850 * middle - 0.0040720468 * short
    a = 1.9779984951 * long - 2.4285922050 * middle + 0.4505937099 * short
    b = 0.0259040371 * long + 0.7827717662 * middle - 0.8086757660 * short
    return Colour(lightness, hypot(a, b), atan2(b, a))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of WCAG 2.2, of two colours as ``#rrggbb``."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _rgb(colour: Colour) -> tuple[float, float, float]:
    """Linear red, green and blue; outside 0 to 1 where no screen shows the colour."""
    a, b = colour.chroma * cos(colour.hue), colour.chroma * sin(colour.hue)
    long = (colour.lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    middle = (colour.lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (colour.lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        4.0767416621 * long - 3.3077115913 * middle + 0.2309699292 * short,
        -1.2684380046 * long + 2.6097574011 * middle - 0.3413193965 * short,
        -0.0041960863 * long - 0.7034186147 * middle + 1.7076147010 * short,
    )


def _fits(parts: tuple[float, float, float]) -> bool:
    return all(-0.0005 <= part <= 1.0005 for part in parts)


def _linear(text: str) -> tuple[float, float, float]:
    red, green, blue = (int(text[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return _decoded(red), _decoded(green), _decoded(blue)


def _luminance(text: str) -> float:
    red, green, blue = _linear(text)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _decoded(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _encoded(part: float) -> float:
    return part * 12.92 if part <= 0.0031308 else float(1.055 * part ** (1 / 2.4) - 0.055)
