"""Roles: what groups of people may do."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from flask import flash, redirect, request, url_for
from sqlalchemy import func, select

from core.admin import blueprint
from core.admin.display import owner_title
from core.admin.role_matrix import (
    ALL,
    CONDITION,
    field_rules_from,
    granted_entities,
    grants_from,
    groups,
    opened_in,
    row_of,
)
from core.admin.role_words import role_in_words
from core.db.base import metadata
from core.entities import service
from core.entities.form_reading import read_fields
from core.entities.forms import summary
from core.entities.links import link_table_name
from core.entities.query import ListQuery, get, page
from core.entities.writing import refuse
from core.errors import Conflict, Invalid, NotFound, Problem
from core.fields import FieldSpec
from core.http.addresses import read_number
from core.http.presenting import draw_control, input_context
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.i18n import ngettext
from core.ops.new_rights import new_rights, settle, with_new_rights
from core.runtime import Snapshot
from core.security.actor import RoleGrants
from core.work.uow import UnitOfWork

NAMES = ("title", "name")


@blueprint.get("/roles")
@requires("admin")
def roles() -> Any:
    """The list, with how many people have each."""
    query = ListQuery(sort="title", limit=500)
    with unit_of_work() as uow:
        found = page(uow, "role", query).items
        counts = _holders(uow)
        waiting = with_new_rights(uow, found)
    return render("core/admin/roles.html", roles=found, counts=counts, waiting=waiting)


def _holders(uow: UnitOfWork) -> dict[int, int]:
    """How many active people have each role."""
    users = uow.entity("user").table
    links = metadata.tables[link_table_name(users.name, "roles")]
    rows = uow.execute(
        select(links.c.target_id, func.count())
        .join(users, users.c.id == links.c.source_id)
        .where(users.c.is_active, users.c.archived_at.is_(None))
        .group_by(links.c.target_id)
    )
    return dict(tuple(row) for row in rows)


@blueprint.get("/roles/<int:key>")
@requires("admin")
def show_role(key: int) -> Any:
    """One role in words, and who has it."""
    with unit_of_work() as uow:
        role = get(uow, "role", key).values
        grants = RoleGrants(
            role["name"],
            bool(role["is_admin"]),
            role["grants"] or {},
            role["field_rules"] or {},
            frozenset(role["permissions"] or ()),
        )
        sentences, out_of_reach = role_in_words(uow.snapshot, grants)
        rights = _labels(uow.snapshot, grants.permissions)
        new, new_sentences = new_rights(uow, role), []
        if new is not None:
            told, _others = role_in_words(uow.snapshot, new)
            new_sentences = [each for each in told if each.name in new.grants]
        holders = page(
            uow,
            "user",
            ListQuery(
                fields=("name", "department", "is_active"),
                filter={"field": "roles", "op": "contains", "value": key},
                sort="name",
                limit=200,
                count="exact",
            ),
        )
    return render(
        "core/admin/role.html",
        role=role,
        sentences=sentences,
        owner_title=owner_title,
        out_of_reach=out_of_reach,
        rights=rights,
        has_new=new is not None,
        new_sentences=new_sentences,
        new_rights=_labels(uow.snapshot, new.permissions) if new else [],
        holders=holders,
    )


def _labels(snapshot: Snapshot, names: Collection[str]) -> list[Any]:
    return [item.label for item, _owner in _permissions(snapshot) if item.name in names]


@blueprint.post("/roles/<int:key>/new-rights")
@requires("admin")
def settle_new_rights(key: int) -> Any:
    """Grant what a new version of a module brings for the role, or leave it."""
    take = request.form.get("take") == "yes"
    with unit_of_work() as uow:
        settle(uow, get(uow, "role", key).values, take=take)
    flash(_("Saved. It holds at once.") if take else _("Left as it was."), "good")
    return redirect(url_for("admin.show_role", key=key))


def _permissions(snapshot: Snapshot) -> list[tuple[Any, str]]:
    """Rights beyond records, each with its owner."""
    found = snapshot.contributions.get("register_permissions", ())
    return [(contribution.item, contribution.owner) for contribution in found]


@blueprint.get("/roles/new")
@requires("admin")
def new_role() -> Any:
    """Name and code; what it may do comes after."""
    return _names_form({}, {})


@blueprint.post("/roles/new")
@requires("admin")
def create_role() -> Any:
    """Make a role that may do nothing yet."""
    values: dict[str, Any] = {}
    try:
        with unit_of_work() as uow:
            values = _names(uow)
            (key,) = service.create(uow, "role", [values])
    except Invalid as error:
        return _names_form(values, error.by_field()), 422
    return redirect(url_for("admin.edit_role", key=key))


def _name_fields(uow: UnitOfWork) -> list[FieldSpec]:
    spec = uow.entity("role")
    return [spec[name] for name in NAMES]


def _names(uow: UnitOfWork) -> dict[str, Any]:
    """Name and code as typed; a code is small letters, so that programs can name it."""
    values, problems = read_fields(input_context(uow), _name_fields(uow), request.form)
    refuse(problems)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", values["name"] or "a"):
        message = _("Use small letters, digits and _, a letter first.")
        raise Invalid(message, [Problem("name", "name", message)])
    return values


def _names_form(values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    values = values or request.form
    with unit_of_work(write=False) as uow:
        fields, context = _name_fields(uow), input_context(uow)
        controls = [
            draw_control(context, f, values.get(f.name), error=errors.get(f.name, ""))
            for f in fields
        ]
    return render("core/admin/role_new.html", controls=controls, errors=summary(errors, fields))


@blueprint.get("/roles/<int:key>/edit")
@requires("admin")
def edit_role(key: int) -> Any:
    """The matrix of one role; ``more`` names a row that is shown with all that lies below it."""
    with unit_of_work() as uow:
        role = get(uow, "role", key).values
    return _form(role, {}, request.args.getlist("more"))


@blueprint.get("/roles/<int:key>/edit/<entity>")
@requires("admin")
def edit_role_more(key: int, entity: str) -> Any:
    """What lies below one row of the matrix: further actions, and the access to each field."""
    with unit_of_work() as uow:
        role = get(uow, "role", key).values
        spec = next((s for s in granted_entities(uow.snapshot) if s.name == entity), None)
        if spec is None:
            raise NotFound(_("There is no such page."))
        row = row_of(spec, uow.snapshot, role["grants"] or {}, role["field_rules"] or {})
    return render("core/admin/role_more.html", row=row)


@blueprint.post("/roles/<int:key>/edit")
@requires("admin")
def update_role(key: int) -> Any:
    """Save the matrix; conditions that came through the API stay as they are in their boxes."""
    form = request.form
    with unit_of_work(write=False) as uow:
        role = get(uow, "role", key).values
    new: dict[str, Any] = {}
    errors: dict[str, str] = {}
    try:
        with unit_of_work() as uow:
            new, errors = _given(uow, role)
            if errors:
                raise Invalid(_("Please correct what is marked."))
            version = read_number(form.get("version"))
            versions = {} if version is None else {key: version}
            service.update(uow, "role", {key: new}, versions=versions)
    except Conflict as error:
        text = _("%(what)s Check the form; saving it again replaces that.", what=error.message)
        return _form({**role, **new}, {"": text}), 409
    except Invalid as error:
        return _form({**role, **new}, errors or _placed(error)), 422
    flash(_("Saved. It holds at once."), "good")
    return redirect(url_for("admin.show_role", key=key))


def _given(uow: UnitOfWork, role: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    form = request.form
    new: dict[str, Any] = {"title": form.get("title", "").strip() or None}
    if role["is_admin"]:
        return new, {}
    grants, errors = grants_from(form, role["grants"] or {}, uow.snapshot)
    known = {item.name for item, _owner in _permissions(uow.snapshot)}
    kept = [name for name in role["permissions"] or () if name not in known]
    chosen = [name for name in form.getlist("permissions") if name in known]
    new |= {
        "grants": grants,
        "field_rules": field_rules_from(form, role["field_rules"] or {}),
        "permissions": sorted({*kept, *chosen}),
    }
    return new, errors


def _placed(error: Invalid) -> dict[str, str]:
    """Problems by cell: the rules say ``lead.read: …`` in front of the message."""
    found: dict[str, str] = {}
    for problem in error.problems:
        place, _colon, text = problem.message.partition(": ")
        if problem.field == "grants" and text and "." in place:
            found[place] = text
        else:
            found[problem.field] = problem.message
    return found


def _form(role: Mapping[str, Any], errors: Mapping[str, str], opened: Iterable[str] = ()) -> str:
    typed = {k: v for k, v in request.form.items() if k.startswith(f"{CONDITION}:")}
    with unit_of_work(write=False) as uow:
        snapshot, title = uow.snapshot, uow.entity("role")["title"]
        current = get(uow, "role", role["id"]).values["version"]
        title_control = draw_control(
            input_context(uow), title, role["title"], error=errors.get("title", "")
        )
    open_rows = {*opened, *opened_in(request.form)}
    grants, rules = role["grants"] or {}, role["field_rules"] or {}
    matrix = groups(snapshot, grants, rules, errors, typed, open_rows)
    return render(
        "core/admin/role_edit.html",
        role={**role, "version": current},
        title_control=title_control,
        matrix=matrix,
        all_entities=ALL,
        owner_title=owner_title,
        permissions=_permissions(snapshot),
        errors=errors,
        wrong=sum(1 for name in errors if name),
    )


@blueprint.post("/roles/<int:key>/copy")
@requires("admin")
def copy_role(key: int) -> Any:
    """Another role that may do the same."""
    with unit_of_work() as uow:
        role = get(uow, "role", key).values
        new = {
            "name": _free_name(uow, role["name"]),
            "title": _("Copy of %(title)s", title=role["title"])[:100],
            **{name: role[name] for name in ("grants", "field_rules", "permissions")},
        }
        (made,) = service.create(uow, "role", [new])
    flash(_("The role was copied. Give it a name of its own."), "good")
    return redirect(url_for("admin.edit_role", key=made))


def _free_name(uow: UnitOfWork, name: str) -> str:
    """``sales_copy``, or with a number where that is taken, by a deleted role too."""
    table = uow.entity("role").table
    taken = set(uow.execute(select(table.c.name)).scalars())
    stem = f"{name[:50]}_copy"
    number = 1
    while (candidate := stem if number == 1 else f"{stem}{number}") in taken:
        number += 1
    return candidate


@blueprint.get("/roles/<int:key>/delete")
@requires("admin")
def confirm_delete_role(key: int) -> Any:
    """Ask, naming how many people lose it."""
    with unit_of_work() as uow:
        role = get(uow, "role", key).values
        count = _holders(uow).get(key, 0)
    text = (
        ngettext(
            "%(n)s person has it and loses its rights.",
            "%(n)s people have it and lose its rights.",
            count,
        )
        if count
        else _("Nobody has it.")
    )
    return render(
        "core/admin/confirm.html",
        title=_("Remove the role %(title)s?", title=role["title"]),
        text=text,
        items=[],
        action=url_for("admin.delete_role", key=key),
        label=_("Remove"),
        kind="danger",
        back=url_for("admin.show_role", key=key),
        crumb=role["title"],
    )


@blueprint.post("/roles/<int:key>/delete")
@requires("admin")
def delete_role(key: int) -> Any:
    """Put it into the recycle bin; that of the administrators stays."""
    try:
        with unit_of_work() as uow:
            service.delete(uow, "role", [key])
    except Invalid as error:
        flash(next(iter(error.by_field().values())), "bad")
        return redirect(url_for("admin.show_role", key=key))
    flash(_("The role was removed."), "good")
    return redirect(url_for("admin.roles"))
