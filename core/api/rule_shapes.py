"""JSON Schemas of the rules of fields."""

from __future__ import annotations

from core.api.shapes import TEXT, listing, object_of
from core.customize.rules import TONES, UNSEEN
from core.entities.patterns import PATTERNS

__all__ = ["BREACH", "RULES"]

_YES: dict[str, object] = {"type": "boolean"}
_NUMBER = {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}]}
_LENGTH = {"type": "integer", "minimum": 1}
_CONDITION = {"type": "object", "description": "Like a filter of a list."}
_MESSAGE = {"type": "string", "maxLength": 200}
_BY_LANGUAGE = object_of(optional={"zh_CN": _MESSAGE, "en": _MESSAGE})
_GROUP = object_of(
    label={"anyOf": [_MESSAGE, _BY_LANGUAGE]},
    words=listing({"type": "string", "minLength": 1}),
    optional={"tone": {"type": "string", "enum": list(TONES)}, "single": _YES},
)
_CHOICE = {
    "anyOf": [
        {"type": "string", "minLength": 1, "maxLength": 64},
        object_of(
            value={"type": "string", "minLength": 1, "maxLength": 64},
            optional={"label": {"anyOf": [_MESSAGE, _BY_LANGUAGE]}, "retired": _YES},
        ),
    ]
}
#: Rules as they are given and shown; what is left out asks nothing.
RULES = object_of(
    optional={
        "required": _YES,
        "required_when": _CONDITION,
        "visible_when": _CONDITION,
        "validation": {"type": "string", "maxLength": 4000},
        "message": {"anyOf": [_MESSAGE, _BY_LANGUAGE]},
        "default": {},
        "unique": _YES,
        "minimum": _NUMBER,
        "maximum": _NUMBER,
        "min_length": _LENGTH,
        "max_length": _LENGTH,
        "pattern": {"type": "string", "enum": list(PATTERNS)},
        "groups": listing(_GROUP),
        "only_groups": _YES,
        "choices": listing(_CHOICE),
        "unseen": {"type": "string", "enum": list(UNSEEN)},
    }
)
BREACH = object_of(rule=TEXT, count={"type": "integer"}, ids=listing({"type": "integer"}))
