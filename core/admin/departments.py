"""Departments: the tree, and making, moving and removing its nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.admin.pickers import given_person, person_control
from core.entities import service
from core.entities.aggregate import aggregate
from core.entities.form_reading import read_fields
from core.entities.forms import summary
from core.entities.query import ListQuery, get, stream
from core.entities.writing import refuse
from core.errors import Invalid, Problem
from core.fields import EntitySpec, FieldSpec
from core.http.addresses import read_number
from core.http.presenting import draw_controls, input_context
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.work.uow import UnitOfWork

__all__ = ["Node", "department_options", "department_paths", "department_tree"]


@dataclass(frozen=True)
class Node:
    """One department in the order of the tree; ``people`` counts those who work in it."""

    id: int
    name: str
    depth: int
    path: str
    head: str
    people: int


def department_tree(uow: UnitOfWork) -> list[Node]:
    """All departments, each below the one above it, by name."""
    rows: list[dict[str, Any]] = []
    labels: dict[int, str] = {}
    query = ListQuery(fields=("name", "parent", "head", "path"), sort="name")
    for page in stream(uow, "department", query, action="read"):
        rows += page.items
        labels |= page.labels.get("user", {})
    known = {row["id"] for row in rows}
    below: dict[int | None, list[dict[str, Any]]] = {}
    for row in rows:
        below.setdefault(row["parent"] if row["parent"] in known else None, []).append(row)
    counts = _people(uow)

    def walk(parent: int | None, depth: int) -> Iterator[Node]:
        for row in below.get(parent, ()):
            head = labels.get(row["head"], "")
            people = counts.get(row["id"], 0)
            yield Node(row["id"], row["name"], depth, row["path"] or "", head, people)
            yield from walk(row["id"], depth + 1)

    return list(walk(None, 0))


def _people(uow: UnitOfWork) -> dict[int, int]:
    active = ListQuery(filter={"field": "is_active", "op": "eq", "value": True})
    rows = aggregate(uow, "user", ["department"], ["count"], active)
    return {row["department"]["id"]: row["count"] for row in rows if row["department"]}


def department_options(
    tree: list[Node], *, without: int | None = None
) -> Sequence[tuple[int, str]]:
    """For a select, indented; ``without`` leaves a department and all below it out."""
    return [
        (node.id, "\u2003" * node.depth + node.name)
        for node in tree
        if without is None or f"/{without}/" not in node.path
    ]


def department_paths(tree: list[Node]) -> Sequence[tuple[int, str]]:
    """For tick boxes, which show no tree: ``Sales / East``."""
    names = {node.id: node.name for node in tree}
    return [
        (node.id, " / ".join(names[int(key)] for key in node.path.split("/") if key))
        for node in tree
    ]


@blueprint.get("/departments")
@requires("admin")
def departments() -> Any:
    """The tree."""
    with unit_of_work() as uow:
        tree = department_tree(uow)
    return render("core/admin/departments.html", tree=tree)


@blueprint.get("/departments/new")
@requires("admin")
def new_department() -> Any:
    """An empty form; ``?parent=`` says below which department."""
    values = {"parent": read_number(request.args.get("parent"))}
    return _form(None, values, {})


@blueprint.post("/departments/new")
@requires("admin")
def create_department() -> Any:
    """Make a department."""
    values: dict[str, Any] = {}
    try:
        with unit_of_work() as uow:
            values, problems = _given(uow)
            refuse(problems)
            service.create(uow, "department", [values])
    except Invalid as error:
        return _form(None, values, error.by_field()), 422
    flash(_("%(name)s was made.", name=values["name"]), "good")
    return redirect(url_for("admin.departments"))


@blueprint.get("/departments/<int:key>")
@requires("admin")
def edit_department(key: int) -> Any:
    """The form of one department."""
    with unit_of_work() as uow:
        values = get(uow, "department", key).values
    return _form(key, values, {})


@blueprint.post("/departments/<int:key>")
@requires("admin")
def update_department(key: int) -> Any:
    """Rename, move, give another head."""
    values: dict[str, Any] = {}
    try:
        with unit_of_work() as uow:
            values, problems = _given(uow)
            refuse(problems)
            service.update(uow, "department", {key: values})
    except Invalid as error:
        return _form(key, values, error.by_field()), 422
    flash(_("Saved."), "good")
    return redirect(url_for("admin.departments"))


@blueprint.get("/departments/<int:key>/delete")
@requires("admin")
def confirm_delete_department(key: int) -> Any:
    """Ask before it is removed."""
    with unit_of_work() as uow:
        name = get(uow, "department", key).values["name"]
    return render(
        "core/admin/confirm.html",
        title=_("Remove the department %(name)s?", name=name),
        text=_("It is refused while people, departments or records are in it."),
        items=[],
        action=url_for("admin.delete_department", key=key),
        label=_("Remove"),
        kind="danger",
        back=url_for("admin.edit_department", key=key),
        crumb=name,
    )


@blueprint.post("/departments/<int:key>/delete")
@requires("admin")
def delete_department(key: int) -> Any:
    """Put it into the recycle bin; refused while something is in it."""
    try:
        with unit_of_work() as uow:
            service.delete(uow, "department", [key])
    except Invalid as error:
        flash(next(iter(error.by_field().values())), "bad")
        return redirect(url_for("admin.edit_department", key=key))
    flash(_("The department was removed."), "good")
    return redirect(url_for("admin.departments"))


# The form


def _fields(spec: EntitySpec) -> list[FieldSpec]:
    """What is edited as any field is: all but the head, which has a picker."""
    return [field for field in spec if field.is_writable and field.name not in ("head", "path")]


def _given(uow: UnitOfWork) -> tuple[dict[str, Any], list[Problem]]:
    fields = _fields(uow.entity("department"))
    values, problems = read_fields(input_context(uow), fields, request.form)
    return values | {"head": given_person(uow, request.form, "head")}, problems


def _form(key: int | None, values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    if errors:
        values = {**request.form, **values}
    with unit_of_work(write=False) as uow:
        spec, tree = uow.entity("department"), department_tree(uow)
        options = {"parent": department_options(tree, without=key)}
        controls = draw_controls(input_context(uow), _fields(spec), values, errors, options)
        head = person_control(uow, spec["head"], values, errors.get("head", ""))
    node = next((node for node in tree if node.id == key), None)
    return render(
        "core/admin/department.html",
        key=key,
        node=node,
        controls=[*controls, head],
        errors=summary(errors, spec),
    )
