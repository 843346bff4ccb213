"""The probe that asks for explanations: each must agree with what the oracle says, and with itself."""

from __future__ import annotations

from typing import Any

from operations import Probe
from oracle import HIDDEN, MASKED, READ, WRITE

from core.security.actor import SYSTEM
from core.security.explain import explain
from core.work.uow import Origin, UnitOfWork

ACCESS = {HIDDEN: "hidden", MASKED: "masked", READ: "read", WRITE: "write"}
ACTIONS = ("read", "update", "delete", "export", "approve", "assign")


def explain_one(probe: Probe) -> tuple[Any, Any]:
    """A person, a record, a field and an action at random, asked by the system."""
    rng, oracle, user = probe.rng, probe.oracle, probe.user
    row = probe.any_row()
    action = rng.choice(ACTIONS if probe.entity == "oracle_deal" else ACTIONS[:4])
    field = rng.choice([None, *probe.facts["fields"]])
    with UnitOfWork(probe.runtime, SYSTEM, origin=Origin("test"), write=False) as uow:
        told = explain(uow, user, probe.entity, row["id"], field=field, action=action)
    holds = oracle.living(probe.entity, row) and oracle.reaches(user, probe.entity, action, row)
    if action == "approve":
        holds = holds and row["stage"] != "lost"
    level = None
    if field is not None:
        level = oracle.level(user, probe.entity, field)
        if field not in probe.facts["writable"]:
            level = min(level, READ)  # nobody writes what is worked out
        is_open = level > HIDDEN
        if action == "update":
            is_open = level == WRITE
        holds = holds and is_open
    got = told.allowed, all(reason.holds for reason in told.reasons), told.access
    return got, (holds, holds, None if level is None else ACCESS[level])


__all__ = ["explain_one"]
