"""What is done with one record or with many: delete, restore, verbs of the business, bulk edit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import redirect, request, url_for
from werkzeug.datastructures import MultiDict

from core.entities import query, service
from core.entities.bulk import act_undoably
from core.entities.defaults import default_of
from core.entities.forms import Control, control_for
from core.entities.inputs import InputContext, from_input, is_given, read_input, to_input
from core.entities.labels import resolve_labels
from core.entities.purging import purge, require_purge
from core.entities.schema import to_json
from core.entities.scope import require
from core.entities.values import BadValue
from core.errors import Invalid, NotFound, Problem, Refused
from core.fields import ActionSpec, EntitySpec, FieldSpec
from core.fields import types as t
from core.http.addresses import read_number, undo_url
from core.http.presenting import input_context, tell
from core.http.rendering import render
from core.http.requests import requires, signed_in, unit_of_work
from core.i18n import gettext as _
from core.i18n import ngettext
from core.web import blueprint
from core.web.bulk import Chosen, chosen_records, run_bulk
from core.web.list_page import own_page
from core.web.uploads import keep_param_uploads
from core.work.uow import UnitOfWork

#: As many as fit on a few pages: more is the work of an import or an automation.
MAX_RECORDS = 1000
#: As many as an address can name; a page that takes fewer says so.
_MOST_IN_ADDRESS = 50


@blueprint.post("/r/<entity>/delete")
@signed_in
def delete_records(entity: str) -> Any:
    """Put records into the recycle bin; the message that follows offers to take it back.

    What may be seen but not deleted stays, and so does what is gone meanwhile: the message says so.
    All that a list finds goes once it is confirmed.
    """
    if request.form.get("all") == "1":
        return _delete_all(entity)
    ids = _ids()
    try:
        with unit_of_work() as uow:
            spec = uow.entity(entity)
            require(uow, spec, "delete")
            going = _reached(uow, entity, ids, "delete")
            seen = _reached(uow, entity, ids, "read") if len(going) < len(ids) else going
            if going or not seen:
                service.delete(uow, entity, going or ids)
    except (Invalid, Refused) as error:
        tell(reason_of(error), "bad")
        return redirect(_back(spec, single=ids), 303)
    _tell_deleted(entity, ids, going, seen)
    return redirect(_back(spec, deleted=going, single=ids), 303)


def _delete_all(entity: str) -> Any:
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        require(uow, spec, "delete")
        if "confirmed" not in request.form:
            chosen = chosen_records(uow, spec)
            return _ask(
                spec,
                chosen.pairs,
                chosen.count(uow, spec),
                title=_("Delete"),
                text=_("They go into the recycle bin. This can be undone for seven days."),
                tone="bad",
                action=url_for("web.delete_records", entity=entity),
            )
    return run_bulk(entity, {"kind": "delete"}, _back(spec))


def _ask(
    spec: EntitySpec,
    pairs: Sequence[tuple[str, str]],
    number: int,
    *,
    title: str,
    text: str,
    tone: str,
    action: str,
    names: Sequence[str] = (),
    controls: Sequence[Control] = (),
    errors: Sequence[tuple[str, str, str]] = (),
    message: str = "",
) -> str:
    """The page that asks before something is done."""
    return render(
        "core/records/act.html",
        spec=spec,
        title=title,
        text=text,
        tone=tone,
        names=list(names),
        pairs=pairs,
        number=number,
        context_controls=controls,
        errors=errors,
        message=message,
        action=action,
        back=_back(spec),
    )


def _reached(uow: UnitOfWork, entity: str, ids: Sequence[int], action: str) -> list[int]:
    """Those of the records that the actor reaches with ``action``, in their order."""
    wanted = query.ListQuery(filter={"field": "id", "op": "in", "value": list(ids)})
    found = set(query.select_ids(uow, entity, wanted, action=action, limit=MAX_RECORDS))
    return [key for key in ids if key in found]


def _tell_deleted(
    entity: str, ids: Sequence[int], gone: Sequence[int], seen: Sequence[int]
) -> None:
    """How many went, and why the others did not."""
    if gone:
        undo = url_for("web.restore_records", entity=entity, ids=gone) if len(gone) <= 100 else ""
        tell(ngettext("%(n)s record deleted.", "%(n)s records deleted.", len(gone)), undo_url=undo)
    if kept := len(seen) - len(gone):
        text = ngettext(
            "%(n)s record stays: you may see it, but not delete it.",
            "%(n)s records stay: you may see them, but not delete them.",
            kept,
        )
        tell(text, "warn")
    if missing := len(ids) - len(seen):
        tell(
            ngettext("%(n)s record was gone already.", "%(n)s records were gone already.", missing),
            "warn",
        )


def reason_of(error: Invalid | Refused) -> str:
    """What was wrong, as one message: that of the first problem says more than the whole's."""
    return error.problems[0].message if error.problems else error.message


