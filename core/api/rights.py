"""What a caller may do with an entity over REST, for the structure and for the document."""

from __future__ import annotations

from core.entities.scope import may
from core.entities.service import actions_of
from core.fields import ActionSpec, EntitySpec
from core.security.actor import ACTIONS, Actor
from core.work.uow import UnitOfWork

__all__ = ["allowed_actions", "allowed_verbs", "has_session", "is_limited"]


def allowed_actions(uow: UnitOfWork, spec: EntitySpec) -> frozenset[str]:
    """Those of the actions that every entity has which the actor may use on some records."""
    return frozenset(
        action for action in ACTIONS if _applies(spec, action) and may(uow, spec, action)
    )


def allowed_verbs(uow: UnitOfWork, spec: EntitySpec) -> list[ActionSpec]:
    """The entity's own verbs that the actor may use."""
    return [verb for verb in actions_of(uow, spec).values() if may(uow, spec, verb.name)]


def is_limited(actor: Actor) -> bool:
    """True for a token that does not stand for all that its person may do."""
    return actor.token_scopes is not None and "*" not in actor.token_scopes


def has_session(actor: Actor) -> bool:
    """True for somebody who signed in, rather than sent a token."""
    return actor.token_scopes is None


def _applies(spec: EntitySpec, action: str) -> bool:
    """False for what nobody does with records of the entity."""
    return {
        "create": spec.creatable,
        "update": spec.updatable,
        "delete": spec.deletable,
        "import": spec.importable,
    }.get(action, True)
