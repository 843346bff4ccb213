"""Files that came with a form: stored, and given to their fields by id."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, cast

from flask import request

from core.fields import FieldSpec
from core.fields import types as t
from core.files.service import store_upload
from core.work.uow import UnitOfWork

__all__ = ["store_uploads"]


def store_uploads(uow: UnitOfWork, fields: Iterable[FieldSpec]) -> dict[str, int]:
    """``{field: file id}`` of the file fields that a file was chosen for."""
    found: dict[str, int] = {}
    for item in fields:
        sent = request.files.get(item.name)
        if isinstance(item.type, t.File) and sent is not None and sent.filename:
            limit = item.type.max_bytes
            found[item.name] = store_upload(
                uow, cast(BinaryIO, sent.stream), sent.filename, max_bytes=limit
            )
    return found
