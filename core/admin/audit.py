"""The audit trail: who changed what, when and from where. Nobody can edit it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import orjson
from flask import request, url_for

from core.admin import blueprint
from core.admin.display import moment, record_url, written
from core.admin.pickers import find_person, person_control
from core.entities.incoming import readable
from core.entities.labels import Labels, resolve_labels
from core.entities.query import ListQuery, page
from core.fields import EntitySpec
from core.fields import types as t
from core.http.addresses import read_number
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

FILTERS = (*("actor", "actor__label", "entity", "record", "action", "channel", "since", "until"),)


@blueprint.get("/audit")
@requires("admin")
def audit() -> Any:
    """Entries from the newest on, filtered."""
    given = {name: request.args.get(name, "").strip()[:254] for name in FILTERS}
    with unit_of_work() as uow:
        conditions, values, errors = _conditions(uow, given)
        query = ListQuery(
            filter={"all": conditions},
            sort="-id",
            after=request.args.get("after"),
            count="estimate",
        )
        found = page(uow, "audit_entry", query)
        entries = _entries(uow, found.items, found.labels)
        entities = uow.snapshot.installed_entities.values()
        field = uow.entity("audit_entry")["actor"]
        who = person_control(uow, field, values, errors.get("actor", ""), label=_("Person"))
    return render(
        "core/admin/audit.html",
        entries=entries,
        total=found.total,
        next=found.next,
        after=query.after,
        given=given,
        kept={name: value for name, value in given.items() if value},
        errors=errors,
        who=who,
        entities=sorted(((s.name, str(s.label_plural)) for s in entities), key=lambda e: e[1]),
        actions=_actions(uow),
        channels=list(_channels().items()),
        export=url_for("web.export_records", entity="audit_entry", filter=_as_text(conditions)),
    )


def _as_text(conditions: list[dict[str, Any]]) -> str | None:
    """The filters as the exporter's address holds them."""
    return orjson.dumps({"all": conditions}).decode() if conditions else None


def _conditions(
    uow: UnitOfWork, given: Mapping[str, str]
) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, str]]:
    """(conditions, values for the picker, what could not be used by filter)."""
    found: list[dict[str, Any]] = []
    errors: dict[str, str] = {}
    values: dict[str, Any] = {"actor__label": given["actor__label"]}
    try:
        # A link names the person by number alone; the form sends the words with it.
        values["actor"] = actor = find_person(uow, given["actor"], given["actor__label"])
        if actor is not None:
            found.append({"field": "actor", "op": "eq", "value": actor})
    except LookupError:
        errors["actor"] = _("Nobody, or more than one person, has this name or address.")
    for name in ("entity", "action", "channel"):
        if given[name]:
            found.append({"field": name, "op": "eq", "value": given[name]})
    if given["record"]:
        number = read_number(given["record"].lstrip("#"))
        if number is not None:
            found.append({"field": "record_id", "op": "eq", "value": number})
        else:
            errors["record"] = _("Give the record's number.")
    for name, op in (("since", "ge"), ("until", "le")):
        if given[name]:
            try:
                found.append(
                    {"field": "at", "op": op, "value": date.fromisoformat(given[name]).isoformat()}
                )
            except ValueError:
                errors[name] = _("Give a day as YYYY-MM-DD.")
    return found, values, errors


def _actions(uow: UnitOfWork) -> list[tuple[str, str]]:
    """The actions that the trail may hold: changes, acts of the core, verbs of the entities."""
    known = {
        "create": _("Created"),
        "update": _("Changed"),
        "delete": _("Deleted"),
        "restore": _("Restored"),
        "sign_in": _("Signed in"),
        "sign_in_failed": _("Sign-in failed"),
        "code_failed": _("Wrong code"),
        "lock_sign_in": _("Locked after wrong tries"),
        "release_lock": _("Lock released"),
        "invite": _("Link to set a password asked for"),
        "second_factor_on": _("Second factor turned on"),
        "second_factor_off": _("Second factor turned off"),
        "second_factor_reset": _("Second factor reset"),
        "new_recovery_codes": _("New recovery codes"),
        "sign_out": _("Signed out"),
        "sign_out_everywhere": _("Signed out everywhere"),
        "save_view": _("View for everybody kept"),
        "delete_view": _("View for everybody deleted"),
        "set_password": _("Password set"),
        "create_token": _("API token made"),
        "revoke_token": _("API token revoked"),
        "settings": _("Settings changed"),
        "enable_plugin": _("Module switched on"),
        "disable_plugin": _("Module switched off"),
        "open_plugin": _("Module opened to others"),
        "add_field": _("Field added"),
        "change_field": _("Field changed"),
        "retire_field": _("Field retired"),
        "restore_field": _("Field restored"),
        "add_entity": _("Entity added"),
        "change_entity": _("Entity changed"),
        "retire_entity": _("Entity retired"),
        "restore_entity": _("Entity restored"),
        "purge": _("Purged"),
        "import": _("Imported"),
        "export": _("Exported"),
        "restore_backup": _("Backup put in place"),
        "export_person": _("A person's data exported"),
        "erase_person": _("A person's data erased"),
    }
    for spec in uow.snapshot.installed_entities.values():
        for verb in spec.actions:
            known.setdefault(verb.name, str(verb.label))
    return list(known.items())


