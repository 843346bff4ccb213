"""A secret that pages carry, written differently in every answer."""

from __future__ import annotations

import base64
import secrets

__all__ = ["mask", "unmask"]


def mask(secret: str) -> str:
    """The ASCII secret under a random pad of its own length, which stands before it.

    Who compares the lengths of compressed answers learns nothing of a text that is never the same.
    """
    plain = secret.encode("ascii")
    pad = secrets.token_bytes(len(plain))
    return base64.urlsafe_b64encode(pad + _xor(pad, plain)).decode("ascii")


def unmask(text: str) -> str | None:
    """The secret of `mask`; None for what it cannot have made."""
    try:
        whole = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        half = len(whole) // 2
        return _xor(whole[:half], whole[half:]).decode("ascii")
    except ValueError:
        return None


def _xor(pad: bytes, text: bytes) -> bytes:
    return bytes(one ^ other for one, other in zip(pad, text, strict=True))
