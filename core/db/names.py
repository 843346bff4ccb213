"""Names of tables, indexes and constraints that fit into what both databases hold."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["LONGEST", "physical_name"]

#: Bytes of an identifier on PostgreSQL, which cuts longer ones off without a word.
LONGEST = 63


def physical_name(name: str) -> str:
    """``name``, or its beginning with a checksum of the whole where it is too long."""
    if len(name.encode()) <= LONGEST:
        return name
    checksum = blake2b(name.encode(), digest_size=4).hexdigest()
    return f"{name.encode()[: LONGEST - 9].decode(errors='ignore')}_{checksum}"
