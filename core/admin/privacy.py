"""One person's data: what there is, handing it out, erasing it."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.entities.labels import resolve_labels
from core.errors import Refusal, Refused
from core.http.addresses import read_number
from core.http.downloads import file_to_send, stream_response
from core.http.rendering import render
from core.http.requests import requires, runtime, unit_of_work
from core.i18n import gettext as _
from core.privacy.erasing import erase_person, keep_erasures
from core.privacy.exporting import note_export, write_person
from core.privacy.finding import Person, find_person
from core.privacy.personal import personal_fields
from core.work.uow import UnitOfWork
from core.workspace import find_workspaces


@blueprint.get("/privacy")
@requires("admin")
def privacy() -> Any:
    """Choose a record; what is kept about its person."""
    entity, number = request.args.get("entity", ""), request.args.get("record", "").lstrip("#")
    context: dict[str, Any] = {"entity": entity, "number": number, "error": "", "found": None}
    with unit_of_work() as uow:
        specs = uow.snapshot.entities.values()
        context["entities"] = [(s.name, str(s.label)) for s in specs if personal_fields(s)]
        key = read_number(number)
        if number and key is None:
            context["error"] = _("Give the record's number.")
        elif key is not None and entity:
            try:
                person = find_person(uow, entity, key)
                context |= {"found": _counts(person), "records": _records(uow, person)}
            except Refusal as refusal:
                context["error"] = refusal.message
    return render("core/admin/privacy.html", **context)


def _counts(person: Person) -> list[tuple[str, int]]:
    labels = {
        "records": _("Records"),
        "places": _("Records that say where the person was"),
        "files": _("Files of these records, and of those about them"),
        "tables": _("Uploaded and exported tables that name the person"),
        "drafts": _("Drafts"),
        "entries": _("Entries of the audit trail"),
        "events": _("Events"),
        "mentions": _("Other texts with the name, number or address"),
    }
    return [(labels[kind], count) for kind, count in person.counts().items()]


def _records(uow: UnitOfWork, person: Person) -> list[dict[str, Any]]:
    specs = uow.snapshot.installed_entities
    usable = {n: set(rows) for n, rows in person.records.items() if n in uow.snapshot.entities}
    names = resolve_labels(uow, usable)
    return [
        {
            "kind": str(specs[name].label),
            "name": names.get(name, {}).get(key, ""),
            "id": key,
            "url": url_for("web.show_record", entity=name, record_id=key)
            if name in usable and specs[name].parent_field is None and not row.get("archived_at")
            else None,
        }
        for name, rows in person.records.items()
        for key, row in sorted(rows.items())
    ]


@blueprint.post("/privacy/<entity>/<int:key>/export")
@requires("admin")
def export_person(entity: str, key: int) -> Any:
    """Everything as a ZIP."""
    with file_to_send() as file, unit_of_work() as uow:
        person = find_person(uow, entity, key)
        write_person(uow, person, file)
        note_export(uow, person)
    return stream_response(file, f"{entity}-{key}.zip", "application/zip")


@blueprint.get("/privacy/<entity>/<int:key>/erase")
@requires("admin")
def confirm_erase(entity: str, key: int) -> Any:
    """The rehearsal: what would go."""
    with unit_of_work() as uow:
        person = find_person(uow, entity, key)
        spec = uow.entity(entity)
    text = _(
        "Their values are removed for good, in every record, file and entry below; amounts and"
        " sums stay. Backups made before still hold them."
    )
    trials = [each.name for each in find_workspaces(runtime().config.home) if each.is_copy]
    names = _(", ").join(trials)
    kept = _("So do these trials until they are removed: %(names)s.", names=names) if names else ""
    return render(
        "core/admin/confirm.html",
        title=_("Erase the person of %(record)s?", record=f"{spec.label} #{key}"),
        text=f"{text} {kept}",
        list_title=_("What is erased"),
        items=[f"{label}{_(': ')}{count}" for label, count in _counts(person) if count],
        action=url_for("admin.erase_now", entity=entity, key=key),
        hidden=[("records", person.counts()["records"])],
        label=_("Erase for good"),
        kind="danger",
        back=url_for("admin.privacy", entity=entity, record=key),
        crumb=_("Personal data"),
    )


@blueprint.post("/privacy/<entity>/<int:key>/erase")
@requires("admin")
def erase_now(entity: str, key: int) -> Any:
    """Erase, when it is still as much as was confirmed."""
    with unit_of_work() as uow:
        person = find_person(uow, entity, key)
        if request.form.get("records") != str(person.counts()["records"]):
            raise Refused(_("Something was added meanwhile. Look again before you erase."))
        erase_person(uow, person)
    keep_erasures(runtime())
    flash(_("The person was erased."), "good")
    return redirect(url_for("admin.privacy", entity=entity, record=key))