def _entries(uow: UnitOfWork, rows: list[dict[str, Any]], labels: Labels) -> list[dict[str, Any]]:
    words, channels = dict(_actions(uow)), _channels()
    specs = uow.snapshot.installed_entities
    known = _referred(uow, rows)
    open_, names = _reachable(uow, rows)
    people = labels.get("user", {})
    entries = []
    for row in rows:
        spec, entity, key = specs.get(row["entity"] or ""), row["entity"] or "", row["record_id"]
        linked = key in open_.get(entity, ())
        entries.append(
            {
                "at": moment(row["at"]),
                "iso": row["at"].isoformat(),
                "who": people.get(row["actor"], f"#{row['actor']}") if row["actor"] else "",
                "behind": people.get(row["behind"], "") if row["behind"] else "",
                "action": words.get(row["action"], row["action"]),
                "tone": {"create": "good", "delete": "bad"}.get(row["action"], "neutral"),
                "entity": str(spec.label) if spec else entity,
                "record": key,
                "name": names.get(entity, {}).get(key, "") if linked else "",
                "url": record_url(entity, key) if linked else None,
                "trail": url_for("admin.audit", entity=entity, record=key)
                if entity and key
                else None,
                "channel": channels.get(row["channel"], row["channel"]),
                "address": row["address"],
                "request": row["request_id"],
                "changes": list(_changes(spec, row["changes"] or {}, known)),
            }
        )
    return entries


def _channels() -> dict[str, str]:
    """By which way a change came, in words."""
    return {
        "web": _("Web page"),
        "api": "API",
        "cli": _("Command line"),
        "demo": _("Demonstration"),
        "import": _("Import"),
        "job": _("Background"),
        "schedule": _("Schedule"),
    }


def _changes(
    spec: EntitySpec | None, changes: Mapping[str, Any], labels: Labels
) -> Iterable[tuple[str, str, str]]:
    """(field, old, new) in words."""
    for name, (old, new) in changes.items():
        field = spec[name] if spec is not None and name in spec else None
        label = str(field.label) if field else name
        if isinstance(old, Mapping) or isinstance(new, Mapping):
            for path, before, after in _differences(old, new):
                yield f"{label} {path}", written(None, before, {}), written(None, after, {})
        else:
            yield label, written(field, old, labels), written(field, new, labels)


def _differences(old: Any, new: Any, path: str = "") -> Iterable[tuple[str, Any, Any]]:
    """Where two documents differ: ``("lead.read", "own", "all")``."""
    if not (isinstance(old or {}, Mapping) and isinstance(new or {}, Mapping)) or not (old or new):
        if old != new:
            yield path, old, new
        return
    before, after = old or {}, new or {}
    for key in dict.fromkeys((*before, *after)):
        where = f"{path}.{key}" if path else str(key)
        yield from _differences(before.get(key), after.get(key), where)


def _referred(uow: UnitOfWork, rows: Iterable[Mapping[str, Any]]) -> Labels:
    """Labels of the records that old and new values point to, one query for each entity."""
    wanted: dict[str, set[int]] = {}
    for row in rows:
        spec = uow.snapshot.installed_entities.get(row["entity"] or "")
        for name, pair in (row["changes"] or {}).items():
            type_ = spec[name].type if spec is not None and name in spec else None
            if not isinstance(type_, (t.Reference, t.References)):
                continue
            for value in pair:
                ids = value if isinstance(value, list) else [value]
                wanted.setdefault(type_.entity, set()).update(i for i in ids if type(i) is int)
    usable = {name: ids for name, ids in wanted.items() if name in uow.snapshot.entities}
    return resolve_labels(uow, usable)


def _reachable(
    uow: UnitOfWork, rows: Iterable[Mapping[str, Any]]
) -> tuple[dict[str, set[int]], Labels]:
    """(the records spoken of that still can be read, what they are called), by entity."""
    wanted: dict[str, set[int]] = {}
    for row in rows:
        if row["entity"] in uow.snapshot.entities and row["record_id"] is not None:
            wanted.setdefault(row["entity"], set()).add(row["record_id"])
    open_ = {entity: readable(uow, entity, ids) for entity, ids in wanted.items()}
    return open_, resolve_labels(uow, open_)
