"""Secrets at rest: text sealed with a key that lies outside the database.

The keys are derived from the installation's secret key, one for each purpose, so that what was
sealed for one cannot be opened for another. A sealed text names its key: during a rotation texts
of the old and of the new key live side by side.
"""

from __future__ import annotations

import base64
import binascii
import os
from functools import lru_cache
from typing import TYPE_CHECKING

from core.errors import Refused
from core.i18n import gettext as _

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    from core.config import Config

__all__ = ["SecretUnreadable", "is_sealed", "key_id", "key_of", "seal", "unseal"]

_MARK = "sealed.v1."
_NONCE = 12


class SecretUnreadable(Refused):
    """No key at hand opens a sealed text, or it was changed; nothing of it is given away."""


def seal(config: Config, text: str, *, purpose: str = "secret") -> str:
    """``text`` as ``sealed.v1.<key>.<…>``, with the key in use; different each time."""
    name = key_id(config.secret_key)
    nonce = os.urandom(_NONCE)
    body = nonce + _cipher(config.secret_key, purpose).encrypt(nonce, text.encode(), name.encode())
    return f"{_MARK}{name}.{base64.urlsafe_b64encode(body).decode()}"


def unseal(config: Config, text: str, *, purpose: str = "secret") -> str:
    """What was sealed for ``purpose``. Raises `SecretUnreadable`."""
    from cryptography.exceptions import InvalidTag

    name, body = _parts(text)
    key = _find_key(config, name)
    if key is not None:
        try:
            opened = _cipher(key, purpose).decrypt(body[:_NONCE], body[_NONCE:], name.encode())
            return opened.decode()
        except (InvalidTag, ValueError):  # changed, or cut short
            pass
    message = _("A secret cannot be read: it needs the secret key %(key)s.", key=name or "?")
    raise SecretUnreadable(message)


def is_sealed(value: object) -> bool:
    """Whether ``value`` looks like the work of `seal`; says nothing about who can open it."""
    return isinstance(value, str) and value.startswith(_MARK)


def key_of(text: str) -> str:
    """The name of the key that ``text`` was sealed with."""
    return _parts(text)[0]


@lru_cache(maxsize=16)
def key_id(key: str) -> str:
    """The public name of a secret key: eight hex digits that say nothing about it."""
    return _derive(key, "name of the key")[:4].hex()


def _parts(text: str) -> tuple[str, bytes]:
    name, _dot, encoded = text.removeprefix(_MARK).partition(".")
    try:
        return name[:8], base64.b64decode(encoded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return name[:8], b""


def _find_key(config: Config, name: str) -> str | None:
    """The key of that name; the file is read again for one that came after this process began."""
    for key in (config.secret_key, *config.old_secret_keys):
        if key_id(key) == name:
            return key
    return next((key for key in config.keys_in_home() if key_id(key) == name), None)


@lru_cache(maxsize=64)
def _cipher(key: str, purpose: str) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(_derive(key, purpose))


def _derive(key: str, purpose: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    info = f"dougong {purpose}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(key.encode())