@blueprint.post("/r/<entity>/restore")
@signed_in
def restore_records(entity: str) -> Any:
    """Take records out of the recycle bin."""
    with unit_of_work() as uow:
        spec = uow.entity(entity)
        ids = _ids()
        service.restore(uow, entity, ids)
    if ids:
        tell(ngettext("%(n)s record restored.", "%(n)s records restored.", len(ids)))
    if len(ids) == 1 and "bin" not in request.form:
        return redirect(url_for("web.show_record", entity=entity, record_id=ids[0]), 303)
    return redirect(_back(spec), 303)


@blueprint.post("/r/<entity>/purge")
@requires("admin")
def purge_records(entity: str) -> Any:
    """Remove records from the recycle bin for good, once it is confirmed; for administrators."""
    ids = _ids()
    with unit_of_work(write="confirmed" in request.form) as uow:
        spec = uow.entity(entity)
        require_purge(uow, spec)
        if not ids:
            tell(_("Choose at least one record."), "warn")
        elif "confirmed" not in request.form:
            return _ask(
                spec,
                _pairs(ids),
                len(ids),
                title=_("Remove for good"),
                text=_(
                    "Nobody can get them back, but from a backup. Their lines and files go too."
                ),
                tone="bad",
                action=url_for("web.purge_records", entity=entity),
            )
        gone = purge(uow, entity, ids) if ids else []
    if gone:
        tell(ngettext("%(n)s record is gone.", "%(n)s records are gone.", len(gone)))
    if kept := len(ids) - len(gone):
        text = ngettext(
            "%(n)s record stays: others name it.", "%(n)s records stay: others name them.", kept
        )
        tell(text, "warn")
    return redirect(_back(spec), 303)


def _ids() -> list[int]:
    sent = request.values.getlist("ids")
    found = [key for text in sent if (key := read_number(text)) is not None]
    if len(found) > MAX_RECORDS:
        raise Invalid(_("At most %(n)s records at a time.", n=MAX_RECORDS))
    return list(dict.fromkeys(found))


def _back(spec: EntitySpec, deleted: Sequence[int] = (), single: Sequence[int] = ()) -> str:
    """Where the reader came from: said by the form, else the page of the ``single`` record."""
    given = request.form.get("back")
    if not given and len(single) == 1:
        given = url_for("web.show_record", entity=spec.name, record_id=single[0])
    target = own_page(given, spec)
    gone = {url_for("web.show_record", entity=spec.name, record_id=key) for key in deleted}
    return url_for("web.list_records", entity=spec.name) if target in gone else target


# Verbs


@blueprint.post("/r/<entity>/actions/<action>")
@signed_in
def act_on_records(entity: str, action: str) -> Any:
    """Use a verb; one that asks for something or for a confirmation shows its page first."""
    with unit_of_work(write=False) as uow:
        spec, verb = _verb(uow, entity, action)
        chosen = chosen_records(uow, spec)
        if not chosen.pairs:
            tell(_("Choose at least one record."), "warn")
            return redirect(_back(spec), 303)
        if _has_page(verb, chosen):
            back = _back(spec, single=chosen.ids)
            some = chosen.ids[:_MOST_IN_ADDRESS]
            return redirect(url_for(verb.page, entity=entity, ids=some, back=back), 303)
        asks = bool(verb.params or str(verb.confirm)) or chosen.found is not None
        if asks and "confirmed" not in request.form:
            return _verb_page(uow, spec, verb, chosen, MultiDict(request.form))
    form, refused = _received(verb)
    try:
        if chosen.found is not None:
            return _act_on_all(entity, action, form, refused)
        with unit_of_work() as uow:
            spec, verb = _verb(uow, entity, action)
            params = _params(input_context(uow), verb.params, form, refused)
            key = act_undoably(uow, spec, verb, chosen.ids, params)
    except (Invalid, Refused) as error:
        with unit_of_work(write=False) as uow:
            if asks:
                return _verb_page(uow, spec, verb, chosen, form, error), error.status
        tell(error.message, "bad")
        return redirect(_after_act(entity, chosen.ids, spec), 303)
    undo = undo_url(entity, key, _back(spec, single=chosen.ids))
    tell(_("%(action)s: done.", action=str(verb.label)), undo_url=undo)
    return redirect(_after_act(entity, chosen.ids, spec), 303)


def _has_page(verb: ActionSpec, chosen: Chosen) -> bool:
    """Whether the verb's own page asks for what it needs, and has not done so yet."""
    if not verb.page or not verb.page_takes:
        return bool(verb.page)
    few = chosen.found is None and len(chosen.ids) <= verb.page_takes
    return few and "confirmed" not in request.form


