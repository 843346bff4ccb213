"""Signing in step by step: the password, then a code, a second factor to set up, or a new password.

Until all that is asked for was given there is no session, only a row that grants nothing. It ends
after some minutes, and with another password or address of the person.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import delete, insert, select, update

from core.errors import NotFound, Refused
from core.i18n import gettext as _
from core.security.authentication import (
    NewSession,
    Proof,
    accept,
    open_session,
    prove_code,
    revoke_session,
)
from core.security.credentials import account_version, change_is_due, set_password
from core.security.directory import load_actor
from core.security.models import sign_in_step_table
from core.security.second_factor import (
    begin_set_up,
    confirm_set_up,
    is_required,
    second_factor_of,
)

if TYPE_CHECKING:
    from core.security.actor import Actor
    from core.security.authentication import Begin
    from core.security.devices import Browser
    from core.work.uow import UnitOfWork

__all__ = [
    "NewStep",
    "OpenStep",
    "StepOver",
    "choose_password",
    "give_code",
    "give_first_code",
    "read_step",
    "sign_in",
]

LASTS = timedelta(minutes=10)


class StepOver(Refused):
    """The half-done sign-in is over; one begins again with the password."""

    def __init__(self) -> None:
        super().__init__(_("That took too long. Please sign in again."))


@dataclass(frozen=True)
class NewStep:
    """A half-done sign-in; ``token`` goes into a cookie of its own and nowhere else."""

    token: str = field(repr=False)
    user_id: int
    expires_at: datetime


@dataclass(frozen=True)
class OpenStep:
    """Whose sign-in is half done, and what comes next: ``code``, ``set_up`` or ``password``."""

    digest: str
    actor: Actor
    missing: str | None
    instead_of: int | None


def sign_in(
    uow: UnitOfWork, proof: Proof, browser: Browser, *, instead_of: int | None = None
) -> NewSession | NewStep:
    """A session, or a step towards one while something else is asked for.

    The session that the browser had before (``instead_of``) ends with the new one. Raises
    `SignInRefused` when the password was changed since it was proven.
    """
    actor = accept(uow, proof)
    missing = _missing(uow, actor, is_proven=False)
    if missing is None:
        if instead_of is not None:
            revoke_session(uow, instead_of)
        return open_session(uow, actor, browser)
    if missing == "set_up":
        begin_set_up(uow, proof.user_id)
    token, expires = secrets.token_urlsafe(32), uow.now() + LASTS
    uow.execute(
        insert(sign_in_step_table).values(
            token_hash=_hash(token),
            user_id=proof.user_id,
            version=account_version(uow, proof.user_id),
            instead_of=instead_of,
            expires_at=expires,
        )
    )
    return NewStep(token, proof.user_id, expires)


def read_step(uow: UnitOfWork, token: str) -> OpenStep | None:
    """The half-done sign-in of a cookie; None when it is over or unknown."""
    table = sign_in_step_table
    row = uow.execute(select(table).where(table.c.token_hash == _hash(token))).one_or_none()
    if row is None or uow.now() >= row.expires_at:
        return None
    actor = load_actor(uow, row.user_id)
    if actor is None or account_version(uow, row.user_id) != row.version:
        return None
    missing = _missing(uow, actor, is_proven=row.is_proven)
    return OpenStep(row.token_hash, actor, missing, row.instead_of)


def give_code(begin: Begin, token: str, code: str, browser: Browser) -> NewSession | None:
    """Prove the second factor: the session, or None while something is still asked for.

    Raises `SignInRefused` for a wrong code, `StepOver`.
    """
    with begin(True) as uow:
        step = _require(uow, token, "code")
    assert step.actor.user_id is not None
    prove_code(begin, step.actor.user_id, code, address=browser.address)
    with begin(True) as uow:
        return _go_on(uow, _require(uow, token, "code"), browser)


def give_first_code(
    uow: UnitOfWork, token: str, code: str, browser: Browser
) -> tuple[list[str], NewSession | None] | None:
    """Set up the second factor on the way in: its recovery codes and the session, as for `give_code`.

    None when the code is wrong. Raises `StepOver`.
    """
    step = _require(uow, token, "set_up")
    assert step.actor.user_id is not None
    codes = confirm_set_up(uow, step.actor.user_id, code)
    return None if codes is None else (codes, _go_on(uow, step, browser))


def choose_password(uow: UnitOfWork, token: str, password: str, browser: Browser) -> NewSession:
    """Set another password on the way in. Raises `Invalid` for a weak one, `StepOver`."""
    step = _require(uow, token, "password")
    actor = step.actor
    assert actor.user_id is not None
    set_password(uow, actor.user_id, password, email=actor.email, name=actor.name)
    return _finish(uow, step, browser)


def _missing(uow: UnitOfWork, actor: Actor, *, is_proven: bool) -> str | None:
    """What is asked for next. The new password comes last, when it is sure who chooses it."""
    assert actor.user_id is not None
    if not is_proven:
        if second_factor_of(uow, actor.user_id) is not None:
            return "code"
        if is_required(uow, actor):
            return "set_up"
    return "password" if change_is_due(uow, actor.user_id) else None


def _require(uow: UnitOfWork, token: str, missing: str) -> OpenStep:
    """The step, which must ask for just that; its person acts from here on."""
    step = read_step(uow, token)
    if step is None:
        raise StepOver()
    if step.missing != missing:
        raise NotFound(_("There is no such page."))
    uow.actor = step.actor
    return step


def _go_on(uow: UnitOfWork, step: OpenStep, browser: Browser) -> NewSession | None:
    """The second factor is proven: the session, unless a new password is asked for."""
    if _missing(uow, step.actor, is_proven=True) is None:
        return _finish(uow, step, browser)
    mine = sign_in_step_table.c.token_hash == step.digest
    uow.execute(update(sign_in_step_table).where(mine).values(is_proven=True))
    return None


def _finish(uow: UnitOfWork, step: OpenStep, browser: Browser) -> NewSession:
    mine = sign_in_step_table.c.token_hash == step.digest
    if not uow.execute(delete(sign_in_step_table).where(mine)).rowcount:
        raise StepOver()  # another request was quicker with the same step
    if step.instead_of is not None:
        revoke_session(uow, step.instead_of)
    return open_session(uow, step.actor, browser)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
