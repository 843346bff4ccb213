"""Files that came with a form: stored at once, so that an error elsewhere never loses them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, cast

from flask import request
from werkzeug.datastructures import FileStorage, MultiDict

from core.entities.form_fields import file_field, place_of
from core.entities.inputs import InputContext
from core.errors import Invalid, Problem, TooLarge
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.files.service import store_upload
from core.work.uow import UnitOfWork

__all__ = ["keep_param_uploads", "keep_uploads", "store_for"]


def keep_uploads(
    context: InputContext, spec: EntitySpec
) -> tuple[MultiDict[str, str], list[Problem]]:
    """What was sent, each chosen file now named by its id as the input ``<name>__kept``.

    The ids are of uploads that belong to nobody's record yet: only who sent them can give them to
    one. What cannot be taken, e.g. for its size, is told as a problem of its input.
    """
    form, refused = _keep(context.uow, lambda name: file_field(context, spec, name))
    return form, [
        Problem(place_of(context, spec, form, name), "file", message)
        for name, message in refused.items()
    ]


def keep_param_uploads(
    uow: UnitOfWork, params: Sequence[FieldSpec]
) -> tuple[MultiDict[str, str], list[Problem]]:
    """The same for the form of a verb, whose inputs are ``param.<name>``."""
    files = {f"param.{item.name}": item for item in params if isinstance(item.type, t.File)}
    form, refused = _keep(uow, files.get)
    return form, [Problem(files[name].name, "file", message) for name, message in refused.items()]


def _keep(
    uow: UnitOfWork, field_of: Callable[[str], FieldSpec | None]
) -> tuple[MultiDict[str, str], dict[str, str]]:
    """(what was sent, with the ids; why something was not taken, by input)."""
    form = MultiDict(request.form)
    refused: dict[str, str] = {}
    for name, sent in request.files.items(multi=True):
        item = field_of(name) if sent.filename else None
        if item is None:
            continue
        try:
            key = store_for(uow, item, sent)
        except (Invalid, TooLarge) as error:
            refused[name] = error.message
        else:
            form.setlist(f"{name}__kept", [str(key)])
            form.poplist(f"{name}__remove")
    return form, refused


def store_for(uow: UnitOfWork, item: FieldSpec, sent: FileStorage) -> int:
    """Keep an upload that fits the field; raises `Invalid` and `TooLarge`."""
    assert isinstance(item.type, t.File)
    return store_upload(
        uow,
        cast(BinaryIO, sent.stream),
        sent.filename or "",
        max_bytes=item.type.max_bytes,
        pictures_only=isinstance(item.type, t.Image),
    )
