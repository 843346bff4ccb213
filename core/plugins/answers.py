"""What each hook may return; anything else is the plugin's mistake and says so."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any

__all__ = ["check_answer"]

#: Hooks that return any number of items, and the class of the items (imported when first needed).
ITEMS = {
    "register_entities": "core.fields:EntityDef",
    "register_entity_extensions": "core.plugins.contributions:EntityExtension",
    "register_permissions": "core.plugins.contributions:Permission",
    "register_roles": "core.plugins.contributions:RoleTemplate",
    "register_blueprints": "flask:Blueprint",
    "register_navigation": "core.plugins.contributions:NavItem",
    "register_slots": "core.plugins.contributions:SlotFill",
    "register_settings": "core.plugins.contributions:SettingsGroup",
    "register_events": "builtins:type",
    "register_subscribers": "core.plugins.contributions:Subscriber",
    "register_jobs": "core.plugins.contributions:Job",
    "register_schedules": "core.plugins.contributions:Schedule",
    "register_notifications": "core.plugins.contributions:NotificationKind",
    "register_timeline": "core.plugins.contributions:TimelineSource",
    "register_documents": "core.plugins.contributions:DocumentTemplate",
    "register_goal_measures": "core.plugins.contributions:GoalMeasure",
    "register_commands": "click:Command",
    "register_demo": "core.plugins.contributions:DemoStep",
    "validate_changes": "core.errors:Problem",
    "request_consent": "builtins:int",
    "adjust_form": "core.entities.edits:FormEdit",
    "adjust_list": "core.entities.edits:ListEdit",
    "record_actions": "core.fields:ActionSpec",
}
#: Hooks that return one value or None.
VALUES = {
    "authenticate": "builtins:int",
    "check_permission": "builtins:bool",
    "scope_query": "sqlalchemy:ColumnElement",
    "resolve_theme": "builtins:str",
}


def check_answer(hook: str, answer: Any) -> Any:
    """The answer, a list for hooks that return items; None where there is none.

    Iterates what was returned, so that a generator fails here, where its plugin is known.
    Raises `TypeError` naming what was returned and what was expected.
    """
    if answer is None:
        return [] if hook in ITEMS else None
    if hook in ITEMS:
        return _items(hook, answer)
    expected = _class(VALUES[hook]) if hook in VALUES else None
    if expected is None:
        raise TypeError(f"{hook} returned {_name(answer)}; it returns nothing")
    if not isinstance(answer, expected) or (expected is int and isinstance(answer, bool)):
        raise TypeError(f"{hook} returned {_name(answer)}, not {expected.__name__} or None")
    return answer


def _items(hook: str, answer: Any) -> list[Any]:
    expected = _class(ITEMS[hook])
    if isinstance(answer, (str, bytes)) or not hasattr(answer, "__iter__"):
        raise TypeError(f"{hook} returned {_name(answer)}, not a list of {expected.__name__}")
    items = list(answer)
    for item in items:
        if not isinstance(item, expected):
            raise TypeError(f"{hook} returned a list with {_name(item)}, not {expected.__name__}")
    return items


@cache
def _class(path: str) -> type[Any]:
    module, _colon, name = path.partition(":")
    found: type[Any] = getattr(import_module(module), name)
    return found


def _name(value: Any) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__
