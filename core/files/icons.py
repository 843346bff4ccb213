"""The company's logo as the square picture that a phone shows on its first screen."""

from __future__ import annotations

import io
from functools import lru_cache

__all__ = ["ICON_SIZES", "draw_icon"]

#: What phones and browsers ask for (px).
ICON_SIZES = (180, 192, 512)
#: Logos with more pixels are not unpacked.
_MOST_PIXELS = 30_000_000
#: How much of the side a logo takes: the rest may be cut away round.
_ROOM = 0.72


@lru_cache(maxsize=8)
def draw_icon(content: bytes, size: int) -> bytes | None:
    """A PNG of ``size`` times ``size`` pixels with the logo in the middle of a white plate.

    None for a picture that cannot be read: nobody but its browser has unpacked it before.
    """
    from PIL import Image as Picture  # few processes draw: it takes 6 MB

    try:
        with Picture.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP")) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            logo = opened.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Picture.DecompressionBombError):
        return None
    scale = size * _ROOM / max(logo.size)
    fitting = (max(1, round(logo.width * scale)), max(1, round(logo.height * scale)))
    logo = logo.resize(fitting, Picture.Resampling.LANCZOS)
    plate = Picture.new("RGB", (size, size), "white")
    plate.paste(logo, ((size - logo.width) // 2, (size - logo.height) // 2), logo)
    drawn = io.BytesIO()
    plate.save(drawn, "PNG", optimize=True)
    return drawn.getvalue()
