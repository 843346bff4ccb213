"""The second factor: time-based codes (RFC 6238) of a phone, and recovery codes on paper.

The key is sealed at rest, each code is taken once, and recovery codes are kept as hashes.
API tokens stand apart: who makes one is signed in, and a program has no phone.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from core.audit.recorder import record_act
from core.errors import Forbidden, Refused
from core.i18n import gettext as _
from core.secrets import seal, unseal
from core.security.models import recovery_code_table, second_factor_table
from core.security.oneself import require_oneself
from core.security.sessions import revoke_sessions
from core.settings.service import get_setting

if TYPE_CHECKING:
    from pyotp import TOTP

    from core.security.actor import Actor
    from core.work.uow import UnitOfWork

__all__ = [
    "SecondFactor",
    "SetUp",
    "begin_set_up",
    "confirm_set_up",
    "is_required",
    "new_recovery_codes",
    "remove_second_factor",
    "second_factor_of",
    "set_up_of",
    "take_code",
]

RECOVERY_CODES = 10
#: A code of the step before or after counts too: clocks of phones are not exact.
STEPS_AROUND = (0, -1, 1)
STEP = 30  # seconds
PURPOSE: str = second_factor_table.c.secret.info["sealed"]


@dataclass(frozen=True)
class SecondFactor:
    """That of a person: since when, and how many recovery codes are left."""

    since: datetime
    codes_left: int


@dataclass(frozen=True)
class SetUp:
    """What an authenticator app is given: the key as text, and the address that its camera reads."""

    secret: str = field(repr=False)
    uri: str = field(repr=False)


def second_factor_of(uow: UnitOfWork, user_id: int) -> SecondFactor | None:
    """The second factor that a person signs in with; None without one."""
    table, codes = second_factor_table, recovery_code_table
    since = uow.execute(
        select(table.c.confirmed_at).where(table.c.user_id == user_id)
    ).scalar_one_or_none()
    if since is None:
        return None
    left = select(func.count()).select_from(codes).where(codes.c.user_id == user_id)
    return SecondFactor(since, uow.execute(left).scalar_one())


def is_required(uow: UnitOfWork, actor: Actor) -> bool:
    """True when the company asks this person for a second factor."""
    match get_setting(uow, "core_sign_in", "second_factor"):
        case "all":
            return True
        case "administrators":
            return actor.is_admin
        case "roles":
            asked = set(get_setting(uow, "core_sign_in", "second_factor_roles") or ())
            return actor.is_admin or any(role.name in asked for role in actor.roles)
    return False


def begin_set_up(uow: UnitOfWork, user_id: int) -> None:
    """Make a key, which counts once a code of it was given; one made before is forgotten.

    Raises `Refused` when the person has a second factor.
    """
    import pyotp

    require_oneself(uow)
    if second_factor_of(uow, user_id) is not None:
        raise Refused(_("There is a second factor already. Turn it off first."))
    table = second_factor_table
    sealed = seal(uow.runtime.config, pyotp.random_base32(), purpose=PURPOSE)
    uow.execute(delete(table).where(table.c.user_id == user_id))
    uow.execute(insert(table).values(user_id=user_id, secret=sealed))


def set_up_of(uow: UnitOfWork, actor: Actor) -> SetUp | None:
    """The key that waits for its first code; None when none was made, or it counts already."""
    import pyotp

    assert actor.user_id is not None
    secret = None
    if second_factor_of(uow, actor.user_id) is None:
        secret = _secret(uow, actor.user_id)
    if secret is None:
        return None
    company = get_setting(uow, "core", "company_name")
    return SetUp(secret, pyotp.TOTP(secret).provisioning_uri(name=actor.email, issuer_name=company))


def confirm_set_up(uow: UnitOfWork, user_id: int, code: str) -> list[str] | None:
    """Turn it on with a first code: the recovery codes; None when the code is wrong.

    All sessions of the person end; the caller opens another.
    """
    require_oneself(uow)
    table = second_factor_table
    if not _take_step(uow, user_id, code, confirmed=False):
        return None
    uow.execute(update(table).where(table.c.user_id == user_id).values(confirmed_at=uow.now()))
    revoke_sessions(uow, [user_id])
    record_act(uow, "second_factor_on", entity="user", record_ids=[user_id])
    return _make_codes(uow, user_id)


def take_code(uow: UnitOfWork, user_id: int, code: str) -> bool:
    """Whether a code is right; it is used up by that. Callers count the try first."""
    return _take_step(uow, user_id, code, confirmed=True) or _take_recovery(uow, user_id, code)


def new_recovery_codes(uow: UnitOfWork, user_id: int) -> list[str]:
    """Other recovery codes; those before are worth nothing any more."""
    require_oneself(uow)
    record_act(uow, "new_recovery_codes", entity="user", record_ids=[user_id])
    return _make_codes(uow, user_id)


def remove_second_factor(uow: UnitOfWork, user_id: int) -> None:
    """Turn it off, for oneself or as who manages security; all sessions of the person end."""
    require_oneself(uow)
    is_own = user_id == uow.actor.user_id
    if not is_own and not uow.actor.manages_security:
        raise Forbidden(_("Only administrators take the second factor from others."))
    for table in (recovery_code_table, second_factor_table):
        uow.execute(delete(table).where(table.c.user_id == user_id))
    revoke_sessions(uow, [user_id])
    act = "second_factor_off" if is_own else "second_factor_reset"
    record_act(uow, act, entity="user", record_ids=[user_id])


def _take_step(uow: UnitOfWork, user_id: int, code: str, *, confirmed: bool) -> bool:
    """Take a code of the app, unless that of its time step, or of a later one, was taken before."""
    import pyotp

    digits = "".join(code.split())
    secret = _secret(uow, user_id)
    if secret is None or len(digits) != 6 or not (digits.isascii() and digits.isdigit()):
        return False
    step = _step_of(pyotp.TOTP(secret), digits, int(uow.now().timestamp()) // STEP)
    if step is None:
        return False
    table = second_factor_table
    is_next = (table.c.user_id == user_id) & (table.c.last_step < step)
    state = table.c.confirmed_at.is_not(None) if confirmed else table.c.confirmed_at.is_(None)
    taken = uow.execute(update(table).where(is_next, state).values(last_step=step))
    return taken.rowcount == 1


def _step_of(totp: TOTP, digits: str, now: int) -> int | None:
    for around in STEPS_AROUND:
        if secrets.compare_digest(totp.generate_otp(now + around), digits):
            return now + around
    return None


def _secret(uow: UnitOfWork, user_id: int) -> str | None:
    table = second_factor_table
    sealed = uow.execute(
        select(table.c.secret).where(table.c.user_id == user_id)
    ).scalar_one_or_none()
    return None if sealed is None else unseal(uow.runtime.config, sealed, purpose=PURPOSE)


def _make_codes(uow: UnitOfWork, user_id: int) -> list[str]:
    """Ten codes of eighty bits each, such as ``abcd-efgh-ijkl-mnop``."""
    codes = []
    for _number in range(RECOVERY_CODES):
        text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
        codes.append("-".join(text[start : start + 4] for start in range(0, 16, 4)))
    table = recovery_code_table
    uow.execute(delete(table).where(table.c.user_id == user_id))
    uow.execute(
        insert(table), [{"user_id": user_id, "code_hash": _hash(user_id, code)} for code in codes]
    )
    return codes


def _take_recovery(uow: UnitOfWork, user_id: int, code: str) -> bool:
    table = recovery_code_table
    same = (table.c.user_id == user_id) & (table.c.code_hash == _hash(user_id, code))
    return uow.execute(delete(table).where(same)).rowcount == 1


def _hash(user_id: int, code: str) -> str:
    plain = "".join(each for each in code.lower() if each.isalnum())
    return hashlib.sha256(f"{user_id}\0{plain}".encode()).hexdigest()
