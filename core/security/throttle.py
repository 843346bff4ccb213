"""Holding guesses back: every try is counted before its password is looked at.

After wrong tries a person at one place (a network address) waits longer and longer. From a place where
that person signed in before, nothing else counts: nobody's guessing elsewhere keeps them out. From all
other places together few tries a minute reach the password of one person, first tries of a place apart
from repeated ones; and from one place few wrong tries a minute, whoever they are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row, delete, select, update

from core.security.locks import count_try, held_row
from core.security.models import lock_table, session_table, sign_in_table

if TYPE_CHECKING:
    from core.work.uow import UnitOfWork

__all__ = [
    "KEPT_FOR",
    "Claim",
    "Flow",
    "claim_code",
    "claim_try",
    "forget_old_tries",
    "give_back",
    "place_of",
]

#: How long wrong tries block the next at the same place: not at all, then 1 s, 2 s, 4 s … 15 min.
FREE_TRIES = 3
LONGEST_BLOCK = timedelta(minutes=15)
#: Tries are forgotten this long after the last one.
KEPT_FOR = timedelta(days=1)


@dataclass(frozen=True)
class Flow:
    """So many tries at once, and one more after each interval."""

    burst: int
    interval: timedelta


#: Of one person, from places where they never signed in: the first try of a place, and further ones.
#: With the nine that the delay leaves at a known place, twenty a minute reach the password.
FIRST_TRIES = Flow(3, timedelta(seconds=20))
FURTHER_TRIES = Flow(3, timedelta(seconds=30))
#: From one place, for whomever; those that were right are given back.
TRIES_OF_A_PLACE = Flow(30, timedelta(seconds=2))


@dataclass(frozen=True)
class Claim:
    """A try that was counted, or how many seconds to wait before the next."""

    wait: int = 0
    pair: str = ""
    flows: tuple[tuple[str, Flow], ...] = ()
    #: Of the lock that the try counts towards (`core.security.locks`).
    lock: str = ""
    #: This try was the last before the lock, should it be wrong.
    locks: bool = False
    #: The wait is that of a lock.
    is_locked: bool = False


def claim_try(uow: UnitOfWork, email: str, user_id: int | None, address: str) -> Claim:
    """Count one try, as if it were wrong, before it is known whether it is.

    The rows are locked until the end of the transaction, so parallel tries are counted one after
    the other. Commit whatever the answer: a place that was told to wait is no new place any more.
    """
    place = place_of(address)
    pair = _key("pair", email, place)
    flows: list[tuple[str, Flow]] = []
    is_known = _was_here(uow, user_id, place)
    if not is_known:
        flows.append((_key("place", place), TRIES_OF_A_PLACE))
        if wait := _wait_of_flows(uow, flows):
            return Claim(wait)
    row, is_new = _locked(uow, pair)
    if flows:
        kind, flow = ("first", FIRST_TRIES) if is_new else ("further", FURTHER_TRIES)
        flows.append((_key(kind, email), flow))
    if wait := max(_seconds(row.blocked_until - uow.now()), _wait_of_flows(uow, flows[1:])):
        return Claim(wait)
    where = place if is_known else ""
    counted = count_try(uow, _key("lock", email, where), user_id, where)
    if counted.wait:
        return Claim(counted.wait, is_locked=True)
    _count_at_place(uow, pair, row.failures + 1)
    for key, flow in flows:
        _move(uow, key, flow.interval)
    return Claim(0, pair, tuple(flows), counted.key, counted.locks)


def claim_code(uow: UnitOfWork, user_id: int, address: str) -> Claim:
    """Count one try at a second factor, which only those come to who know the password.

    All places where the person never signed in wait together: a code has but six digits.
    """
    place = place_of(address)
    where = place if _was_here(uow, user_id, place) else ""
    pair = _key("code", str(user_id), where)
    row, _made = _locked(uow, pair)
    if wait := _seconds(row.blocked_until - uow.now()):
        return Claim(wait)
    counted = count_try(uow, _key("code lock", str(user_id), where), user_id, where)
    if counted.wait:
        return Claim(counted.wait, is_locked=True)
    _count_at_place(uow, pair, row.failures + 1)
    return Claim(0, pair, (), counted.key, counted.locks)


def give_back(uow: UnitOfWork, claim: Claim) -> None:
    """The try was right: it does not count, and the wrong ones before it at this place are forgotten."""
    for key, flow in claim.flows[:1]:
        _move(uow, key, -flow.interval)
    uow.execute(delete(sign_in_table).where(sign_in_table.c.key == claim.pair))
    for key, flow in claim.flows[1:]:
        _move(uow, key, -flow.interval)
    if claim.lock:
        uow.execute(delete(lock_table).where(lock_table.c.key == claim.lock))


def forget_old_tries(uow: UnitOfWork) -> int:
    """Drop what no longer holds anybody back; returns how many rows."""
    old = sign_in_table.c.blocked_until < uow.now() - KEPT_FOR
    return uow.execute(delete(sign_in_table).where(old)).rowcount


def _key(kind: str, *parts: str) -> str:
    return hashlib.sha256("\0".join(("sign-in", kind, *parts)).encode()).hexdigest()


def place_of(address: str) -> str:
    """The address; of the sixth version the network, which is what one household or office is given."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ip_network((found, 64), strict=False))


def _was_here(uow: UnitOfWork, user_id: int | None, place: str) -> bool:
    """True when the person has signed in from there themselves, as far back as sessions are kept."""
    c = session_table.c
    theirs = (c.user_id == user_id) & c.behind_id.is_(None)
    addresses = uow.execute(select(c.address).where(theirs).distinct())
    return any(place_of(address) == place for address in addresses.scalars())


def _locked(uow: UnitOfWork, key: str) -> tuple[Row[Any], bool]:
    return held_row(uow, sign_in_table, key, {"failures": 0, "blocked_until": uow.now()})


def _wait_of_flows(uow: UnitOfWork, flows: Sequence[tuple[str, Flow]]) -> int:
    """Seconds until all of them let a try through; ``blocked_until`` says when they are full again."""
    waits = [0]
    for key, flow in flows:
        row, _made = _locked(uow, key)
        waits.append(_seconds(row.blocked_until - flow.interval * (flow.burst - 1) - uow.now()))
    return max(waits)


def _count_at_place(uow: UnitOfWork, pair: str, failures: int) -> None:
    blocked = timedelta()
    if failures > FREE_TRIES:
        blocked = min(timedelta(seconds=2 ** min(failures - FREE_TRIES - 1, 20)), LONGEST_BLOCK)
    table = sign_in_table
    values = {"failures": failures, "blocked_until": uow.now() + blocked}
    uow.execute(update(table).where(table.c.key == pair).values(values))


def _move(uow: UnitOfWork, key: str, by: timedelta) -> None:
    """Let a flow be full again so much later, or earlier."""
    table = sign_in_table
    row = uow.execute(select(table).where(table.c.key == key).with_for_update()).one_or_none()
    if row is not None:
        start = max(row.blocked_until, uow.now()) if by > timedelta() else row.blocked_until
        uow.execute(update(table).where(table.c.key == key).values(blocked_until=start + by))


def _seconds(wait: timedelta) -> int:
    """Whole seconds after which a wait is over; 0 when it is over already."""
    return int(wait.total_seconds()) + 1 if wait > timedelta() else 0
