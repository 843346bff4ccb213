"""S-049: the answers to one template as a table, a column for each of its prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from flask import url_for

from core.entities import query
from core.entities.query import ListQuery
from core.entities.rendering import Reader, display_html, display_text
from core.errors import Forbidden
from core.http.addresses import record_url
from core.i18n import gettext as _
from core.i18n.formats import format_number
from plugins.activities.periods import DEFAULT, period_tabs, valid_period
from plugins.activities.prompts import Prompt, Template, answers_of, in_words, templates_of

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = ["page_of"]

#: The latest of a period; all of them are in the export.
_SHOWN = 200
_ABOUT = ("happened_at", "owner", "related_id")


def page_of(uow: UnitOfWork, sent: Mapping[str, str]) -> dict[str, Any]:
    """What the page shows: follow-ups in rows, as far as the reader may see them and their answers."""
    told, answer = uow.entity("follow_up"), uow.entity("follow_up_answer")
    templates = uow.actor.access(uow.entity("follow_up_template")).may("read")
    if not templates or not uow.actor.access(told).may("read"):
        raise Forbidden(_("You do not have the right to do this."))
    period = valid_period(sent.get("period", DEFAULT))
    known = templates_of(uow)
    template = _chosen(known, sent.get("template", ""))
    context: dict[str, Any] = {
        "tabs": period_tabs("activities.answers", period, sent),
        "period": period,
        "templates": [(str(each.id), each.name) for each in known.values()],
        "template": str(template.id) if template else "",
        "rows": [],
        "export_url": "",
    }
    if template is None:
        return context
    access = uow.actor.access(told)
    fields = tuple(name for name in _ABOUT if access.can_see(told[name]))
    condition = {
        "all": [
            {"field": "template", "op": "eq", "value": template.id},
            {"field": "happened_at", "op": "within", "value": period},
        ]
    }
    asked = ListQuery(fields=fields, filter=condition, sort="-happened_at", limit=_SHOWN)
    found = query.page(uow, "follow_up", asked)
    answers = answers_of(uow, [row["id"] for row in found.items])
    reader = Reader(uow.clock.timezone, labels=found.labels, address=record_url, in_cell=True)
    context["columns"] = [
        *({"label": str(told[name].label), "kind": "text"} for name in fields),
        *({"label": prompt.label, "kind": _kind(prompt)} for prompt in template.prompts),
    ]
    if context["columns"]:
        context["columns"][0]["kind"] = "primary"
    context["rows"] = [
        {
            "id": row["id"],
            "url": record_url("follow_up", row["id"]),
            "cells": [
                *_facts(told, fields, row, reader),
                *_said(template.prompts, answers.get(row["id"], {})),
            ],
        }
        for row in found.items
    ]
    context["totals"] = _totals(len(fields), template.prompts, answers) if found.items else None
    if uow.actor.access(answer).may("export"):
        context["export_url"] = _export_url(template)
    return context


def _chosen(known: Mapping[int, Template], text: str) -> Template | None:
    if text.isdecimal() and len(text) < 18 and int(text) in known:
        return known[int(text)]
    return next(iter(known.values()), None)


def _kind(prompt: Prompt) -> str:
    return {"number": "number", "date": "date"}.get(prompt.kind, "text")


def _facts(spec: Any, fields: Sequence[str], row: Mapping[str, Any], reader: Reader) -> list[Any]:
    if not fields:
        return []
    first, *others = fields
    return [
        display_text(spec[first].type, row[first], reader, row),
        *(display_html(spec[name].type, row[name], reader, row) for name in others),
    ]


def _said(prompts: Sequence[Prompt], answers: Mapping[int, Mapping[str, Any]]) -> list[str]:
    return [
        in_words(prompt.kind, answers[prompt.id]["answer"]) if prompt.id in answers else ""
        for prompt in prompts
    ]


def _totals(
    before: int, prompts: Sequence[Prompt], answers: Mapping[int, Mapping[int, Mapping[str, Any]]]
) -> list[str] | None:
    """Sums of what is answered by numbers; None where nothing is."""
    if not any(prompt.kind == "number" for prompt in prompts):
        return None
    cells = [_("Together"), *([""] * (before - 1))][:before]
    for prompt in prompts:
        numbers = [
            Decimal(given[prompt.id]["number"])
            for given in answers.values()
            if prompt.id in given and given[prompt.id]["number"] is not None
        ]
        total = format_number(sum(numbers, Decimal()).normalize()) if numbers else ""
        cells.append(total if prompt.kind == "number" else "")
    return cells


def _export_url(template: Template) -> str:
    ids = [prompt.id for prompt in template.prompts]
    asked = json.dumps({"field": "prompt", "op": "in", "value": ids})
    return url_for("web.export_records", entity="follow_up_answer", filter=asked)
