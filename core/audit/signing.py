"""Signatures with a key that lies outside the database, so that it alone cannot make one up."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from core.secrets import key_id

if TYPE_CHECKING:
    from core.config import Config

__all__ = ["is_signed", "sign"]


def sign(config: Config, purpose: str, *parts: object) -> str:
    """``key:mac`` over ``purpose`` and the parts, with the secret key in use."""
    return f"{key_id(config.secret_key)}:{_mac(config.secret_key, purpose, parts)}"


def is_signed(config: Config, signature: str | None, purpose: str, *parts: object) -> bool:
    """Whether a key of this installation, also one that was rotated out, signed exactly this."""
    name, _colon, mac = (signature or "").partition(":")
    key = _named(config, name)
    return key is not None and hmac.compare_digest(mac, _mac(key, purpose, parts))


def _named(config: Config, name: str) -> str | None:
    for key in (config.secret_key, *config.old_secret_keys):
        if key_id(key) == name:
            return key
    return next((key for key in config.keys_in_home() if key_id(key) == name), None)


def _mac(secret: str, purpose: str, parts: tuple[object, ...]) -> str:
    own = hmac.digest(secret.encode(), b"dougong audit chain", "sha256")
    text = "\n".join(map(str, (purpose, *parts)))
    return hmac.digest(own, text.encode(), "sha256").hex()
