"""What plugins registered, checked once at boot; who breaks a rule is held back with the reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

if TYPE_CHECKING:
    from core.plugins.manager import Contribution, PluginManager

__all__ = ["check_contributions"]

Contributions = Mapping[str, "list[Contribution[Any]]"]


def check_contributions(plugins: PluginManager, found: Contributions) -> None:
    """Hold back plugins whose names lack their prefix, clash, or point at nothing."""
    for hook, check in _CHECKS.items():
        seen: set[str] = set()
        for contribution in found.get(hook, ()):
            if contribution.owner in plugins.held_back:
                continue
            with plugins.guard(contribution.owner, hook):
                check(contribution.owner, contribution.item, seen, found)


def _prefixed(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    if not (item.name == owner or item.name.startswith((f"{owner}.", f"{owner}_"))):
        raise ValueError(f"{item.name}: the name must begin with {owner}")
    _once(item.name, seen)


def _permission(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    if not item.name.startswith(f"{owner}."):  # by this it is known whose it is
        raise ValueError(f"{item.name}: the name must begin with {owner}.")
    _once(item.name, seen)


def _once(name: str, seen: set[str]) -> None:
    if name in seen:
        raise ValueError(f"{name} is registered already")
    seen.add(name)


def _event(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    from core.work.events import Event

    if not (isinstance(item, type) and issubclass(item, Event)):
        raise TypeError(f"{item!r} is not an event class")
    _prefixed(owner, item, seen, found)
    hints = get_type_hints(item)
    sample = item(**{each.name: _sample(hints[each.name]) for each in fields(item)})
    if not sample.survives_json():
        raise TypeError(f"event {item.name} does not survive JSON")


def _notification(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    _prefixed(owner, item, seen, found)
    try:
        str(item.text) % {"who": "", "record": "", "n": ""}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{item.name}: the text names something else: {error}") from None


_DOCUMENT = re.compile(r"[a-z][a-z0-9_]{0,39}")
_PLAIN: dict[Any, Any] = {int: 1, str: "a", bool: True, float: 0.5}


def _sample(hint: Any) -> Any:
    """A value of a plain type; raises `TypeError` for what JSON would not bring back."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    if get_origin(hint) is tuple:
        return tuple(_sample(part) for part in get_args(hint) if part is not Ellipsis)
    if get_origin(hint) in (Union, UnionType):
        return _sample(next(part for part in get_args(hint) if part is not NoneType))
    raise TypeError(f"an event holds texts, numbers, booleans and tuples of them, not {hint}")


def _subscriber(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    _once(f"{owner}.{item.name}", seen)
    if item.event not in {contribution.item for contribution in found["register_events"]}:
        raise ValueError(f"subscriber {item.name}: {item.event.__name__} is not registered")


def _schedule(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    _once(f"{owner}.{item.name}", seen)
    if item.job not in {contribution.item.name for contribution in found["register_jobs"]}:
        raise ValueError(f"schedule {item.name}: there is no job {item.job}")
    if (item.every is None) == (item.daily_at is None):
        raise ValueError(f"schedule {item.name}: give either every or daily_at")


def _once_in_plugin(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    _once(f"{owner}.{item.name}", seen)


def _document(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    if not _DOCUMENT.fullmatch(item.name):
        raise ValueError(f"document {item.name}: a name is lower-case letters, digits and _")
    _once(f"{item.entity}/{item.name}", seen)


_UNITS = ("percent", "days", "count", "amount")


def _measure(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    _permission(owner, item, seen, found)
    if item.unit not in _UNITS:
        raise ValueError(f"measure {item.name}: its unit is one of {', '.join(_UNITS)}")


def _blueprint(owner: str, item: Any, seen: set[str], found: Contributions) -> None:
    if item.name != owner and not item.name.startswith(f"{owner}_"):
        raise ValueError(f"blueprint {item.name}: the name must begin with {owner}")
    _once(item.name, seen)


_CHECKS: dict[str, Callable[[str, Any, set[str], Contributions], None]] = {
    "register_permissions": _permission,
    "register_settings": _prefixed,
    "register_jobs": _prefixed,
    "register_events": _event,
    "register_subscribers": _subscriber,
    "register_schedules": _schedule,
    "register_blueprints": _blueprint,
    "register_notifications": _notification,
    "register_timeline": _once_in_plugin,
    "register_documents": _document,
    "register_goal_measures": _measure,
    "register_demo": _once_in_plugin,
    "register_commands": _once_in_plugin,
}
