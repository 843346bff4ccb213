"""People: the list, and the form of one person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.admin.accounts import account
from core.admin.departments import department_options, department_paths, department_tree
from core.entities import service
from core.entities.form_reading import read_fields
from core.entities.forms import summary
from core.entities.labels import reference_ids, resolve_labels
from core.entities.query import ListQuery, get, page
from core.entities.writing import refuse
from core.errors import Conflict, Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import read_number
from core.http.presenting import draw_controls, input_context
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.security.credentials import set_password
from core.security.reset import invite
from core.work.uow import UnitOfWork

COLUMNS = ("name", "email", "mobile", "title", "department", "roles", "is_active")
#: The form's parts; the company's own fields come after the first.
PERSON = ("name", "email", "mobile", "title", "locale", "is_active")
PLACE = ("department", "departments", "roles")
ABSENCE = ("starts_on", "ends_on", "reason")
#: Empty lines offered for absences, since there may be no JavaScript to add one.
SPARE_LINES = 2


@blueprint.get("/people")
@requires("admin")
def people() -> Any:
    """The list: search, department, active or not."""
    words = request.args.get("search", "")[:200]
    state = request.args.get("state", "active")
    department = read_number(request.args.get("department"))
    conditions = _conditions(state, department)
    query = ListQuery(
        fields=COLUMNS,
        filter={"all": conditions},
        search=words,
        sort="name",
        after=request.args.get("after"),
        count="estimate",
    )
    with unit_of_work() as uow:
        found, tree = page(uow, "user", query), department_tree(uow)
    return render(
        "core/admin/people.html",
        page=found,
        tree=tree,
        words=words,
        state=state,
        department=department,
        after=query.after,
        kept={k: v for k, v in request.args.items() if k in ("search", "state", "department")},
    )


def _conditions(state: str, department: int | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if state in ("active", "inactive"):
        found.append({"field": "is_active", "op": "eq", "value": state == "active"})
    if department is not None:
        found.append({"field": "department", "op": "under", "value": department})
    return found


@blueprint.get("/people/new")
@requires("admin")
def new_person() -> Any:
    """An empty form; ``?department=`` says where."""
    values = {
        "is_active": True,
        "locale": "zh_CN",
        "department": read_number(request.args.get("department")),
    }
    return _form(None, values, {})


@blueprint.post("/people/new")
@requires("admin")
def create_person() -> Any:
    """Make a person, with a first password where one is given, else with a mail to choose one."""
    values: dict[str, Any] = {}
    try:
        with unit_of_work() as uow:
            values, problems = _given(uow)
            refuse(problems)
            (key,) = service.create(uow, "user", [values])
            if password := request.form.get("password", ""):
                saved = get(uow, "user", key).values
                set_password(
                    uow,
                    key,
                    password,
                    email=saved["email"],
                    name=saved["name"],
                    must_change="must_change" in request.form,
                )
            elif "invite" in request.form:
                invite(uow, key)
    except Invalid as error:
        return _form(None, values, error.by_field()), 422
    flash(_("%(name)s was added.", name=values["name"]), "good")
    return redirect(url_for("admin.edit_person", key=key))


@blueprint.get("/people/<int:key>")
@requires("admin")
def edit_person(key: int) -> Any:
    """One person: the form, the password, sessions and API tokens."""
    with unit_of_work() as uow:
        values = get(uow, "user", key).values
    return _form(key, values, {})


@blueprint.post("/people/<int:key>")
@requires("admin")
def update_person(key: int) -> Any:
    """Save the form."""
    values: dict[str, Any] = {}
    version = read_number(request.form.get("version"))
    try:
        with unit_of_work() as uow:
            values, problems = _given(uow)
            refuse(problems)
            versions = {} if version is None else {key: version}
            service.update(uow, "user", {key: values}, versions=versions)
    except Conflict as error:
        again = _("%(what)s Check the form; saving it again replaces that.", what=error.message)
        return _form(key, values | {"version": error.current["version"]}, {"": again}), 409
    except Invalid as error:
        return _form(key, values | {"version": version}, error.by_field()), 422
    flash(_("Saved."), "good")
    return redirect(url_for("admin.edit_person", key=key))


# The form


def _fields(spec: EntitySpec) -> dict[str, list[FieldSpec]]:
    """The fields of each part of the form, those that the company or a plugin added included."""
    added = [
        field
        for field in spec
        if field.owner != spec.plugin
        and field.is_writable
        and not isinstance(field.type, (t.File, t.Lines))
    ]
    return {
        "person": [*(spec[name] for name in PERSON), *added],
        "place": [spec[name] for name in PLACE],
    }


def _given(uow: UnitOfWork) -> tuple[dict[str, Any], list[Problem]]:
    parts = _fields(uow.entity("user"))
    fields = [*parts["person"], *parts["place"]]
    values, problems = read_fields(input_context(uow), fields, request.form)
    return values | {"absences": _absences(uow.entity("absence"))}, problems


def _absences(spec: EntitySpec) -> list[dict[str, Any]]:
    """The lines that are not empty."""
    columns = {name: request.form.getlist(f"absence_{name}") for name in ("id", *ABSENCE)}
    lines = []
    for key, *typed in zip(*columns.values(), strict=False):
        texts = [text.strip() or None for text in typed]
        if any(texts):
            line: dict[str, Any] = dict(zip(ABSENCE, texts, strict=True))
            number = read_number(key)
            lines.append(line if number is None else line | {"id": number})
    return lines


def _form(key: int | None, values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    with unit_of_work(write=False) as uow:
        spec, tree = uow.entity("user"), department_tree(uow)
        name = get(uow, "user", key).values["name"] if key is not None else _("New person")
        more = account(uow, key) if key is not None else None
        options = {
            "department": department_options(tree),
            "departments": department_paths(tree),
            "roles": _roles(uow),
        }
        context = input_context(uow, resolve_labels(uow, reference_ids(spec, values, [values])))
        parts = {
            part: draw_controls(context, fields, values, errors, options)
            for part, fields in _fields(spec).items()
        }
    lines = [*(values.get("absences") or ()), *({} for _line in range(SPARE_LINES))]
    return render(
        "core/admin/person.html",
        key=key,
        name=name,
        version=values.get("version"),
        parts=parts,
        absences=lines,
        errors=errors,
        summary=_summary(errors, spec),
        general=errors.get("", ""),
        sent=request.form if request.method == "POST" else None,
        account=more,
    )


def _summary(errors: Mapping[str, str], spec: EntitySpec) -> list[tuple[str, str, str]]:
    """The errors with the lines of absences named by what they are."""
    named = {"password": _("Password")}
    return [
        (field, named.get(field, _("Absences") if field.startswith("absences.") else label), text)
        for field, label, text in summary(errors, spec)
    ]


def _roles(uow: UnitOfWork) -> Sequence[tuple[int, str]]:
    found = page(uow, "role", ListQuery(fields=("title",), sort="title", limit=500)).items
    return [(role["id"], role["title"]) for role in found]
