"""Why somebody can, or cannot, see or do something with a record or a field.

The verdict is that of the conditions that enforce it; the reasons are their parts, each asked for this
one record. Who administers asks about anybody; everybody else about themselves, for what they reach.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from core.entities.conditions import parse_condition
from core.entities.conditions_sql import condition_sql
from core.entities.query import get
from core.entities.scope import action_label, living, may, scope_clause
from core.entities.service import actions_of
from core.entities.writing import is_key
from core.errors import Forbidden, Invalid, NotFound, Problem
from core.i18n import gettext as _
from core.security.actor import ACTIONS, FieldAccess
from core.security.directory import load_actor
from core.security.models import User
from core.security.reasons import (
    Reason,
    field_reason,
    open_level,
    reach_reasons,
    right_reasons,
    test_row,
)

if TYPE_CHECKING:
    from core.fields import ActionSpec, EntitySpec, FieldSpec
    from core.work.uow import UnitOfWork

__all__ = ["Explanation", "Reason", "explain", "sees_record"]


@dataclass(frozen=True)
class Explanation:
    """The verdict in one sentence, and why: allowed when every reason holds."""

    allowed: bool
    sentence: str
    reasons: tuple[Reason, ...]
    #: ``hidden masked read write`` where a field was asked about.
    access: str | None = None


def explain(
    uow: UnitOfWork,
    person: int,
    entity: str,
    record_id: int | None = None,
    *,
    field: str | None = None,
    action: str = "read",
) -> Explanation:
    """Why the person may or may not do the action: on some records, on one, with a field of it.

    A record in the recycle bin counts as out of reach. Raises `Forbidden` and `NotFound` for what
    the asker may not know, `Invalid` for a field or an action that is none.
    """
    spec = uow.snapshot.installed_entities.get(entity)
    if spec is None:
        raise NotFound(_("There is no entity named %(name)s.", name=entity[:63]))
    _check_asker(uow, spec, person, record_id)
    name = uow.execute(select(User.name).where(User.id == person)).scalar_one_or_none()
    if name is None or (record_id is not None and not _exists(uow, spec, record_id)):
        raise NotFound(_("There is no such record."))
    described = _field(uow, spec, field)
    is_self = person == uow.actor.user_id
    actor = uow.actor if is_self else load_actor(uow, person)
    if actor is None:
        return _closed(_("%(name)s may not sign in.", name=name))
    if entity not in uow.entities:
        return _closed(_("The module that %(entity)s belong to is off.", entity=spec.label_plural))
    with uow.seen_by(actor):
        if entity not in uow.entities:
            module_text = _(
                "The module that %(entity)s belong to is open to other departments.",
                entity=spec.label_plural,
            )
            return _closed(module_text)
        verb = _verb(uow, spec, action)
        reasons = tuple(_reasons(uow, spec, record_id, described, action, verb))
        allowed = _verdict(uow, spec, record_id, described, action, verb)
        level = None if described is None else open_level(uow, spec, described)
    what = _what(spec, record_id, described)
    sentence = _sentence(str(name), what, action_label(spec, action), allowed, level)
    return Explanation(allowed, sentence, reasons, None if level is None else level.name.lower())


def sees_record(uow: UnitOfWork, person: int, spec: EntitySpec, record_id: int) -> bool:
    """Whether somebody may read a record: for telling them of it, whoever asks."""
    actor = load_actor(uow, person)
    if actor is None:
        return False
    with uow.seen_by(actor):
        return may(uow, spec, "read") and _is_within(uow, spec, record_id)


def _is_within(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> bool:
    clause = scope_clause(uow, spec, "read")
    return test_row(uow, spec, record_id, *([] if clause is None else [clause]))


def _check_asker(uow: UnitOfWork, spec: EntitySpec, person: int, record_id: int | None) -> None:
    if uow.actor.manages_security:
        return
    if person != uow.actor.user_id:
        raise Forbidden(_("Only administrators ask about others."))
    if record_id is not None:
        get(uow, spec.name, record_id)


def _exists(uow: UnitOfWork, spec: EntitySpec, record_id: int) -> bool:
    return is_key(record_id) and test_row(uow, spec, record_id)


def _reasons(
    uow: UnitOfWork,
    spec: EntitySpec,
    record_id: int | None,
    field: FieldSpec | None,
    action: str,
    verb: ActionSpec | None,
) -> Iterator[Reason]:
    if not _is_possible(spec, action):
        yield Reason(
            False, _("Nobody does this by hand with %(entity)s.", entity=spec.label_plural)
        )
    yield from right_reasons(uow, spec, action)
    if record_id is not None:
        yield from reach_reasons(uow, spec, record_id, action)
        if verb is not None and verb.when:
            held = _holds_when(uow, spec, record_id, verb)
            yield Reason(held, _("The action is possible for the record as it is now."))
    if field is not None:
        yield field_reason(uow, spec, field, action)


def _verdict(
    uow: UnitOfWork,
    spec: EntitySpec,
    record_id: int | None,
    field: FieldSpec | None,
    action: str,
    verb: ActionSpec | None,
) -> bool:
    """The answer of what enforces."""
    if not may(uow, spec, action) or not _is_possible(spec, action):
        return False
    if field is not None:
        level = open_level(uow, spec, field)
        writes = action in ("create", "update")
        if level < (FieldAccess.WRITE if writes else FieldAccess.MASKED):
            return False
    if record_id is None:
        return True
    clause = scope_clause(uow, spec, action)
    clauses = [*living(uow, spec), *([] if clause is None else [clause])]
    held = test_row(uow, spec, record_id, *clauses)
    if held and verb is not None and verb.when:
        held = _holds_when(uow, spec, record_id, verb)
    return held


def _is_possible(spec: EntitySpec, action: str) -> bool:
    by_hand = {"create": spec.creatable, "update": spec.updatable, "delete": spec.deletable}
    return by_hand.get(action, True)


def _holds_when(uow: UnitOfWork, spec: EntitySpec, record_id: int, verb: ActionSpec) -> bool:
    with uow.elevated():  # the condition may look at fields that its user may not see
        test = condition_sql(parse_condition(verb.when, spec, uow), spec, uow)
    return test_row(uow, spec, record_id, test)


def _verb(uow: UnitOfWork, spec: EntitySpec, action: str) -> ActionSpec | None:
    verb = actions_of(uow, spec).get(action)
    if verb is None and action not in ACTIONS:
        message = _(
            "%(entity)s have no action %(name)s.", entity=spec.label_plural, name=action[:60]
        )
        raise Invalid(message, [Problem("action", "choice", message)])
    return verb


def _field(uow: UnitOfWork, spec: EntitySpec, name: str | None) -> FieldSpec | None:
    """The field; who does not administer is not told whether there is one that is hidden."""
    if name is None:
        return None
    is_open = (
        uow.actor.manages_security or name in spec and uow.actor.access(spec).can_see(spec[name])
    )
    if name not in spec or not is_open:
        message = _("There is no field %(name)s.", name=name[:60])
        raise Invalid(message, [Problem("field", "unknown_field", message)])
    return spec[name]


# Words


def _closed(text: str) -> Explanation:
    return Explanation(False, text, (Reason(False, text),))


def _what(spec: EntitySpec, record_id: int | None, field: FieldSpec | None) -> str:
    what = str(spec.label_plural) if record_id is None else f"{spec.label} #{record_id}"
    if field is None:
        return what
    return _("the field %(field)s of %(record)s", field=str(field.label), record=what)


def _sentence(name: str, what: str, action: str, allowed: bool, level: FieldAccess | None) -> str:
    if allowed and level == FieldAccess.MASKED:
        return _("%(name)s sees %(what)s, but masked.", name=name, what=what)
    if allowed:
        return _("%(name)s may: %(action)s, %(what)s.", name=name, action=action, what=what)
    return _("%(name)s may not: %(action)s, %(what)s.", name=name, action=action, what=what)
