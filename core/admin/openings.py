"""For whom a module is: everybody, or some departments while it is tried out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import flash, redirect, request, url_for

from core.admin import blueprint
from core.admin.apps import what_goes_away
from core.admin.departments import department_paths, department_tree
from core.admin.display import owner_title
from core.entities.form_reading import read_fields
from core.entities.forms import summary
from core.entities.values import BadValue, check_value
from core.entities.writing import refuse
from core.errors import Invalid, NotFound, Problem
from core.fields import Choice, ChoiceField, FieldSpec, References
from core.http.presenting import draw_controls, input_context
from core.http.rendering import render
from core.http.requests import requires, runtime, unit_of_work
from core.i18n import gettext as _
from core.i18n import lazy_gettext as _l
from core.ops.opening import open_to
from core.plugins.state import read_departments, read_enabled
from core.work.uow import UnitOfWork

EVERYBODY, SOME = "everybody", "departments"
FIELDS = (
    FieldSpec(
        "who",
        ChoiceField(
            (Choice(EVERYBODY, _l("Everybody")), Choice(SOME, _l("These departments only")))
        ),
        _l("Open to"),
        required=True,
    ),
    FieldSpec(
        "departments",
        References("department"),
        _l("Departments, with all below them"),
        help=_l("Whoever is in one of them has the module. Administrators have it in any case."),
    ),
)


@blueprint.get("/apps/<name>/open")
@requires("admin")
def module_opening(name: str) -> Any:
    """For whom it is, and what it means for everybody else."""
    with unit_of_work() as uow:
        chosen = read_departments(uow.connection).get(name)
    values = {"who": EVERYBODY if chosen is None else SOME, "departments": sorted(chosen or ())}
    return _page(name, values, {})


@blueprint.post("/apps/<name>/open")
@requires("admin")
def put_module_opening(name: str) -> Any:
    """Open it to those who were chosen; it holds at once, everywhere."""
    try:
        with unit_of_work() as uow:
            chosen = _chosen(uow)
            open_to(uow, name, chosen)
    except Invalid as error:
        return _page(name, {}, error.by_field()), error.status
    title = owner_title(name)
    if chosen is None:
        flash(_("%(name)s is open to everybody.", name=title), "good")
    else:
        flash(_("%(name)s is open to these departments only.", name=title), "good")
    return redirect(url_for("admin.apps", _anchor=f"app-{name}"))


def _chosen(uow: UnitOfWork) -> list[int] | None:
    """The departments of the form; None for everybody."""
    typed, problems = read_fields(input_context(uow), FIELDS, request.form)
    values: dict[str, Any] = {}
    for field in FIELDS if not problems else ():
        try:
            values[field.name] = check_value(field.type, typed[field.name])
        except BadValue as error:
            problems.append(Problem(field.name, error.code, str(error)))
    if not problems and values["who"] is None:
        problems = [Problem("who", "required", _("Please fill this in."))]
    refuse(problems)
    return None if values["who"] == EVERYBODY else list(values["departments"] or ())


def _page(name: str, values: Mapping[str, Any], errors: Mapping[str, str]) -> str:
    plugins = runtime().plugins
    with unit_of_work(write=False) as uow:
        if name not in plugins.loaded or name not in read_enabled(uow.connection):
            raise NotFound(_("%(name)s is not switched on.", name=name[:60]))
        options = {"departments": department_paths(department_tree(uow))}
        controls = draw_controls(input_context(uow), FIELDS, values, errors, options)
        items = what_goes_away(uow, name)
    with_it = [each for each in plugins.with_dependants(name) if each != name]
    return render(
        "core/admin/opening.html",
        title=owner_title(name),
        controls=controls,
        items=items,
        with_it=[owner_title(each) for each in with_it],
        errors=summary(errors, FIELDS),
    )
