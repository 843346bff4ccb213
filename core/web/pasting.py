"""A block from a spreadsheet, pasted into the cells of a list: rehearsed and asked about, then written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import redirect, request

from core.entities.labels import resolve_labels
from core.errors import Invalid, NotFound
from core.exchange.pasting import Pasted, paste_cells
from core.fields import EntitySpec, FieldSpec
from core.http.addresses import read_number, undo_url
from core.http.presenting import tell
from core.http.rendering import render
from core.http.requests import signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import ngettext
from core.web import blueprint
from core.web.cells import cell_names
from core.web.list_page import own_page
from core.work.uow import UnitOfWork

#: Cells of one block, and refusals that are told one by one, before and after.
MOST_CELLS, MOST_TOLD, MOST_IN_A_MESSAGE = 5_000, 200, 8


@dataclass(frozen=True)
class Block:
    """The cells that are meant, as the form sends them."""

    fields: Mapping[str, FieldSpec]
    texts: Mapping[int, Mapping[str, str]]
    versions: Mapping[int, int]


class _Rehearsed(Exception):
    """Ends the transaction of a rehearsal, so that nothing of it stays."""


@blueprint.post("/r/<entity>/paste", endpoint="paste_cells")
@signed_in
def paste(entity: str) -> Any:
    """What the block would change, to be confirmed; with ``confirmed`` it is changed.

    ``ids`` and ``versions`` are the rows; each of ``cells`` is ``row:field``, its text the one of
    ``texts`` at the same place. ``left_out`` is how many the page has no place for.
    """
    if "confirmed" not in request.form:
        try:
            return _rehearse(entity)
        except Invalid as error:
            return render("core/records/_paste.html", message=error.message), error.status
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        back = own_page(request.form.get("back"), spec)
        pasted = _paste(uow, spec)
        refused = _told(uow, spec, pasted)
    if pasted.written:
        undo = undo_url(entity, pasted.bulk_id, back)
        tell(_("Changed: %(what)s.", what=_counted(pasted)), undo_url=undo)
    if refused:
        few = refused[:MOST_IN_A_MESSAGE]  # all of them were told before it was confirmed
        stays = [f"{record}{_(', ')}{label}{_(': ')}{why}" for record, label, why in few]
        further = len(refused) - len(few)
        stays += [_("%(n)s more", n=further)] if further else []
        tell(" ".join(stays), "warn" if pasted.written else "bad")
    if not pasted.written and not refused:
        tell(_("The cells hold this already."), "info")
    return redirect(back, 303)


def _rehearse(entity: str) -> str:
    html = ""
    try:
        with unit_of_work() as uow:
            spec = uow.entity(entity)
            pasted = _paste(uow, spec)
            refused = _told(uow, spec, pasted)
            html = render(
                "core/records/_paste.html",
                spec=spec,
                message="",
                counted=_counted(pasted) if pasted.written else "",
                emptied=pasted.emptied,
                refused=refused[:MOST_TOLD],
                further=max(0, len(refused) - MOST_TOLD),
                left_out=read_number(request.form.get("left_out", "")) or 0,
                sent=[
                    (name, text)
                    for name, text in request.form.items(multi=True)
                    if name in ("ids", "versions", "cells", "texts", "back")
                ],
            )
            raise _Rehearsed
    except _Rehearsed:
        return html


def _paste(uow: UnitOfWork, spec: EntitySpec) -> Pasted:
    block = _block(uow, spec)
    return paste_cells(uow, spec, block.fields, block.texts, block.versions)


def _block(uow: UnitOfWork, spec: EntitySpec) -> Block:
    form, writable = request.form, cell_names(uow, spec)
    ids = [read_number(text) for text in form.getlist("ids")]
    versions = [read_number(text) for text in form.getlist("versions")]
    places, words = form.getlist("cells"), form.getlist("texts")
    if len(places) != len(words) or len(ids) != len(versions) or len(places) > MOST_CELLS:
        raise Invalid(_("At most %(n)s cells at a time.", n=MOST_CELLS))
    fields: dict[str, FieldSpec] = {}
    texts: dict[int, dict[str, str]] = {}
    for place, text in zip(places, words, strict=True):
        at, _colon, name = place.partition(":")
        row = read_number(at)
        key = ids[row] if row is not None and row < len(ids) else None
        if key is None or name not in writable:
            raise NotFound(_("There is no field %(name)s to write into.", name=name[:60]))
        fields[name] = spec[name]
        texts.setdefault(key, {})[name] = text
    known = {
        key: 0 if version is None else version
        for key, version in zip(ids, versions, strict=True)
        if key is not None
    }
    return Block(fields, texts, known)


def _counted(pasted: Pasted) -> str:
    cells, records = pasted.cells, len(pasted.written)
    return _(
        "%(cells)s of %(records)s",
        cells=ngettext("%(n)s cell", "%(n)s cells", cells),
        records=ngettext("%(n)s record", "%(n)s records", records),
    )


def _told(uow: UnitOfWork, spec: EntitySpec, pasted: Pasted) -> list[tuple[str, str, str]]:
    """(record, field, why) of the cells that stay, in words."""
    keys = {key for key, _name, _why in pasted.refused}
    labels = resolve_labels(uow, {spec.name: keys}).get(spec.name, {})
    return [
        (labels.get(key, f"#{key}"), str(spec[name].label) if name else _("all cells"), why)
        for key, name, why in pasted.refused
    ]
