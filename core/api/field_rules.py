"""Rules of fields over REST: what a company asks beyond the declarations, set and weighed."""

from __future__ import annotations

from flask import Response

from core.api import blueprint
from core.api.answers import answer
from core.api.operations import operation
from core.api.requests import arguments, json_body
from core.api.rule_shapes import BREACH, RULES
from core.api.shapes import TEXT, listing, object_of
from core.api.structure import FIELD, described_field
from core.customize.rules import read_rules
from core.customize.ruling import breaches, ruled_field, set_rules
from core.entities.field_rules import open_rules
from core.entities.rule_words import rule_sentences
from core.http.requests import requires, unit_of_work
from core.i18n import lazy_gettext as _l

WEIGHED = object_of(rules=RULES, told=listing(TEXT), breaches=listing(BREACH))
_PLACE = "/v1/schema/entities/<entity>/fields/<field>/rules"


@blueprint.put(_PLACE)
@requires("admin")
@operation(
    _l("Set the rules of a field"),
    "schema",
    body=RULES,
    answer=FIELD,
    errors=(403, 404, 409, 422),
)
def put_rules(entity: str, field: str) -> Response:
    """The whole of them: what the body leaves out is asked no longer."""
    arguments()
    body = json_body()
    with unit_of_work() as uow:
        found = set_rules(uow, entity, field, body)
        rules = open_rules(uow, uow.entity(entity), found)
        return answer(described_field(found, rules=rules))


@blueprint.post(f"{_PLACE}/check")
@requires("admin")
@operation(
    _l("Weigh rules of a field"), "schema", body=RULES, answer=WEIGHED, errors=(403, 404, 422)
)
def check_rules(entity: str, field: str) -> Response:
    """What they would come to, and how many records do not keep them as they are; writes nothing."""
    arguments()
    body = json_body()
    with unit_of_work(write=False) as uow:
        spec = uow.entity(entity)
        item = ruled_field(spec, field)
        rules = read_rules(uow, spec, item, body)
        found = [
            {"rule": each.rule, "count": each.count, "ids": list(each.ids)}
            for each in breaches(uow, spec, item, rules)
        ]
        told = rule_sentences(uow, spec, item, rules)
        return answer({"rules": dict(rules.source), "told": told, "breaches": found})