def _act_on_all(
    entity: str, action: str, form: MultiDict[str, str], refused: Sequence[Problem]
) -> Any:
    """Use the verb on all that the list finds, as a job: what it asked for is kept as JSON."""
    with unit_of_work(write=False) as uow:
        spec, verb = _verb(uow, entity, action)
        params = _params(input_context(uow), verb.params, form, refused)
        plain = {
            item.name: value if isinstance(item.type, t.Reference) else to_json(item.type, value)
            for item in verb.params
            if (value := params.get(item.name)) is not None
        }
    act = {"kind": "act", "name": action, "params": plain}
    return run_bulk(entity, act, _back(spec))


def _received(verb: ActionSpec) -> tuple[MultiDict[str, str], list[Problem]]:
    """What was sent, its files stored in a transaction of their own: an error elsewhere keeps them."""
    if not any(sent.filename for sent in request.files.values()):
        return MultiDict(request.form), []
    with unit_of_work() as uow:
        return keep_param_uploads(uow, verb.params)


def _after_act(entity: str, ids: Sequence[int], spec: EntitySpec) -> str:
    """Back to where one came from; to the list when the record is out of reach by now."""
    back = _back(spec)
    if len(ids) == 1 and back == url_for("web.show_record", entity=entity, record_id=ids[0]):
        with unit_of_work(write=False) as uow:
            try:
                query.get(uow, entity, ids[0])
            except NotFound:
                return url_for("web.list_records", entity=entity)
    return back


def _verb(uow: UnitOfWork, entity: str, action: str) -> tuple[EntitySpec, ActionSpec]:
    spec = uow.entity(entity)
    verb = service.actions_of(uow, spec).get(action)
    if verb is None:
        raise NotFound(_("There is no such page."))
    require(uow, spec, action)
    return spec, verb


def _verb_page(
    uow: UnitOfWork,
    spec: EntitySpec,
    verb: ActionSpec,
    chosen: Chosen,
    form: MultiDict[str, str],
    error: Invalid | Refused | None = None,
) -> str:
    context = input_context(uow)
    problems = {problem.field: problem.message for problem in error.problems} if error else {}
    controls = []
    for item in verb.params:
        name = f"param.{item.name}"
        raw = (
            read_input(item.type, form, name)
            if is_given(item.type, form, name)
            else to_input(item.type, default_of(uow, item), context)
        )
        controls.append(
            control_for(context, item, raw, name=name, error=problems.pop(item.name, ""))
        )
    return _ask(
        spec,
        chosen.pairs,
        chosen.count(uow, spec),
        title=str(verb.label),
        text=str(verb.confirm),
        tone=verb.tone,
        names=_names(uow, spec, chosen.ids) if chosen.found is None else (),
        controls=controls,
        errors=_listed(controls),
        message=error.message if error and (problems or not error.problems) else "",
        action=url_for("web.act_on_records", entity=spec.name, action=verb.name),
    )


def ask_again(entity: str, action: str, form: MultiDict[str, str], error: Invalid | Refused) -> str:
    """The page that asks what a verb refused to do without, with what was given already."""
    with unit_of_work(write=False) as uow:
        spec, verb = _verb(uow, entity, action)
        for (
            item
        ) in verb.params:  # a card was dropped: of its column the number was sent, not the name
            key = read_number(form.get(f"param.{item.name}"))
            if isinstance(item.type, t.Reference) and key is not None:
                target = item.type.entity
                context = input_context(uow, resolve_labels(uow, {target: {key}}))
                _key, form[f"param.{item.name}__label"] = to_input(item.type, key, context)
        return _verb_page(uow, spec, verb, chosen_records(uow, spec), form, error)


def _pairs(ids: Sequence[int]) -> list[tuple[str, str]]:
    return [("ids", str(key)) for key in ids]


def _names(uow: UnitOfWork, spec: EntitySpec, ids: Sequence[int]) -> list[str]:
    """What the first few chosen records are called, as far as the reader may see them."""
    labels = resolve_labels(uow, {spec.name: set(ids[:5])}).get(spec.name, {})
    return [labels[key] for key in ids[:5] if key in labels]


def _listed(controls: Sequence[Control]) -> list[tuple[str, str, str]]:
    return [(each.name, each.label, each.error) for each in controls if each.error]


def _params(
    context: InputContext,
    fields: Sequence[FieldSpec],
    form: MultiDict[str, str],
    refused: Sequence[Problem],
) -> Mapping[str, Any]:
    values: dict[str, Any] = {}
    problems = list(refused)
    for item in fields:
        name = f"param.{item.name}"
        if not is_given(item.type, form, name):
            continue
        try:
            values[item.name] = from_input(item.type, read_input(item.type, form, name), context)
        except BadValue as error:
            problems.append(Problem(item.name, error.code, str(error)))
    if problems:
        raise Invalid(_("Please correct what is marked."), problems)
    return values
