"""Pictures that a camera reads, as addresses of images within the page."""

from __future__ import annotations

__all__ = ["grouped", "qr_address"]


def qr_address(text: str) -> str:
    """A QR code of ``text`` as an SVG in a ``data:`` address: dark on white, whatever the theme."""
    import segno

    made: str = segno.make(text, error="m", micro=False).svg_data_uri(
        scale=4, border=4, dark="#000", light="#fff"
    )
    return made


def grouped(secret: str) -> str:
    """A key in fours, for who types it."""
    return " ".join(secret[start : start + 4] for start in range(0, len(secret), 4))
