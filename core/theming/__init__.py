"""How pages are drawn: themes, the one template renderer, slots and static files."""

from core.theming.accent import accent_sheet, derive_accent
from core.theming.colour import contrast, parse_colour
from core.theming.registry import (
    DEFAULT_THEME,
    THEMES,
    Stylesheet,
    Theme,
    ThemeError,
    ThemeRegistry,
    theme_names,
)
from core.theming.renderer import Renderer, build_environment
from core.theming.slots import Slots, UnknownSlot
from core.theming.static import StaticFiles

__all__ = [
    "DEFAULT_THEME",
    "THEMES",
    "Renderer",
    "Slots",
    "StaticFiles",
    "Stylesheet",
    "Theme",
    "ThemeError",
    "ThemeRegistry",
    "UnknownSlot",
    "accent_sheet",
    "build_environment",
    "contrast",
    "derive_accent",
    "parse_colour",
    "theme_names",
]
