"""Who of a group gets the next lead, as `core.assigning` says of every record."""

from __future__ import annotations

from core.assigning.sharing_out import Group

__all__ = ["Group"]
