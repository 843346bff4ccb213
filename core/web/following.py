"""Forms that follow what is filled in: which fields apply and are required, as the server judges."""

from __future__ import annotations

from typing import Any

from flask import request

from core.entities import query
from core.entities.defaults import default_of
from core.entities.form_fields import editable_fields
from core.entities.forms import form_states
from core.http.addresses import read_number
from core.http.presenting import input_context
from core.http.requests import signed_in, unit_of_work
from core.web import blueprint
from core.web.editing import require_create, require_update


@blueprint.post("/r/<entity>/follow")
@signed_in
def follow_form(entity: str) -> Any:
    """``{"fields": {name: {"applies": …, "required": …}}}`` for what the form holds; writes nothing.

    Only fields that the person may fill in or see, by rules that look at nothing hidden from them.
    """
    record_id = read_number(request.form.get("record")) or 0
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        if record_id:
            record = query.get(uow, entity, record_id)
            require_update(uow, spec, record_id)
            context, values = input_context(uow, record.labels), record.values
        else:
            require_create(uow, spec)
            context = input_context(uow)
            values = {item.name: default_of(uow, item) for item in editable_fields(uow, spec)}
        states = form_states(context, spec, values, request.form)
        shown = {item.name for item in query.visible(uow, spec)}
        fields = {
            name: {"applies": state.applies, "required": state.required}
            for name, state in states.items()
            if name in shown
        }
    return {"fields": fields}
