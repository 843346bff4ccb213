"""Why somebody can, or cannot, see or do something: the question, and the answer as a calm list."""

from __future__ import annotations

from typing import Any

from flask import request, url_for

from core.admin import blueprint
from core.admin.pickers import find_person, person_name
from core.admin.role_matrix import granted_entities
from core.entities.labels import resolve_labels
from core.entities.scope import action_label
from core.entities.service import actions_of
from core.entities.suggest import find_by_words
from core.errors import Refusal
from core.fields import EntitySpec
from core.http.addresses import read_number
from core.http.presenting import reader_of
from core.http.rendering import render
from core.http.requests import requires, unit_of_work
from core.i18n import gettext as _
from core.security.actor import ACTIONS
from core.security.explain import Explanation, explain
from core.work.uow import UnitOfWork


@blueprint.get("/explain")
@requires("admin")
def explain_access() -> Any:
    """The form with what the address holds, and the answer when it is complete."""
    given = {name: request.args.get(name, "").strip()[:254] for name in
             ("person", "person__label", "entity", "id", "id__label", "field", "action")}  # fmt: skip
    with unit_of_work() as uow:
        spec = uow.snapshot.entities.get(given["entity"])
        person, problem = _person(uow, given)
        record, unclear = _record(uow, spec, given)
        problem = problem or unclear
        answer: Explanation | None = None
        if spec is not None and person is not None and not problem:
            try:
                answer = _answer(uow, person, spec, record, given)
            except Refusal as error:
                problem = error.message
        return render(
            "core/admin/explain.html",
            given=given,
            person=person,
            person_name=person_name(uow, person) if person is not None else given["person__label"],
            suggest_url=url_for("admin.suggest_people"),
            record=record,
            record_name=_named(uow, spec, record) or given["id__label"],
            record_suggest_url=url_for("web.suggest", entity=spec.name) if spec else "",
            entities=[
                (each.name, str(each.label_plural)) for each in granted_entities(uow.snapshot)
            ],
            fields=_fields(spec),
            actions=_actions(uow, spec),
            answer=answer,
            problem=problem,
            record_url=_record_url(spec, record) if answer is not None else "",
        )


def _person(uow: UnitOfWork, given: dict[str, str]) -> tuple[int | None, str]:
    try:
        return find_person(uow, given["person"], given["person__label"]), ""
    except LookupError:
        return None, _("Nobody, or more than one person, is called that.")


def _record(
    uow: UnitOfWork, spec: EntitySpec | None, given: dict[str, str]
) -> tuple[int | None, str]:
    """The record chosen, else the one that a number or name means that was typed."""
    typed = given["id__label"]
    chosen = _number(given["id"])
    # Without scripts another name may have been typed over that of the one chosen.
    if spec is None or not typed or (chosen is not None and typed == _named(uow, spec, chosen)):
        return chosen, ""
    if (number := _number(typed)) is not None:
        return number, ""
    found = find_by_words(uow, spec, typed, reader_of(uow))
    if len(found) != 1:
        return None, _("No record, or more than one, is called that.")
    return found[0], ""


def _number(text: str) -> int | None:
    return read_number(text.lstrip("#"))


def _named(uow: UnitOfWork, spec: EntitySpec | None, record: int | None) -> str:
    """What the field shows for a record; one that is deleted or gone is its number."""
    if spec is None or record is None:
        return ""
    return resolve_labels(uow, {spec.name: {record}}).get(spec.name, {}).get(record, f"#{record}")


def _answer(
    uow: UnitOfWork, person: int, spec: EntitySpec, record: int | None, given: dict[str, str]
) -> Explanation:
    return explain(
        uow,
        person,
        spec.name,
        record,
        field=given["field"] if given["field"] in spec else None,
        action=given["action"] or "read",
    )


def _fields(spec: EntitySpec | None) -> list[tuple[str, str]]:
    return [] if spec is None else [(each.name, str(each.label)) for each in spec]


def _actions(uow: UnitOfWork, spec: EntitySpec | None) -> list[tuple[str, str]]:
    names = [*ACTIONS, *(actions_of(uow, spec) if spec is not None else ())]
    return [(name, action_label(spec, name)) for name in names]


def _record_url(spec: EntitySpec | None, record: int | None) -> str:
    if spec is None or record is None:
        return ""
    return url_for("web.show_record", entity=spec.name, record_id=record)
